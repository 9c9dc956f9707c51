/**
 * What is wrong with a file: where, what was found, what was expected, and what to do. All of it at
 * once, as a compiler does.
 */

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
}

export type Severity = 'error' | 'warning' | 'info';

export interface Diagnostic {
  readonly severity: Severity;
  /** Stable, for machines: KS_CONF_UNKNOWN_KEYWORD ... */
  readonly code: string;
  readonly place: Place;
  /** Characters under which the caret line goes; at least 1. */
  readonly length: number;
  readonly message: string;
  readonly found: string | null;
  readonly expected: string | null;
  readonly hint: string | null;
}

/** 0 = clean, or warnings and not strict; 1 otherwise. */
export const exitCode = (ds: readonly Diagnostic[], strict: boolean): 0 | 1 =>
  ds.some((d) => d.severity === 'error' || (strict && d.severity === 'warning')) ? 1 : 0;

const caret = (line: string, d: Diagnostic): string => {
  const before = line.slice(0, d.place.column - 1).replace(/[^\t]/g, ' ');
  const room = Math.max(1, Math.min(d.length, line.length - d.place.column + 1));
  return `    ${line}\n    ${before}^${'~'.repeat(room - 1)}\n`;
};

/** One diagnostic with its source line; `files` holds the text of each file by its path. */
const render = (d: Diagnostic, files: ReadonlyMap<string, readonly string[]>): string => {
  const { file, line, column } = d.place;
  const source = files.get(file)?.[line - 1];
  const details = [
    d.found === null ? null : `found ${d.found}`,
    d.expected === null ? null : `expected ${d.expected}`,
  ].filter((x) => x !== null);
  const text = details.length === 0 ? d.message : `${d.message}: ${details.join(', ')}`;
  return (
    `${file}:${line}:${column}: ${d.severity}: ${text} [${d.code}]\n` +
    (source === undefined ? '' : caret(source.replace(/\r$/, ''), d)) +
    (d.hint === null ? '' : `    hint: ${d.hint}\n`)
  );
};

const rank: Readonly<Record<Severity, number>> = { info: 0, warning: 1, error: 2 };

/** The word a message begins with in quotes. */
const wordIn = (d: Diagnostic): string => /^'([^']*)'/.exec(d.message)?.[1] ?? d.message;

/** Words that are without effect, each with how often it stands there. */
const lost = (ds: readonly Diagnostic[]): string => {
  const counts = new Map<string, number>();
  for (const d of ds)
    if (d.code === 'KS_CONF_NO_EFFECT') {
      const word = wordIn(d);
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  const words = [...counts].map(([w, n]) => (n === 1 ? w : `${w} (${n})`));
  const shown = words.slice(0, 12).join(', ');
  if (words.length === 0) return '';
  return `; without effect: ${shown}${words.length > 12 ? ' and others' : ''}`;
};

/** `2 errors, 1 warning; without effect: smtp_alert`; empty when there is nothing to sum up. */
export const summary = (ds: readonly Diagnostic[]): string => {
  const count = (s: Severity): number => ds.filter((d) => d.severity === s).length;
  const counts = (['error', 'warning', 'info'] as const)
    .map((s) => [s, count(s)] as const)
    .filter(([, n]) => n > 0)
    .map(([s, n]) => `${n} ${s}${n === 1 ? '' : 's'}`)
    .join(', ');
  return counts === '' ? '' : `${counts}${lost(ds)}`;
};

/**
 * Compiler-like text, errors last so that they are seen, and a line that sums up; empty when there is
 * nothing to report.
 */
export const renderDiagnostics = (
  ds: readonly Diagnostic[],
  files: ReadonlyMap<string, string>,
): string => {
  if (ds.length === 0) return '';
  const lines = new Map([...files].map(([name, text]) => [name, text.split('\n')]));
  const inOrder = [...ds].sort((a, b) => rank[a.severity] - rank[b.severity]);
  return `${inOrder.map((d) => render(d, lines)).join('')}${summary(ds)}\n`;
};
