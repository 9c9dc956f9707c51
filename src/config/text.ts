/** Text whose every character still knows where it was written, however often it was substituted or repeated. */
import type { Diagnostic, Place, Severity } from './diagnostics.js';

export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** Column in the file of the first character, from 1; the others follow it, unless `columns` says otherwise. */
  readonly column: number;
  /** Column of each character and of the end, where a substitution has moved them. */
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

/** All of them, to be changed. */
export const columnsOf = (l: SourceLine): readonly number[] =>
  l.columns ?? Array.from({ length: l.text.length + 1 }, (_, i) => l.column + i);

export interface Word {
  readonly text: string;
  readonly place: Place;
  /** Characters in the file. */
  readonly length: number;
  readonly quoted: boolean;
}

/** A keyword with its arguments, and its block if it has one. */
export interface Node {
  readonly keyword: Word;
  readonly args: readonly Word[];
  readonly block: readonly Node[] | null;
}

/** Where diagnostics go while a file is read. */
export interface Report {
  readonly add: (
    severity: Severity,
    code: string,
    at: { readonly place: Place; readonly length: number },
    message: string,
    more?: {
      readonly found?: string;
      readonly expected?: string;
      readonly hint?: string | undefined;
    },
  ) => void;
}

export const collector = (): Report & { readonly list: Diagnostic[] } => {
  const list: Diagnostic[] = [];
  const seen = new Set<string>();
  return {
    list,
    add: (severity, code, at, message, more = {}) => {
      const { file, line, column } = at.place;
      const key = `${file}:${line}:${column}:${code}:${message}`;
      if (seen.has(key)) return;
      seen.add(key);
      list.push({
        severity,
        code,
        place: at.place,
        length: Math.max(1, at.length),
        message,
        found: more.found ?? null,
        expected: more.expected ?? null,
        hint: more.hint ?? null,
      });
    },
  };
};

/** Edits (insert, delete, replace) from one word to another; Infinity when more than `limit`. */
const distance = (a: string, b: string, limit: number): number => {
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? Number.POSITIVE_INFINITY;
};

/** `did you mean 'x'?` for the nearest known word, if any is near. */
export const suggestion = (word: string, known: Iterable<string>): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let least = limit + 1;
  for (const k of known) {
    const d = distance(word.toLowerCase(), k.toLowerCase(), limit);
    if (d < least) {
      least = d;
      best = k;
    }
  }
  return best === undefined ? undefined : `did you mean '${best}'?`;
};
