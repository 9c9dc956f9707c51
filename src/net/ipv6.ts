/** IPv6 addresses as text (RFC 5952) and as 16 bytes. */
import { parseIpv4 } from './ipv4.js';

const isHex = (c: number): boolean =>
  (c >= 48 && c <= 57) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);

/** One group of up to four hex digits; -1: it is none. */
const group = (text: string): number => {
  if (text.length === 0 || text.length > 4) return -1;
  for (let i = 0; i < text.length; i++) if (!isHex(text.charCodeAt(i))) return -1;
  return Number.parseInt(text, 16);
};

/** The groups of one side of `::`; an IPv4 address may be the last two. null: there is a wrong one. */
const groupsOf = (text: string, mayEndInIpv4: boolean): readonly number[] | null => {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (mayEndInIpv4 && i === parts.length - 1 && part.includes('.')) {
      const four = parseIpv4(part);
      if (four === null) return null;
      groups.push(four >>> 16, four & 0xffff);
      continue;
    }
    const n = group(part);
    if (n < 0) return null;
    groups.push(n);
  }
  return groups;
};

/** RFC 4291 §2.2; null: no IPv6 address. */
const parseGroups = (text: string): readonly number[] | null => {
  const at = text.indexOf('::');
  if (at < 0) {
    const all = text.includes(':') ? groupsOf(text, true) : null;
    return all?.length === 8 ? all : null;
  }
  const left = groupsOf(text.slice(0, at), false);
  const right = groupsOf(text.slice(at + 2), true);
  if (left === null || right === null || left.length + right.length > 7) return null;
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0);
  return [...left, ...zeros, ...right];
};

/** The longest run of zero groups, the first of several; of one group alone none (RFC 5952 §4.2). */
const zeroRun = (groups: readonly number[]): { readonly from: number; readonly length: number } => {
  let best = { from: -1, length: 1 };
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (from + length < groups.length && groups[from + length] === 0) length++;
    if (length > best.length) best = { from, length };
    from += length;
  }
  return best;
};

const hex = (groups: readonly number[]): string => groups.map((g) => g.toString(16)).join(':');

const format = (groups: readonly number[]): string => {
  const { from, length } = zeroRun(groups);
  return from < 0
    ? hex(groups)
    : `${hex(groups.slice(0, from))}::${hex(groups.slice(from + length))}`;
};

/** The canonical text of an address; null when it is not an IPv6 address. */
export const canonicalIpv6 = (text: string): string | null => {
  const groups = parseGroups(text);
  return groups === null ? null : format(groups);
};

export const parseIpv6 = (text: string): Uint8Array | null => {
  const groups = parseGroups(text);
  if (groups === null) return null;
  const out = new Uint8Array(16);
  for (const [i, g] of groups.entries()) {
    out[2 * i] = g >> 8;
    out[2 * i + 1] = g & 255;
  }
  return out;
};

export const formatIpv6 = (b: Uint8Array): string =>
  format(Array.from({ length: 8 }, (_, i) => ((b[2 * i] ?? 0) << 8) | (b[2 * i + 1] ?? 0)));
