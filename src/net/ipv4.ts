/** IPv4 addresses as numbers, and the fields of the IPv4 header that a raw socket needs (RFC 791 §3.1). */
import { err, ok, type Result } from '../kernel/result.js';
import { bytes, decode, struct, type Truncated, u8, u16, u32, viewOf } from './codec.js';

/** An address as an unsigned number, so that numbers compare as RFC 9568 §6.4.3 requires. */
export type Ipv4 = number & { readonly kind: 'ipv4' };

export const ipv4 = (n: number): Ipv4 => (n >>> 0) as Ipv4;

/** Dotted decimal, four parts, no leading zeros; null for anything else. */
export function parseIpv4(text: string): Ipv4 | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let n = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return null;
    const octet = Number(part);
    if (octet > 255) return null;
    n = n * 256 + octet;
  }
  return ipv4(n);
}

export const formatIpv4 = (a: Ipv4): string =>
  `${a >>> 24}.${(a >>> 16) & 0xff}.${(a >>> 8) & 0xff}.${a & 0xff}`;

/** 224.0.0.0/4 */
export const isMulticast = (a: Ipv4): boolean => a >>> 28 === 0xe;

/*
 *  0                   1                   2                   3
 * |Version|  IHL  |Type of Service|          Total Length         |
 * |         Identification        |Flags|      Fragment Offset    |
 * |  Time to Live |    Protocol   |         Header Checksum       |
 * |                       Source Address                          |
 * |                    Destination Address                        |
 */
const header = struct({
  versionIhl: u8,
  tos: u8,
  totalLength: u16,
  id: bytes(2),
  fragment: u16,
  ttl: u8,
  protocol: u8,
  checksum: u16,
  source: u32,
  destination: u32,
});

export interface Datagram {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly ttl: number;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

export type Ipv4Error =
  | Truncated
  | { readonly kind: 'malformed'; readonly field: string; readonly offset: number };

/** The payload ends at the total length, which excludes Ethernet padding. */
export function decodeIpv4(packet: Uint8Array): Result<Datagram, Ipv4Error> {
  const fixed = decode(header, packet);
  if (!fixed.ok) return fixed;
  const h = fixed.value;
  if (h.versionIhl >>> 4 !== 4) return err({ kind: 'malformed', field: 'version', offset: 0 });
  const headerLength = (h.versionIhl & 0xf) * 4;
  if (headerLength < header.size) return err({ kind: 'malformed', field: 'ihl', offset: 0 });
  // The kernel reassembles fragments, so a raw socket never delivers one.
  if ((h.fragment & 0x3fff) !== 0)
    return err({ kind: 'malformed', field: 'fragmentOffset', offset: 6 });
  if (h.totalLength < headerLength)
    return err({ kind: 'malformed', field: 'totalLength', offset: 2 });
  if (h.totalLength > packet.length)
    return err({
      kind: 'truncated',
      offset: headerLength,
      needed: h.totalLength - headerLength,
      available: packet.length - headerLength,
    });
  return ok({
    source: ipv4(h.source),
    destination: ipv4(h.destination),
    ttl: h.ttl,
    protocol: h.protocol,
    payload: packet.subarray(headerLength, h.totalLength),
  });
}

/** A header for IP_HDRINCL; the kernel fills in identification, total length and checksum. */
export function encodeIpv4(d: Datagram & { readonly tos: number }): Uint8Array {
  const out = new Uint8Array(header.size + d.payload.length);
  header.write(viewOf(out), 0, {
    versionIhl: 0x45,
    tos: d.tos,
    totalLength: out.length,
    id: new Uint8Array(2),
    fragment: 0,
    ttl: d.ttl,
    protocol: d.protocol,
    checksum: 0,
    source: d.source,
    destination: d.destination,
  });
  out.set(d.payload, header.size);
  return out;
}
