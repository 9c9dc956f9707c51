/** Text of which every character keeps the place where it was written, however often it was repeated. */
import type { Diagnostic, Place, Severity } from './diagnostics.js';

export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** Column in the file of the first character, from 1. */
  readonly column: number;
  /** Column of each character and of the end, where a substitution has moved them; else null. */
  readonly columns: readonly number[] | null;
}

export const lineOf = (file: string, line: number, text: string): SourceLine => ({
  file,
  line,
  text,
  column: 1,
  columns: null,
});

export const columnOf = (l: SourceLine, i: number): number =>
  l.columns === null ? l.column + i : (l.columns[i] ?? (l.columns.at(-1) ?? 0) + 1);

/** The columns of all characters and of the end. */
export const columnsOf = (l: SourceLine): readonly number[] =>
  l.columns ?? Array.from({ length: l.text.length + 1 }, (_, i) => l.column + i);

/** A place and how many characters of the file belong to it. */
export interface At extends Place {
  readonly length: number;
}

/** Flat, because a large file has millions of them. */
export interface Word extends At {
  readonly text: string;
  readonly quoted: boolean;
}

export const placeOf = ({ file, line, column }: Place): Place => ({ file, line, column });

/** A keyword with its arguments, and its block if it has one. */
export interface Node {
  readonly keyword: Word;
  readonly args: readonly Word[];
  readonly block: readonly Node[] | null;
}

export interface Details {
  readonly found?: string;
  readonly expected?: string;
  readonly hint?: string | undefined;
}

/** Where diagnostics go while a file is read. */
export interface Report {
  readonly add: (severity: Severity, code: string, at: At, message: string, more?: Details) => void;
}

/** Diagnostics kept at most: a file that is wrong as a whole needs no more to be mended. */
const mostDiagnostics = 10_000;

export const collector = (): Report & { readonly list: Diagnostic[] } => {
  const list: Diagnostic[] = [];
  const seen = new Set<string>();
  let errors = 0;
  return {
    list,
    add: (severity, code, at, message, more = {}) => {
      // beyond the limit the first error is still kept, so that no file passes by its length
      if (list.length >= mostDiagnostics && (severity !== 'error' || errors > 0)) return;
      const key = `${at.file}:${at.line}:${at.column}:${code}:${message}`;
      if (seen.has(key)) return;
      seen.add(key);
      if (severity === 'error') errors++;
      list.push({
        severity,
        code,
        place: placeOf(at),
        length: Math.max(1, at.length),
        message,
        found: more.found ?? null,
        expected: more.expected ?? null,
        hint: more.hint ?? null,
      });
    },
  };
};

/** Edits (insert, delete, replace, exchange of neighbours) between two words. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const exchanged = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchange = exchanged ? (before[j - 2] ?? 0) + 1 : replace;
      next.push(Math.min(replace, exchange, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? a.length;
};

/** `did you mean 'x'?` for the nearest known word, if any is near. */
export const suggestion = (word: string, known: Iterable<string>): string | undefined => {
  if (word.length > 64) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let least = limit + 1;
  for (const k of known) {
    if (Math.abs(k.length - word.length) > limit) continue;
    const d = distance(word.toLowerCase(), k.toLowerCase());
    if (d < least) {
      least = d;
      best = k;
    }
  }
  return best === undefined ? undefined : `did you mean '${best}'?`;
};
