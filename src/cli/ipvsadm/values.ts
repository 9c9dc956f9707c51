/** Values of ipvsadm's words. Only their form is checked here; the node validates the rest. */
import { isIP } from 'node:net';
import type { MatchWords, ServerWords, ServiceWords } from '../../api/views.js';
import { UsageError } from '../usage.js';

const bad = (message: string): never => {
  throw new UsageError(message);
};

export const wholeNumber = (as: string, text: string, min: number, max: number): number => {
  const n = Number(text);
  return /^\d+$/.test(text) && n >= min && n <= max
    ? n
    : bad(`${as}: found '${text}', expected a whole number from ${min} to ${max}`);
};

export const secondsAsMs = (as: string, text: string, max: number): number =>
  wholeNumber(as, text, 0, max) * 1000;

/** ADDRESS[:PORT], IPv6 as [ADDRESS]:PORT, or without a port as it is. */
const endpoint = (as: string, text: string): { address: string; port: number | null } => {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  const parts = text.split(':');
  const bare = bracketed === null && parts.length > 2;
  const address = bracketed?.[1] ?? (bare ? text : (parts[0] ?? ''));
  const port = bracketed === null ? (bare ? undefined : parts[1]) : bracketed[2];
  if (address === '') bad(`${as}: found '${text}', expected ADDRESS:PORT, IPv6 as [ADDRESS]:PORT`);
  if (isIP(address) === 0) bad(`${as}: '${address}' is not an IP address; names are not looked up`);
  return {
    address,
    port: port === undefined ? null : wholeNumber(`${as} ${text}: port`, port, 0, 65_535),
  };
};

export const serviceOf = (protocol: string, text: string): ServiceWords => {
  const { address, port } = endpoint(`service`, text);
  if (port === null)
    return bad(`service: '${text}' has no port; expected ADDRESS:PORT, IPv6 as [ADDRESS]:PORT`);
  return { protocol, address, port, match: null };
};

export const serverOf = (text: string): ServerWords => endpoint('-r', text);

const matchKeys = ['af', 'proto', 'src-range', 'dst-range', 'iif', 'oif'] as const;
const families: Readonly<Record<string, 4 | 6>> = { ipv4: 4, ipv6: 6 };
const protocols = ['tcp', 'udp', 'sctp', 'icmp', 'icmpv6'];

/** `proto=tcp,src-range=A-B:P-Q,oif=dpdk1` */
export const matchOf = (text: string): ServiceWords => {
  const given = new Map<string, string>();
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const key = matchKeys.find((k) => k === part.slice(0, at));
    if (key === undefined || at + 1 >= part.length)
      return bad(
        `-H: found '${part}', expected one of ${matchKeys.map((k) => `${k}=...`).join(', ')}`,
      );
    if (given.has(key)) return bad(`-H: ${key} is given twice`);
    given.set(key, part.slice(at + 1));
  }
  const af = given.get('af');
  const family =
    af === undefined ? null : (families[af] ?? bad(`-H: af=${af}, expected ipv4 or ipv6`));
  const protocol = given.get('proto') ?? bad(`-H needs proto=, one of ${protocols.join(', ')}`);
  if (!protocols.includes(protocol))
    bad(`-H: proto=${protocol}, expected one of ${protocols.join(', ')}`);
  const match: MatchWords = {
    family,
    source: given.get('src-range') ?? null,
    destination: given.get('dst-range') ?? null,
    iif: given.get('iif') ?? null,
    oif: given.get('oif') ?? null,
  };
  return { protocol: protocol.toUpperCase(), address: '', port: 0, match };
};

/** The prefix length of a mask such as 255.255.255.0; for IPv6 the argument is the length. */
export const lengthOfMask = (text: string, v6: boolean): number => {
  if (v6) return wholeNumber('-M', text, 1, 128);
  const parts = text.split('.');
  const bits = parts.map((p) => (/^\d{1,3}$/.test(p) ? Number(p) : 256));
  const binary = bits.map((b) => b.toString(2).padStart(8, '0')).join('');
  if (parts.length !== 4 || bits.some((b) => b > 255) || !/^1+0*$/.test(binary))
    bad(`-M: found '${text}', expected a netmask like 255.255.255.0`);
  return binary.indexOf('0') < 0 ? 32 : binary.indexOf('0');
};
