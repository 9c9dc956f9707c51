/**
 * Values of keywords with their ranges, and the table that reads a block: each keyword has one reader; what has none is unknown, or known but not acted
 * on. Wrong values are errors with what was found and expected; the default stays.
 */
import { parseIpv4 } from '../net/ipv4.js';
import { canonicalIpv6 } from '../net/ipv6.js';
import { type Node, type Report, suggestion, type Word } from './text.js';

export interface Context {
  readonly report: Report;
  /** Keywords which are accepted without being acted on. */
  readonly known: ReadonlySet<string>;
}

export type Reader = (node: Node) => void;
export type Readers = Readonly<Record<string, Reader>>;

const wrong = (c: Context, w: Word, expected: string): null => {
  c.report.add('error', 'KS_CONF_VALUE', w, `wrong value`, { found: `'${w.text}'`, expected });
  return null;
};

/** The keyword's only argument; null and an error when there is none. */
export const argument = (c: Context, n: Node, expected: string): Word | null => {
  const w = n.args[0];
  if (w === undefined) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, `'${n.keyword.text}' needs a value`, {
      expected,
    });
    return null;
  }
  return w;
};

/** Words beyond those a keyword takes are not read by keepalived either, but silently; here they are warned of. */
export const noMore = (c: Context, n: Node, taken: number): void => {
  const extra = n.args[taken];
  if (extra !== undefined)
    c.report.add(
      'warning',
      'KS_CONF_SURPLUS',
      extra,
      `'${extra.text}' after '${n.keyword.text}' is not read`,
      { hint: 'one keyword a line' },
    );
};

export const integerOf = (c: Context, w: Word, min: number, max: number): number | null => {
  const expected = `a whole number from ${min} to ${max}`;
  if (!/^[+-]?\d+$/.test(w.text)) return wrong(c, w, expected);
  const n = Number(w.text);
  return n < min || n > max ? wrong(c, w, expected) : n;
};

export const integer =
  (c: Context, min: number, max: number, set: (n: number) => void): Reader =>
  (n) => {
    const w = argument(c, n, `a whole number from ${min} to ${max}`);
    const value = w === null ? null : integerOf(c, w, min, max);
    if (value !== null) set(value);
    noMore(c, n, 1);
  };

/** Decimal seconds, up to six digits behind the point, as milliseconds. */
export const secondsOf = (c: Context, w: Word, min: number, max: number): number | null => {
  const expected = `seconds from ${min} to ${max}`;
  if (!/^\+?\d+(\.\d{0,6})?$|^\+?\.\d{1,6}$/.test(w.text)) return wrong(c, w, expected);
  const n = Number(w.text);
  return n < min || n > max ? wrong(c, w, expected) : n * 1000;
};

export const seconds =
  (c: Context, min: number, max: number, setMs: (ms: number) => void): Reader =>
  (n) => {
    const w = argument(c, n, `seconds from ${min} to ${max}`);
    const value = w === null ? null : secondsOf(c, w, min, max);
    if (value !== null) setMs(value);
    noMore(c, n, 1);
  };

const truths: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  off: false,
  false: false,
  no: false,
};

/** on off true false yes no, lower case; without a word it means on. */
export const boolean =
  (c: Context, set: (b: boolean) => void): Reader =>
  (n) => {
    const w = n.args[0];
    const value = w === undefined ? true : truths[w.text];
    if (value === undefined) wrong(c, w ?? n.keyword, 'on, off, true, false, yes or no');
    else set(value);
    noMore(c, n, 1);
  };

/** A keyword that takes no word; `alpha off` in a virtual_server still means on, which is warned of. */
export const flag =
  (c: Context, set: () => void): Reader =>
  (n) => {
    set();
    noMore(c, n, 0);
  };

export const text =
  (c: Context, expected: string, set: (s: string, w: Word) => void): Reader =>
  (n) => {
    const w = argument(c, n, expected);
    if (w !== null) set(w.text, w);
    noMore(c, n, 1);
  };

export const oneOf =
  <T extends string>(c: Context, words: readonly T[], set: (t: T) => void): Reader =>
  (n) => {
    const w = argument(c, n, words.join(', '));
    const found = w === null ? undefined : words.find((x) => x === w.text);
    if (found !== undefined) set(found);
    else if (w !== null)
      c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
        found: `'${w.text}'`,
        expected: words.join(', '),
        hint: suggestion(w.text, words),
      });
    noMore(c, n, 1);
  };

/** The one spelling by which addresses are compared from here on; null: no address. */
export const canonicalAddress = (s: string): string | null =>
  parseIpv4(s) === null ? canonicalIpv6(s) : s;

/** An address without a prefix length. */
export const addressOf = (c: Context, w: Word): string | null =>
  canonicalAddress(w.text) ?? wrong(c, w, 'an IP address');

export const address =
  (c: Context, set: (a: string) => void): Reader =>
  (n) => {
    const w = argument(c, n, 'an IP address');
    const a = w === null ? null : addressOf(c, w);
    if (a !== null) set(a);
    noMore(c, n, 1);
  };

/** ADDRESS[/LENGTH]; without a length it is one host. */
export const prefixOf = (
  c: Context,
  w: Word,
): { readonly address: string; readonly prefixLength: number } | null => {
  const [host = '', length, ...rest] = w.text.split('/');
  const longest = host.includes(':') ? 128 : 32;
  const address = canonicalAddress(host);
  if (address === null || rest.length > 0) return wrong(c, w, 'ADDRESS[/LENGTH]');
  if (length === undefined) return { address, prefixLength: longest };
  if (!/^\d{1,3}$/.test(length) || Number(length) > longest)
    return wrong(c, w, `a prefix length from 0 to ${longest}`);
  return { address, prefixLength: Number(length) };
};

/** Reads every node of a block by its reader. */
export const readBlock = (
  c: Context,
  nodes: readonly Node[],
  readers: Readers,
  where: string,
): void => {
  for (const n of nodes) {
    const reader = Object.hasOwn(readers, n.keyword.text) ? readers[n.keyword.text] : undefined;
    if (reader !== undefined) reader(n);
    else if (c.known.has(n.keyword.text))
      c.report.add(
        'info',
        'KS_CONF_NOT_ACTED_ON',
        n.keyword,
        `'${n.keyword.text}' is read and not acted on`,
      );
    else
      c.report.add(
        'warning',
        'KS_CONF_UNKNOWN_KEYWORD',
        n.keyword,
        `unknown keyword '${n.keyword.text}' in ${where}${n.block === null ? '' : '; its block is skipped'}`,
        { hint: suggestion(n.keyword.text, [...Object.keys(readers), ...c.known]) },
      );
  }
};

/** Gives the block of a node to `body`; an error when there is none. */
export const block =
  (c: Context, body: (nodes: readonly Node[], n: Node) => void): Reader =>
  (n) => {
    if (n.block === null)
      c.report.add('error', 'KS_CONF_BLOCK', n.keyword, `'${n.keyword.text}' needs a block`, {
        expected: '{',
      });
    else body(n.block, n);
  };

/** Frozen to the ground, so that nobody downstream can change what was configured. */
export const freeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const v of Object.values(value)) freeze(v);
  }
  return value;
};
