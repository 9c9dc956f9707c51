/** Values in the manner of a script (keepalived.md 1.3): quotes of both kinds and backslash escapes. */

export interface Unescaped {
  readonly value: string;
  /** Index behind the value. */
  readonly end: number;
  /** Whether every quote that was opened was closed. */
  readonly closed: boolean;
}

const letters: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['E', '\x1b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** One escape that begins with the backslash at `i`: what it stands for and its length. */
const escapeAt = (text: string, i: number): readonly [string, number] => {
  const rest = text.slice(i + 1, i + 5);
  const octal = /^[0-7]{1,3}/.exec(rest)?.[0];
  if (octal !== undefined)
    return [String.fromCharCode(Number.parseInt(octal, 8) & 0xff), octal.length + 1];
  const hex = /^x([0-9a-fA-F]{1,2})/.exec(rest)?.[1];
  if (hex !== undefined) return [String.fromCharCode(Number.parseInt(hex, 16)), hex.length + 2];
  const control = /^c([@-_a-z])/.exec(rest)?.[1];
  if (control !== undefined)
    return [String.fromCharCode(control.toUpperCase().charCodeAt(0) ^ 0x40), 3];
  const c = text[i + 1];
  return c === undefined ? ['\\', 1] : [letters.get(c) ?? c, 2];
};

/** The quote that is open behind a character: none, or the one that opened it. */
const quoteAfter = (c: string, inside: string): string => {
  if (inside === '') return c === '"' || c === "'" ? c : '';
  return c === inside ? '' : inside;
};

/** One value from `from`: to the first blank outside quotes, or the end of the line. */
export const unescaped = (text: string, from: number): Unescaped => {
  let value = '';
  let inside = '';
  let i = from;
  while (i < text.length) {
    const c = text[i] ?? '';
    if (inside === '' && /\s/.test(c)) break;
    const [plain, length] = c === '\\' ? escapeAt(text, i) : [c, 1];
    const next = c === '\\' ? inside : quoteAfter(c, inside);
    if (next === inside) value += plain;
    inside = next;
    i += length;
  }
  return { value, end: Math.min(i, text.length), closed: inside === '' };
};
