/**
 * src-range and dst-range of a match service: `A[-B][:P[-Q]]`, a prefix `A/N` in place of a range,
 * IPv6 with ports in brackets (dpvs.md 3.1, 4.2).
 */
import { parseIpv4 } from '../../net/ipv4.js';
import { formatIpv6, parseIpv6 } from '../../net/ipv6.js';
import { argument, canonicalAddress, noMore, type Reader, text, wrong } from '../values.js';
import type { AddressRange, MatchRule, VirtualServer } from './types.js';

const bytesOf = (address: string): Uint8Array | null => {
  const four = parseIpv4(address);
  if (four === null) return parseIpv6(address);
  return Uint8Array.from([four >>> 24, four >>> 16, four >>> 8, four]);
};

const textOf = (b: Uint8Array): string => (b.length === 4 ? b.join('.') : formatIpv6(b));

/** The first and the last address of a prefix. */
const ofPrefix = (address: string, length: number): readonly [string, string] | null => {
  const b = bytesOf(address);
  if (b === null || length > b.length * 8) return null;
  const host = (i: number): number => 0xff >> Math.min(8, Math.max(0, length - i * 8));
  return [textOf(b.map((x, i) => x & ~host(i) & 0xff)), textOf(b.map((x, i) => x | host(i)))];
};

const ofAddresses = (text: string): readonly [string, string] | null => {
  const prefix = /^(.+)\/(\d{1,3})$/.exec(text);
  if (prefix !== null) return ofPrefix(prefix[1] ?? '', Number(prefix[2]));
  const [first = '', last = first, ...more] = text.split('-');
  const a = canonicalAddress(first);
  const b = canonicalAddress(last);
  return a === null || b === null || more.length > 0 ? null : [a, b];
};

const ofPorts = (text: string | undefined): readonly [number, number] | null => {
  if (text === undefined) return [0, 0];
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (m === null) return null;
  const first = Number(m[1]);
  const last = Number(m[2] ?? m[1]);
  return last > 65_535 || first > last ? null : [first, last];
};

/** Whether two addresses of one family stand in that order. */
const inOrder = (a: string, b: string): boolean => {
  const [x, y] = [bytesOf(a), bytesOf(b)];
  return x !== null && y !== null && x.length === y.length && Buffer.compare(x, y) <= 0;
};

export const rangeForm =
  'FIRST[-LAST][:PORT[-PORT]] or PREFIX/LENGTH, IPv6 with ports as [FIRST-LAST]:PORT';

/** A range from its text; null: not well formed. */
export const addressRange = (text: string): AddressRange | null => {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  const plain = text.includes('::') || text.split(':').length > 2 ? [text] : text.split(':');
  const [range, portText] =
    bracketed === null ? [plain[0] ?? '', plain[1]] : [bracketed[1] ?? '', bracketed[2]];
  const addresses = ofAddresses(range);
  const ports = ofPorts(portText);
  if (addresses === null || ports === null || !inOrder(...addresses)) return null;
  return { first: addresses[0], last: addresses[1], firstPort: ports[0], lastPort: ports[1] };
};

/** The family of what a match takes: that of its ranges, else of what it leaves with. */
export const matchFamily = (v: VirtualServer): 4 | 6 => {
  const named = v.match.source ?? v.match.destination;
  const address = named?.first ?? v.realServers[0]?.address ?? '';
  return address.includes(':') ? 6 : 4;
};

/** The words of a match; DPVS spells them with a hyphen, its newer files with an underscore. */
export const matchReaders = <D>(
  set: (d: D, part: Partial<MatchRule>) => void,
): Readonly<Record<string, Reader<D>>> => {
  const range =
    (use: (d: D, r: AddressRange) => void): Reader<D> =>
    (c, n, d) => {
      const w = argument(c, n, 'a range of addresses');
      const r = w === null ? null : addressRange(w.text);
      if (r !== null) use(d, r);
      else if (w !== null) wrong(c, w, rangeForm);
      noMore(c, n, 1);
    };
  const source = range((d, r) => set(d, { source: r }));
  const destination = range((d, r) => set(d, { destination: r }));
  return {
    'src-range': source,
    src_range: source,
    'dst-range': destination,
    dst_range: destination,
    iif: text('a device', (d, iif) => set(d, { iif })),
    oif: text('a device', (d, oif) => set(d, { oif })),
  };
};
