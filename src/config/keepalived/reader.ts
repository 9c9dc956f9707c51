/**
 * keepalived.conf before it is words: includes, definitions, conditions, sequences (keepalived.md
 * 1.5-1.8). Lines are handed over one by one in their order, each character with its place. What a
 * file can make of itself is bounded; a limit that is met is an error.
 */
import type { Source } from '../config.js';
import { foreignFile } from '../foreign.js';
import { faultOf, hasWildcard } from '../glob.js';
import { type At, columnOf, columnsOf, lineOf, type Report, type SourceLine } from '../text.js';
import { commentAt } from '../words.js';

interface Reading {
  readonly source: Source;
  readonly report: Report;
  readonly configId: string;
  readonly files: Map<string, string>;
  readonly definitions: Map<string, string>;
  readonly emit: (l: SourceLine) => void;
  readonly random: Random;
  readonly budget: Budget;
}

/** What is left of the limits; once one is met, no more lines are read. */
interface Budget {
  lines: number;
  characters: number;
  steps: number;
  exhausted: boolean;
}

const budget = (): Budget => ({
  lines: 5_000_000,
  characters: 512 * 1024 * 1024,
  steps: 3_000_000,
  exhausted: false,
});

const deepestInclude = 32;
const deepestLine = 200;
const mostSubstitutions = 4096;
const longestLine = 262_144;
const mostRepetitions = 100_000;

/** Numbers for ${_RANDOM}: the same ones for the same host and seed, so that a reload changes nothing. */
interface Random {
  state: number;
}

const seedOf = (text: string): number => {
  let h = 2_166_136_261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619) >>> 0;
  return h;
};

/** xorshift32 */
const nextRandom = (r: Random): number => {
  let x = r.state === 0 ? 1 : r.state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  r.state = x >>> 0;
  return r.state;
};

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

const at = (l: SourceLine, i: number, length: number): At => ({
  file: l.file,
  line: l.line,
  column: columnOf(l, i),
  length,
});

/** Reports a limit once, and ends the reading. */
const exhaust = (r: Reading, place: At, what: string): void => {
  if (!r.budget.exhausted)
    r.report.add('error', 'KS_CONF_LIMIT', place, `${what}; nothing more is read`);
  r.budget.exhausted = true;
};

const emit = (r: Reading, l: SourceLine): void => {
  r.budget.lines--;
  r.budget.characters -= l.text.length;
  if (r.budget.lines < 0 || r.budget.characters < 0)
    exhaust(r, at(l, 0, 1), 'the definitions expand to too many lines');
  else r.emit(l);
};

/** `${_RANDOM [MIN [MAX]]}` */
const randomOf = (r: Reading, args: string): string => {
  const [a, b] = args.split(/\s+/).filter((s) => s !== '');
  const min = Number.parseInt(a ?? '0', 10);
  const max = Number.parseInt(b ?? '32767', 10);
  return max >= min ? `${min + (nextRandom(r.random) % (max - min + 1))}` : '';
};

const predefined = (r: Reading, name: string, args: string, l: SourceLine): string | null => {
  switch (name) {
    case '_HASH':
      return '#';
    case '_BANG':
      return '!';
    case '_INSTANCE':
      return r.configId;
    case '_PWD':
      return dirOf(l.file);
    case '_RANDOM':
      return randomOf(r, args);
    default:
      return null;
  }
};

/**
 * `${NAME}` anywhere, `$NAME` before a blank, a comma, a closing parenthesis or the end; what is not
 * defined stays as it is.
 */
const reference =
  /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(\s[^}]*)?\}|([A-Za-z_][A-Za-z0-9_]*)(?=[\s,)]|$))/g;

/** The line with one reference replaced; its characters keep the place of the reference. */
const replaced = (l: SourceLine, start: number, end: number, value: string): SourceLine => {
  const column = columnOf(l, start);
  const columns = columnsOf(l);
  return {
    ...l,
    text: l.text.slice(0, start) + value + l.text.slice(end),
    columns: [
      ...columns.slice(0, start),
      ...new Array<number>(value.length).fill(column),
      ...columns.slice(end),
    ],
  };
};

/** Whether one more substitution keeps within the limits; reports when it does not. */
const mayExpand = (
  r: Reading,
  l: SourceLine,
  name: string,
  count: number,
  length: number,
): boolean => {
  // each character has a column of its own
  r.budget.characters -= 8 * length;
  if (count >= mostSubstitutions || length > longestLine) {
    r.report.add('error', 'KS_CONF_RECURSION', at(l, 0, 1), `$${name} expands without an end`);
    return false;
  }
  if (r.budget.characters >= 0) return true;
  exhaust(r, at(l, 0, 1), 'the definitions expand to too much text');
  return false;
};

/**
 * Replaces references outside comments from the left, what comes out of them included, up to the
 * first line break: lines that a definition of several lines brings are expanded when their turn
 * comes. null: a limit is met.
 */
const expand = (r: Reading, l: SourceLine): SourceLine | null => {
  let line = l;
  let from = 0;
  for (let n = 0; ; n++) {
    const newline = line.text.indexOf('\n');
    const head = newline < 0 ? line.text : line.text.slice(0, newline);
    const end = commentAt(head);
    reference.lastIndex = from;
    const m = reference.exec(head);
    if (m === null || m.index >= end) return line;
    const name = m[1] ?? m[3] ?? '';
    const value = r.definitions.get(name) ?? predefined(r, name, m[2] ?? '', l);
    if (value === null) {
      from = m.index + m[0].length;
      continue;
    }
    if (!mayExpand(r, l, name, n, line.text.length + value.length)) return null;
    line = replaced(line, m.index, m.index + m[0].length, value);
    from = m.index;
  }
};

const includePattern = /^\s*(include[rmwba]?)\s+(.*?)\s*$/;

const include = (
  r: Reading,
  l: SourceLine,
  keyword: string,
  written: string,
  stack: readonly string[],
): void => {
  const pattern = written.replace(/^"(.*)"$/, '$1');
  const after = l.text.indexOf(keyword) + keyword.length;
  const place = at(l, l.text.indexOf(written, after), written.length);
  const report = (severity: 'error' | 'warning', message: string, hint?: string): void =>
    r.report.add(severity, 'KS_CONF_INCLUDE', place, message, { hint });
  const strict = keyword !== 'include';
  const fault = faultOf(pattern);
  if (fault !== null) {
    report('error', `the pattern is not well formed: ${fault}`);
    return;
  }
  const paths = r.source.glob(pattern, dirOf(l.file));
  if ('error' in paths) {
    report('error', `${pattern}: ${paths.error}`);
    return;
  }
  if (paths.length === 0)
    report(
      strict ? 'error' : 'warning',
      `no file matches '${pattern}'`,
      `relative names start at ${dirOf(l.file)}`,
    );
  for (const path of paths) {
    if (r.budget.exhausted) return;
    if (stack.includes(path) || stack.length >= deepestInclude)
      report('error', `${path} includes itself`);
    else readFile(r, path, place, [...stack, path], hasWildcard(pattern));
  }
};

const definition = /^\s*\$([A-Za-z_][A-Za-z0-9_]*)=\s*(.*?)\s*$/;
const sequence = /^\s*~(SEQx?|LST)\(([^)]*)\)\s*(.*)$/s;

/** Values of ~SEQ(variable, [start, [step,]] end), or why there are none. */
const steps = (numbers: readonly number[], radix: number): readonly string[] | string => {
  if (numbers.length < 1 || numbers.length > 3 || !numbers.every(Number.isSafeInteger))
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
  depth: number,
): void => {
  const hidden = names.map((n) => [n, r.definitions.get(n)] as const);
  for (const row of rows) {
    if (r.budget.exhausted) break;
    for (const [i, n] of names.entries()) r.definitions.set(n, row[i] ?? '');
    logical(r, body, depth + 1);
  }
  for (const [n, d] of hidden) {
    if (d === undefined) r.definitions.delete(n);
    else r.definitions.set(n, d);
  }
};

/** The arguments of a sequence may be definitions; its body is expanded at each repetition. */
const repeat = (r: Reading, l: SourceLine, m: RegExpExecArray, depth: number): void => {
  const [kind, written, rest] = [m[1] ?? '', m[2] ?? '', m[3] ?? ''];
  const inside = written.includes('$')
    ? (expand(r, { ...l, text: written, columns: null })?.text ?? '')
    : written;
  const body = slice(l, l.text.length - rest.length);
  const [first = '', ...more] = splitTuples(inside);
  if (kind === 'LST') {
    withValues(r, untuple(first), more.map(untuple), body, depth);
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
      depth,
    );
    return;
  }
  r.report.add('error', 'KS_CONF_SEQUENCE', at(l, l.text.indexOf('~'), kind.length + 1), values);
};

const condition = /^\s*@(\^?)(\S*)\s?(.*)$/s;

/** What a condition leaves of a line; null: nothing. */
const conditional = (r: Reading, l: SourceLine): SourceLine | null => {
  const cond = condition.exec(l.text);
  if (cond === null) return l;
  const [not, id, rest] = [cond[1] ?? '', cond[2] ?? '', cond[3] ?? ''];
  return id !== '' && (id === r.configId) === (not === '')
    ? slice(l, l.text.length - rest.length)
    : null;
};

const seed = /^\s*random_seed\s+(\d{1,10})\s*$/;

/** The character a line begins with; it decides what the line can be. */
const firstOf = (text: string): string => {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c > 32 || c < 9 || (c > 13 && c < 32)) return text[i] ?? '';
  }
  return '';
};

/** Whether one more logical line keeps within the limits; reports when it does not. */
const mayGoOn = (r: Reading, l: SourceLine, depth: number): boolean => {
  if (r.budget.exhausted) return false;
  if (--r.budget.steps < 0)
    exhaust(r, at(l, 0, 1), 'definitions and sequences take too many steps');
  else if (depth > deepestLine)
    exhaust(r, at(l, 0, 1), 'definitions and sequences are nested too deeply');
  return !r.budget.exhausted;
};

/** A line without references. */
const plain = (r: Reading, l: SourceLine, first: string): void => {
  const s = first === 'r' ? seed.exec(l.text) : null;
  if (s !== null) r.random.state = seedOf(s[1] ?? '');
  emit(r, l);
};

/** Lines that a definition of several lines has brought: each is read by itself. */
const several = (r: Reading, l: SourceLine, depth: number): void => {
  for (let from = 0; from <= l.text.length; ) {
    const next = l.text.indexOf('\n', from);
    const to = next < 0 ? l.text.length : next;
    logical(r, slice(l, from, to), depth + 1);
    from = to + 1;
  }
};

/** A line with references. */
const substituted = (r: Reading, l: SourceLine, depth: number): void => {
  const expanded = expand(r, l);
  if (expanded === null) return;
  if (expanded.text.includes('\n')) {
    several(r, expanded, depth);
    return;
  }
  // a substitution may have made the line a condition or a sequence
  if (expanded !== l && /^\s*[@~]/.test(expanded.text)) logical(r, expanded, depth + 1);
  else emit(r, expanded);
};

/** A line that may repeat, define or ask for a condition; false: it does nothing of the kind. */
const special = (r: Reading, l: SourceLine, first: string, depth: number): boolean => {
  if (first === '@') {
    const rest = conditional(r, l);
    if (rest !== null) logical(r, rest, depth + 1);
    return true;
  }
  const seq = first === '~' ? sequence.exec(l.text) : null;
  if (seq !== null) repeat(r, l, seq, depth);
  const def = first === '$' ? definition.exec(l.text) : null;
  if (def !== null) r.definitions.set(def[1] ?? '', withoutComment(def[2] ?? ''));
  return seq !== null || def !== null;
};

/** One logical line: condition, sequence, definition, substitution, in that order and again. */
function logical(r: Reading, l: SourceLine, depth: number): void {
  if (!mayGoOn(r, l, depth)) return;
  const first = firstOf(l.text);
  if (first === '' || first === '#' || first === '!') return;
  if (special(r, l, first, depth)) return;
  if (l.text.includes('$')) substituted(r, l, depth);
  else plain(r, l, first);
}

const withoutComment = (text: string): string =>
  /[#!]/.test(text) ? text.slice(0, commentAt(text)).trimEnd() : text;

/**
 * Takes a definition and its further lines while they end in a backslash; comments behind it and lines
 * of comment alone do not count. Answers how many lines it used.
 */
const define = (r: Reading, m: RegExpExecArray, lines: readonly string[], i: number): number => {
  const name = m[1] ?? '';
  const value = withoutComment(m[2] ?? '');
  if (!value.endsWith('\\')) {
    r.definitions.set(name, value);
    return 1;
  }
  const parts = value === '\\' ? [] : [value.slice(0, -1)];
  let used = 1;
  for (let more = true; more && i + used < lines.length; used++) {
    const written = (lines[i + used] ?? '').replace(/\r$/, '');
    const next = withoutComment(written);
    if (next.trim() === '' && written.trim() !== '') continue;
    more = /\\\s*$/.test(next);
    parts.push(next.replace(/\\\s*$/, ''));
  }
  r.definitions.set(name, parts.join('\n'));
  return used;
};

/** One line of a file; answers how many lines it used. */
const fileLine = (
  r: Reading,
  path: string,
  lines: readonly string[],
  i: number,
  stack: readonly string[],
): number => {
  const raw = lines[i] ?? '';
  const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
  const l = lineOf(path, i + 1, text);
  if (text.includes('\0')) {
    r.report.add('error', 'KS_CONF_NUL', at(l, text.indexOf('\0'), 1), 'a NUL byte');
    return 1;
  }
  const first = firstOf(text);
  const inc = first === 'i' ? includePattern.exec(text) : null;
  const def = first === '$' ? definition.exec(text) : null;
  if (def !== null) return define(r, def, lines, i);
  if (inc !== null) include(r, l, inc[1] ?? '', withoutComment(inc[2] ?? ''), stack);
  else logical(r, l, 0);
  return 1;
};

function readFile(
  r: Reading,
  path: string,
  from: At,
  stack: readonly string[],
  byPattern: boolean,
): void {
  const got = r.source.read(path);
  if (!got.ok) {
    // a directory among what a pattern matches is not meant
    const skipped = byPattern && got.error === 'it is not a regular file';
    const message = `${path} cannot be read: ${got.error}`;
    r.report.add(skipped ? 'warning' : 'error', 'KS_CONF_FILE', from, message);
    return;
  }
  const program = stack.length > 1 ? foreignFile(path, got.text) : null;
  if (program !== null) {
    const message = `${path}: recognised as a file of ${program}, not acted on yet`;
    r.report.add('warning', 'KS_CONF_FOREIGN', from, message);
    return;
  }
  r.files.set(path, got.text);
  r.budget.characters -= got.text.length;
  if (r.budget.characters < 0) exhaust(r, from, 'the files are too large');
  const lines = got.text.split('\n');
  for (let i = 0; i < lines.length && !r.budget.exhausted; )
    i += fileLine(r, path, lines, i, stack);
}

/** Hands over all lines of a file and of what it includes. */
export const readLines = (
  source: Source,
  path: string,
  configId: string,
  files: Map<string, string>,
  report: Report,
  emitLine: (l: SourceLine) => void,
): void => {
  const r: Reading = {
    source,
    report,
    configId,
    files,
    definitions: new Map(),
    emit: emitLine,
    random: { state: seedOf(configId) },
    budget: budget(),
  };
  readFile(r, path, { file: path, line: 1, column: 1, length: 1 }, [path], false);
};
