/** Words of a line: where one ends, what quotes and escapes make of it, where a comment begins. */
import { columnOf, type SourceLine, type Word } from './text.js';

const tab = 9;
const returnKey = 13;
const blank = 32;
const bang = 33;
const quote = 34;
const hash = 35;
const backslash = 92;
export const openBrace = 123;
export const closeBrace = 125;

export const isBlank = (c: number): boolean => c === blank || (c >= tab && c <= returnKey);
export const isComment = (c: number): boolean => c === hash || c === bang;
const isBrace = (c: number): boolean => c === openBrace || c === closeBrace;

export const wordOf = (
  l: SourceLine,
  from: number,
  to: number,
  text: string,
  quoted: boolean,
): Word => {
  const column = columnOf(l, from);
  const end = l.columns === null ? column + (to - from) - 1 : columnOf(l, Math.max(from, to - 1));
  return {
    text,
    file: l.file,
    line: l.line,
    column,
    length: Math.max(1, end - column + 1),
    quoted,
  };
};

/** Whether the backslash at `i` makes a plain character of the comment sign behind it. */
const escapes = (text: string, i: number): boolean =>
  text.charCodeAt(i) === backslash && isComment(text.charCodeAt(i + 1));

/** Index of the first character of a comment outside quotes, or the length. */
export const commentAt = (text: string): number => {
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === quote) inside = !inside;
    else if (inside) continue;
    else if (escapes(text, i)) i++;
    else if (isComment(c)) return i;
  }
  return text.length;
};

/** Index behind a word without quotes and escapes; -1: it has some, or a comment glued to it. */
export const plainEnd = (text: string, from: number): number => {
  for (let i = from; ; i++) {
    const c = text.charCodeAt(i);
    if (c === quote || c === backslash || isComment(c)) return -1;
    if (i >= text.length || isBlank(c) || isBrace(c)) return i;
  }
};

export interface Scanned {
  readonly value: string;
  readonly end: number;
  readonly quoted: boolean;
  /** Whether every quote that was opened was closed. */
  readonly closed: boolean;
}

/** A word with quotes, escapes or a comment glued to it. */
export const scanned = (text: string, from: number): Scanned => {
  let value = '';
  let inside = false;
  let quoted = false;
  let i = from;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === quote) {
      inside = !inside;
      quoted = true;
      continue;
    }
    if (!inside && (isBlank(c) || isBrace(c) || isComment(c))) break;
    if (!inside && escapes(text, i)) i++;
    value += text[i] ?? '';
  }
  return { value, end: i, quoted, closed: !inside };
};
