/**
 * Values of keywords with their types and ranges, and the tables that read blocks. A table is built
 * once, and its readers are given the object that is being filled. A wrong value is an error with
 * what was found and expected; the default stays.
 */
import { parseIpv4 } from '../net/ipv4.js';
import { canonicalIpv6 } from '../net/ipv6.js';
import type { Language } from './language.js';
import { type Node, type Report, suggestion, type Word } from './text.js';

/** Says why a regular expression cannot be compiled, or null. */
export type PatternCheck = (source: string, options: readonly string[]) => string | null;

export interface Context {
  readonly report: Report;
  readonly language: Language;
  readonly pattern: PatternCheck;
}

export type Draft<T> = { -readonly [K in keyof T]: T[K] };
export type Reader<D> = (c: Context, n: Node, d: D) => void;

/** The readers of one kind of block, by keyword. */
export interface Table<D> {
  readonly block: string;
  readonly readers: ReadonlyMap<string, Reader<D>>;
}

/** The block that is the file itself. */
export const topLevel = '';

export const table = <D>(
  block: string,
  readers: Readonly<Record<string, Reader<D>>>,
): Table<D> => ({
  block,
  readers: new Map(Object.entries(readers)),
});

export const wrong = (c: Context, w: Word, expected: string, hint?: string): null => {
  c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
    found: `'${w.text}'`,
    expected,
    hint,
  });
  return null;
};

export const missing = (c: Context, n: Node, expected: string): void =>
  c.report.add('error', 'KS_CONF_MISSING', n.keyword, `'${n.keyword.text}' needs a value`, {
    expected,
  });

/** The keyword's first argument; null and an error when there is none. */
export const argument = (c: Context, n: Node, expected: string): Word | null => {
  const w = n.args[0];
  if (w === undefined) missing(c, n, expected);
  return w ?? null;
};

/** keepalived ignores words beyond those a keyword takes; here they are warned of. */
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
  const n = Number(w.text);
  return /^[+-]?\d+$/.test(w.text) && n >= min && n <= max
    ? n
    : wrong(c, w, `a whole number from ${min} to ${max}`);
};

export const integer =
  <D>(min: number, max: number, set: (d: D, n: number) => void): Reader<D> =>
  (c, n, d) => {
    const w = argument(c, n, `a whole number from ${min} to ${max}`);
    const value = w === null ? null : integerOf(c, w, min, max);
    if (value !== null) set(d, value);
    noMore(c, n, 1);
  };

/** Decimal seconds, up to six digits behind the point, as milliseconds. */
export const secondsOf = (c: Context, w: Word, min: number, max: number): number | null => {
  const n = Number(w.text);
  return /^\+?\d+(\.\d{0,6})?$|^\+?\.\d{1,6}$/.test(w.text) && n >= min && n <= max
    ? n * 1000
    : wrong(c, w, `seconds from ${min} to ${max}`);
};

export const seconds =
  <D>(min: number, max: number, setMs: (d: D, ms: number) => void): Reader<D> =>
  (c, n, d) => {
    const w = argument(c, n, `seconds from ${min} to ${max}`);
    const value = w === null ? null : secondsOf(c, w, min, max);
    if (value !== null) setMs(d, value);
    noMore(c, n, 1);
  };

const truths: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['true', true],
  ['yes', true],
  ['off', false],
  ['false', false],
  ['no', false],
]);

/** on off true false yes no, lower case; without a word it means on. */
export const boolean =
  <D>(set: (d: D, b: boolean) => void): Reader<D> =>
  (c, n, d) => {
    const w = n.args[0];
    const value = w === undefined ? true : truths.get(w.text);
    if (value === undefined) wrong(c, w ?? n.keyword, 'on, off, true, false, yes or no');
    else set(d, value);
    noMore(c, n, 1);
  };

/** A keyword that takes no word; `alpha off` in a virtual_server means on, and is warned of. */
export const flag =
  <D>(set: (d: D) => void): Reader<D> =>
  (c, n, d) => {
    set(d);
    noMore(c, n, 0);
  };

/** One word that is not empty; `check` says what is expected where it does not fit. */
export const text =
  <D>(
    expected: string,
    set: (d: D, s: string, c: Context, w: Word) => void,
    fits: RegExp = /^\P{Cc}+$/u,
  ): Reader<D> =>
  (c, n, d) => {
    const w = argument(c, n, expected);
    if (w !== null && fits.test(w.text)) set(d, w.text, c, w);
    else if (w !== null) wrong(c, w, expected);
    noMore(c, n, 1);
  };

/** A name Linux gives to an interface: at most 15 characters, no blank and no slash. */
export const interfaceName = <D>(expected: string, set: (d: D, s: string) => void): Reader<D> =>
  text(expected, set, /^(?!\.{1,2}$)[^\s/\p{Cc}]{1,15}$/u);

/** A host name, an address, or either with a port. */
export const hostName = <D>(set: (d: D, s: string) => void): Reader<D> =>
  text('a host name', set, /^[^\s\p{Cc}]{1,255}$/u);

export const oneOfWords = <T extends string>(
  c: Context,
  w: Word,
  words: readonly T[],
): T | null => {
  const found = words.find((x) => x === w.text);
  return found ?? wrong(c, w, words.join(', '), suggestion(w.text, words));
};

export const oneOf =
  <D, T extends string>(words: readonly T[], set: (d: D, t: T) => void): Reader<D> =>
  (c, n, d) => {
    const w = argument(c, n, words.join(', '));
    const found = w === null ? null : oneOfWords(c, w, words);
    if (found !== null) set(d, found);
    noMore(c, n, 1);
  };

/** The one spelling by which addresses are compared from here on; null: no address. */
export const canonicalAddress = (s: string): string | null =>
  parseIpv4(s) === null ? canonicalIpv6(s) : s;

/** An address without a prefix length. */
export const addressOf = (c: Context, w: Word): string | null =>
  canonicalAddress(w.text) ?? wrong(c, w, 'an IP address');

export const address =
  <D>(set: (d: D, a: string, w: Word) => void): Reader<D> =>
  (c, n, d) => {
    const w = argument(c, n, 'an IP address');
    const a = w === null ? null : addressOf(c, w);
    if (w !== null && a !== null) set(d, a, w);
    noMore(c, n, 1);
  };

/** ADDRESS[/LENGTH]; without a length it is one host. */
export const prefixOf = (
  c: Context,
  w: Word,
): { readonly address: string; readonly prefixLength: number } | null => {
  const slash = w.text.indexOf('/');
  const host = slash < 0 ? w.text : w.text.slice(0, slash);
  const length = slash < 0 ? undefined : w.text.slice(slash + 1);
  const longest = host.includes(':') ? 128 : 32;
  const a = canonicalAddress(host);
  if (a === null) return wrong(c, w, 'ADDRESS[/LENGTH]');
  if (length === undefined) return { address: a, prefixLength: longest };
  if (!/^\d{1,3}$/.test(length) || Number(length) > longest)
    return wrong(c, w, `a prefix length from 0 to ${longest}`);
  return { address: a, prefixLength: Number(length) };
};

const named = (block: string): string => (block === topLevel ? 'the top level' : `'${block}'`);

/** A word that the block has no reader for: refused, without effect, misplaced, or unknown. */
const unread = (c: Context, n: Node, block: string): void => {
  const word = n.keyword.text;
  const known = c.language.known(block, word);
  const hint = known?.why ?? undefined;
  // A block of trackers, routes or rules with nothing in it decides nothing.
  if (known?.status === 'refused' && n.block?.length === 0 && n.args.length === 0) {
    const message = `'${word}' is empty and has no effect`;
    c.report.add('info', 'KS_CONF_NOT_ACTED_ON', n.keyword, message);
    return;
  }
  if (known?.status === 'refused') {
    c.report.add('error', 'KS_CONF_UNSUPPORTED', n.keyword, `'${word}' is not supported yet`, {
      hint: hint ?? 'take it out if the node may run without it',
    });
    return;
  }
  if (known?.status === 'informs') {
    const message = `'${word}' is accepted, without effect`;
    c.report.add('warning', 'KS_CONF_NO_EFFECT', n.keyword, message, { hint });
    return;
  }
  if (known?.status === 'inert') {
    const message = `'${word}' has no meaning here`;
    c.report.add('info', 'KS_CONF_NOT_ACTED_ON', n.keyword, message, { hint });
    return;
  }
  const homes = c.language.homes(word);
  if (homes.length > 0) {
    c.report.add(
      'error',
      'KS_CONF_MISPLACED',
      n.keyword,
      `'${word}' does not belong in ${named(block)}`,
      { hint: `it belongs in ${homes.slice(0, 6).map(named).join(', ')}; is a brace missing?` },
    );
    return;
  }
  c.report.add(
    'error',
    'KS_CONF_UNKNOWN_KEYWORD',
    n.keyword,
    `unknown keyword '${word}' in ${named(block)}`,
    { hint: suggestion(word, c.language.words(block)) },
  );
};

/** Reads one statement or block by the table. */
export const readNode = <D>(c: Context, n: Node, t: Table<D>, d: D): void => {
  const reader = t.readers.get(n.keyword.text);
  if (reader !== undefined) reader(c, n, d);
  else unread(c, n, t.block);
};

/** Reads every node of a block. */
export const readBlock = <D>(c: Context, nodes: readonly Node[], t: Table<D>, d: D): void => {
  for (const n of nodes) readNode(c, n, t, d);
};

/** Gives the block of a node to `body`; an error when there is none. */
export const block =
  <D>(body: (c: Context, nodes: readonly Node[], d: D, n: Node) => void): Reader<D> =>
  (c, n, d) => {
    if (n.block === null)
      c.report.add('error', 'KS_CONF_BLOCK', n.keyword, `'${n.keyword.text}' needs a block`, {
        expected: '{',
      });
    else body(c, n.block, d, n);
  };

/** A block whose words fill the same object, or a part of it. */
export const inner = <D, E = D>(t: () => Table<E>, part: (d: D) => E): Reader<D> =>
  block((c, nodes, d) => readBlock(c, nodes, t(), part(d)));

/** Frozen to the ground, so that nobody downstream can change what was configured. */
export const freeze = <T>(value: T): T => {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key in value) freeze(value[key]);
  }
  return value;
};
