/** Fields of a command as they come from outside: each reader gives the value in the one form it has from here on, or refuses with what was found. */
import type { Config } from '../../config/config.js';
import { addressRange } from '../../config/keepalived/match.js';
import type { AddressRange } from '../../config/keepalived/types.js';
import { canonicalAddress } from '../../config/values.js';
import { parseIpv4 } from '../../net/ipv4.js';
import { formatIpv6, parseIpv6 } from '../../net/ipv6.js';
import { refuse } from './types.js';

export type Fields = Readonly<Record<string, unknown>>;

const found = (x: unknown): string =>
  typeof x === 'string' ? `'${x}'` : (JSON.stringify(x) ?? 'nothing');

export const fieldsOf = (x: unknown, what: string): Fields =>
  typeof x === 'object' && x !== null && !Array.isArray(x)
    ? (x as Fields)
    : refuse(`${what}: found ${found(x)}, expected an object`);

/** Refuses a name that nobody reads: it would be accepted and do nothing. */
export const onlyFields = (f: Fields, names: readonly string[], what: string): void => {
  for (const name of Object.keys(f))
    if (!names.includes(name))
      refuse(
        `${what} has no '${name}'; there is ${names.length === 0 ? 'none' : names.join(', ')}`,
      );
};

export const text = (x: unknown, what: string): string =>
  typeof x === 'string' ? x : refuse(`${what}: found ${found(x)}, expected text`);

export const flag = (x: unknown, what: string): boolean =>
  typeof x === 'boolean' ? x : refuse(`${what}: found ${found(x)}, expected true or false`);

export const integer = (x: unknown, what: string, min: number, max: number): number =>
  typeof x === 'number' && Number.isInteger(x) && x >= min && x <= max
    ? x
    : refuse(`${what}: found ${found(x)}, expected a whole number from ${min} to ${max}`);

export const oneOf = <T extends string>(x: unknown, what: string, words: readonly T[]): T =>
  words.find((w) => w === x) ??
  refuse(`${what}: found ${found(x)}, expected one of ${words.join(', ')}`);

export const orNull = <T>(x: unknown, read: (x: unknown) => T): T | null =>
  x === null || x === undefined ? null : read(x);

export const isIpv6 = (address: string): boolean => address.includes(':');
export const familyOf = (address: string): 4 | 6 => (isIpv6(address) ? 6 : 4);
export const hostLength = (address: string): 32 | 128 => (isIpv6(address) ? 128 : 32);

export const address = (x: unknown, what: string): string =>
  canonicalAddress(text(x, what)) ?? refuse(`${what}: found ${found(x)}, expected an IP address`);

/** Neither this host, nor loopback, nor a group. */
export const host = (x: unknown, what: string): string => {
  const a = address(x, what);
  const first = Number(a.split('.')[0]);
  const isHost = isIpv6(a)
    ? !/^(ff|::$|::1$|::ffff:)/.test(a)
    : first !== 0 && first !== 127 && first < 224;
  return isHost ? a : refuse(`${what}: ${a} cannot be the address of a host`);
};

export const device = (config: Config, x: unknown, what: string): string => {
  const names = config.dpvs.devices.map((d) => d.name);
  const name = text(x, what);
  if (names.includes(name)) return name;
  const kni = config.dpvs.devices.find((d) => d.kniName === name);
  return refuse(
    kni === undefined
      ? `${what}: there is no device ${found(name)}; dpvs.conf has ${names.join(', ')}`
      : `${what}: ${name} is the kernel's; its addresses and routes are set by ip(8) and known here at once. The device is ${kni.name}`,
  );
};

export interface Prefix {
  readonly address: string;
  readonly prefixLength: number;
}

/** ADDRESS[/LENGTH]; without a length it is one host. */
export const prefix = (x: unknown, what: string): Prefix => {
  const [base = '', length, ...more] = text(x, what).split('/');
  const a = canonicalAddress(base);
  if (a === null || more.length > 0)
    return refuse(`${what}: found ${found(x)}, expected ADDRESS or ADDRESS/LENGTH`);
  if (length === undefined) return { address: a, prefixLength: hostLength(a) };
  if (!/^\d{1,3}$/.test(length) || Number(length) > hostLength(a))
    return refuse(
      `${what}: found ${found(x)}, a prefix length of ${a} is from 0 to ${hostLength(a)}`,
    );
  return { address: a, prefixLength: Number(length) };
};

const bytesOf = (a: string): Uint8Array => {
  const four = parseIpv4(a);
  if (four === null) return parseIpv6(a) ?? new Uint8Array(16);
  return Uint8Array.from([four >>> 24, four >>> 16, four >>> 8, four]);
};

/** The network a prefix is in: no bits beyond its length. */
export const network = (p: Prefix): string => {
  const bytes = bytesOf(p.address).map((b, i) => {
    const rest = Math.min(8, Math.max(0, p.prefixLength - i * 8));
    return b & ((0xff00 >> rest) & 0xff);
  });
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes);
};

export const isIn = (a: string, p: Prefix): boolean =>
  isIpv6(a) === isIpv6(p.address) &&
  network({ address: a, prefixLength: p.prefixLength }) === network(p);

/** Of one host's card: six pairs of hex digits. */
export const mac = (x: unknown, what: string): string => {
  const m = text(x, what).toLowerCase();
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/.test(m))
    return refuse(`${what}: found ${found(x)}, expected a hardware address like 02:00:5e:10:00:01`);
  const parts = m.split(':').map((p) => p.padStart(2, '0'));
  if (Number.parseInt(parts[0] ?? '0', 16) % 2 === 1 || parts.every((p) => p === '00'))
    return refuse(`${what}: ${m} is no unicast hardware address`);
  return parts.join(':');
};

/** What `src-range` and `dst-range` say in keepalived.conf, too. */
export const range = (x: unknown, what: string): AddressRange => {
  const word = text(x, what);
  const read = addressRange(word);
  return (
    read ??
    refuse(
      `${what}: found ${found(x)}, expected FIRST[-LAST][:PORT[-PORT]] or PREFIX/LENGTH, IPv6 with ports as [FIRST-LAST]:PORT`,
    )
  );
};
