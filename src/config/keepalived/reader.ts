/**
 * keepalived.conf before it is words: includes, definitions, conditions, sequences (keepalived.md 1.5-1.8). Lines come out in their order, each
 * character with its place.
 */
import type { Source } from '../config.js';
import type { Place } from '../diagnostics.js';
import { faultOf } from '../glob.js';
import { columnOf, columnsOf, lineOf, type Report, type SourceLine } from '../text.js';

interface Definition {
  readonly text: string;
}

interface Reading {
  readonly source: Source;
  readonly report: Report;
  readonly configId: string;
  readonly files: Map<string, string>;
  readonly definitions: Map<string, Definition>;
  readonly out: SourceLine[];
  readonly stack: readonly string[];
}

const deepestInclude = 32;
const deepestExpansion = 32;
const mostLines = 2_000_000;
const mostRepetitions = 100_000;

const dirOf = (path: string): string => {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash);
};

const slice = (l: SourceLine, from: number, to = l.text.length): SourceLine => ({
  ...l,
  text: l.text.slice(from, to),
  column: l.column + from,
  columns: l.columns?.slice(from, to + 1) ?? null,
});

const at = (l: SourceLine, i: number, length: number): { place: Place; length: number } => ({
  place: { file: l.file, line: l.line, column: columnOf(l, i) },
  length,
});

const predefined = (name: string, l: SourceLine, configId: string): string | null => {
  switch (name) {
    case '_HASH':
      return '\\#';
    case '_BANG':
      return '\\!';
    case '_INSTANCE':
      return configId;
    case '_PWD':
      return dirOf(l.file);
    default:
      return null;
  }
};

/** `${NAME}` anywhere, `$NAME` before a blank, a comma, a closing parenthesis or the end; what is not defined stays as it is. */
const substitution =
  /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?:\s[^}]*)?\}|([A-Za-z_][A-Za-z0-9_]*)(?=[\s,)]|$))/;

const expand = (r: Reading, l: SourceLine): SourceLine => {
  let line = l;
  let from = 0;
  for (let depth = 0; ; depth++) {
    const m = substitution.exec(line.text.slice(from));
    if (m === null) return line;
    const start = from + m.index;
    const name = m[1] ?? m[2] ?? '';
    const value = r.definitions.get(name)?.text ?? predefined(name, l, r.configId);
    const end = start + m[0].length;
    if (value === null || value === undefined) {
      from = end;
      continue;
    }
    if (depth >= deepestExpansion * 8) {
      r.report.add('error', 'KS_CONF_RECURSION', at(l, 0, 1), `$${name} expands without an end`);
      return { ...line, text: '', columns: null };
    }
    const column = columnOf(line, start);
    const columns = columnsOf(line);
    line = {
      ...line,
      text: line.text.slice(0, start) + value + line.text.slice(end),
      columns: [
        ...columns.slice(0, start),
        ...Array.from({ length: value.length }, () => column),
        ...columns.slice(end),
      ],
    };
    from = start;
  }
};

const includePattern = /^\s*(include[rmwba]?)\s+(.*?)\s*$/;

const include = (r: Reading, l: SourceLine, keyword: string, pattern: string): void => {
  const place = at(l, l.text.indexOf(pattern), pattern.length);
  const strict = keyword !== 'include';
  const unquoted = pattern.replace(/^"(.*)"$/, '$1');
  const fault = faultOf(unquoted);
  if (fault !== null) {
    r.report.add('error', 'KS_CONF_INCLUDE', place, `the pattern is not well formed: ${fault}`);
    return;
  }
  const paths = r.source.glob(unquoted, dirOf(l.file));
  if ('error' in paths) {
    r.report.add('error', 'KS_CONF_INCLUDE', place, paths.error);
    return;
  }
  if (paths.length === 0) {
    r.report.add(
      strict ? 'error' : 'warning',
      'KS_CONF_INCLUDE',
      place,
      `no file matches '${unquoted}'`,
      { hint: `relative names start at ${dirOf(l.file)}` },
    );
    return;
  }
  for (const path of paths) {
    if (r.stack.includes(path) || r.stack.length >= deepestInclude)
      r.report.add('error', 'KS_CONF_INCLUDE', place, `${path} includes itself`);
    else readFile({ ...r, stack: [...r.stack, path] }, path, place, strict);
  }
};

const definition = /^\s*\$([A-Za-z_][A-Za-z0-9_]*)=\s*(.*?)\s*$/;
const sequence = /^\s*~(SEQx?|LST)\(([^)]*)\)\s*(.*)$/;

/** Values of ~SEQ(variable, [start, [step,]] end), or why there are none. */
const steps = (numbers: readonly number[], radix: number): readonly string[] | string => {
  if (numbers.length < 1 || numbers.length > 3 || numbers.some(Number.isNaN))
    return 'expected ~SEQ(variable, [start, [step,]] end)';
  const end = numbers.at(-1) ?? 0;
  const start = numbers.length > 1 ? (numbers[0] ?? 1) : end < 0 ? -1 : 1;
  const step = numbers.length > 2 ? (numbers[1] ?? 1) : start <= end ? 1 : -1;
  if (step === 0 || step > 0 !== start <= end)
    return `step ${step} does not lead from ${start} to ${end}`;
  const count = Math.floor((end - start) / step) + 1;
  if (count > mostRepetitions) return `more than ${mostRepetitions} repetitions`;
  return Array.from({ length: count }, (_, i) => (start + i * step).toString(radix));
};

/** Splits at commas outside braces; a tuple's braces are taken off later. */
const splitTuples = (text: string): readonly string[] =>
  (text.match(/\{[^}]*\}|[^,{}]+/g) ?? []).map((p) => p.trim()).filter((p) => p !== '');

const untuple = (text: string): readonly string[] =>
  text.startsWith('{')
    ? text
        .slice(1, -1)
        .split(',')
        .map((p) => p.trim())
    : [text];

/** Reads `body` with the names set to each row of values in turn; what they hid comes back. */
const withValues = (
  r: Reading,
  names: readonly string[],
  rows: readonly (readonly string[])[],
  body: SourceLine,
): void => {
  const hidden = names.map((n) => [n, r.definitions.get(n)] as const);
  for (const row of rows) {
    for (const [i, n] of names.entries()) r.definitions.set(n, { text: row[i] ?? '' });
    logical(r, body);
  }
  for (const [n, d] of hidden) {
    if (d === undefined) r.definitions.delete(n);
    else r.definitions.set(n, d);
  }
};

const repeat = (r: Reading, l: SourceLine, m: RegExpExecArray): void => {
  const [kind, inside, rest] = [m[1] ?? '', m[2] ?? '', m[3] ?? ''];
  const body = slice(l, l.text.length - rest.length);
  const [first = '', ...more] = splitTuples(inside);
  if (kind === 'LST') {
    withValues(r, untuple(first), more.map(untuple), body);
    return;
  }
  const radix = kind === 'SEQx' ? 16 : 10;
  const values = steps(
    more.map((p) => Number.parseInt(p, radix)),
    radix,
  );
  if (typeof values !== 'string') {
    withValues(
      r,
      [first],
      values.map((v) => [v]),
      body,
    );
    return;
  }
  const mark = at(l, l.text.indexOf('~'), kind.length + 1);
  r.report.add('error', 'KS_CONF_SEQUENCE', mark, values);
};

const condition = /^\s*@(\^?)(\S*)\s?(.*)$/;

/** One line after substitution: kept, or what a condition leaves of it. */
const conditional = (r: Reading, part: SourceLine, isExpanded: boolean): void => {
  const cond = condition.exec(part.text);
  if (cond === null) {
    if (isExpanded && sequence.test(part.text)) logical(r, part);
    else r.out.push(part);
    return;
  }
  const [not, id, rest] = [cond[1] ?? '', cond[2] ?? '', cond[3] ?? ''];
  if (id !== '' && (id === r.configId) === (not === ''))
    logical(r, slice(part, part.text.length - rest.length));
};

/** One logical line: sequence, substitution, condition; a definition of several lines comes out as several. */
const logical = (r: Reading, l: SourceLine): void => {
  if (r.out.length >= mostLines) return;
  const def = definition.exec(l.text);
  if (def !== null) {
    r.definitions.set(def[1] ?? '', { text: def[2] ?? '' });
    return;
  }
  const seq = sequence.exec(l.text);
  if (seq !== null) {
    repeat(r, l, seq);
    return;
  }
  const expanded = l.text.includes('$') ? expand(r, l) : l;
  if (!expanded.text.includes('\n')) {
    conditional(r, expanded, expanded !== l);
    return;
  }
  for (let from = 0; from <= expanded.text.length; ) {
    const newline = expanded.text.indexOf('\n', from);
    const to = newline < 0 ? expanded.text.length : newline;
    conditional(r, slice(expanded, from, to), true);
    from = to + 1;
  }
};

/** Takes a definition's further lines while they end in a backslash; answers how many lines it used. */
const define = (r: Reading, m: RegExpExecArray, lines: readonly string[], i: number): number => {
  const name = m[1] ?? '';
  let value = m[2] ?? '';
  let used = 1;
  if (value === '\\' || value.endsWith('\\')) {
    const parts = value === '\\' ? [] : [value.slice(0, -1)];
    for (let more = true; more && i + used < lines.length; used++) {
      const next = (lines[i + used] ?? '').replace(/\r$/, '');
      more = /\\\s*$/.test(next);
      parts.push(next.replace(/\\\s*$/, ''));
    }
    value = parts.join('\n');
  }
  r.definitions.set(name, { text: value });
  return used;
};

function readFile(
  r: Reading,
  path: string,
  from: { readonly place: Place; readonly length: number },
  strict: boolean,
): void {
  const got = r.source.read(path);
  if (!got.ok) {
    r.report.add(
      strict ? 'error' : 'warning',
      'KS_CONF_FILE',
      from,
      `${path} cannot be read: ${got.error}`,
    );
    return;
  }
  r.files.set(path, got.text);
  const lines = got.text.split('\n');
  for (let i = 0; i < lines.length; ) {
    const text = (lines[i] ?? '').replace(/\r$/, '');
    const l = lineOf(path, i + 1, text);
    const inc = includePattern.exec(text);
    const def = definition.exec(text);
    if (inc !== null) include(r, l, inc[1] ?? '', inc[2] ?? '');
    else if (def !== null) {
      i += define(r, def, lines, i);
      continue;
    } else if (text.includes('\0'))
      r.report.add('error', 'KS_CONF_NUL', at(l, text.indexOf('\0'), 1), 'a NUL byte');
    else logical(r, l);
    i++;
  }
}

/** All lines of a file and of what it includes. */
export const readLines = (
  source: Source,
  path: string,
  configId: string,
  files: Map<string, string>,
  report: Report,
): readonly SourceLine[] => {
  const r: Reading = {
    source,
    report,
    configId,
    files,
    definitions: new Map(),
    out: [],
    stack: [path],
  };
  readFile(r, path, { place: { file: path, line: 1, column: 1 }, length: 1 }, true);
  return r.out;
};
