/**
 * The VRRP advertisement on the wire, versions 2 and 3 over IPv4. Intervals become milliseconds here and nowhere else.
 */
import { err, ok, type Result } from '../kernel/result.js';
import { addWords, checksum, fold, pseudoHeaderSum } from '../net/checksum.js';
import { bytes, struct, u8, u16, viewOf } from '../net/codec.js';
import { type Ipv4, ipv4 } from '../net/ipv4.js';
import type { PacketError } from './errors.js';

export const vrrpProtocol = 112;
export const vrrpGroup: Ipv4 = ipv4(0xe0000012);
export const vrrpTtl = 255;
/** Internetwork control (RFC 791), as every router sends it. */
export const vrrpTos = 0xc0;

/*
 * Version 2, RFC 3768 §5.1; version 3 has |(rsvd)| Max Advertise Interval | in the place of Auth Type and Adver Int
 * (RFC 9568 §5.1) and no authentication data.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
 * |   Auth Type   |   Adver Int   |          Checksum             |
 * |                       IP Address (1..n)                       |
 * |                     Authentication Data (8)                   |
 */
const header = struct({
  versionType: u8,
  vrid: u8,
  priority: u8,
  count: u8,
  interval: u16,
  checksum: u16,
});
const authData = bytes(8);
const checksumOffset = 6;
const advertisement = 1;

/** RFC 2338 §5.3.6; the data is kept as it came, zero-padded to 8 bytes. */
export interface AuthField {
  readonly type: number;
  readonly data: Uint8Array;
}

export const authNone = 0;
export const authSimple = 1;

interface Common {
  readonly vrid: number;
  readonly priority: number;
  readonly intervalMs: number;
  readonly addresses: readonly Ipv4[];
}

export type Advertisement =
  | (Common & { readonly version: 2; readonly authentication: AuthField })
  | (Common & { readonly version: 3 });

/** How the checksum of version 3 is made (RFC 5798 §5.2.8 with the pseudo-header) and whether it is looked at. */
export type ChecksumRule = 'pseudoHeader' | 'asV2';

export interface Ends {
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

const lengthOf = (version: 2 | 3, count: number): number =>
  header.size + 4 * count + (version === 2 ? authData.size : 0);

const startSum = (version: 2 | 3, ends: Ends, length: number, rule: ChecksumRule): number =>
  version === 3 && rule === 'pseudoHeader'
    ? pseudoHeaderSum(ends.source, ends.destination, vrrpProtocol, length)
    : 0;

export function encodeAdvertisement(
  a: Advertisement,
  ends: Ends,
  rule: ChecksumRule = 'pseudoHeader',
): Uint8Array {
  const out = new Uint8Array(lengthOf(a.version, a.addresses.length));
  const view = viewOf(out);
  header.write(view, 0, {
    versionType: (a.version << 4) | advertisement,
    vrid: a.vrid,
    priority: a.priority,
    count: a.addresses.length,
    interval:
      a.version === 2
        ? (a.authentication.type << 8) | (Math.round(a.intervalMs / 1000) & 0xff)
        : Math.round(a.intervalMs / 10) & 0xfff,
    checksum: 0,
  });
  let at = header.size;
  for (const address of a.addresses) {
    view.setUint32(at, address);
    at += 4;
  }
  if (a.version === 2) authData.write(view, at, a.authentication.data);
  view.setUint16(checksumOffset, checksum(out, startSum(a.version, ends, out.length, rule)));
  return out;
}

/** Which virtual router a payload is for, without looking further. */
export const peekVrid = (payload: Uint8Array): number | null => payload[1] ?? null;

const short = (field: string, offset: number, needed: number, available: number) =>
  err<PacketError>({ kind: 'length', field, offset, needed, available });

/** With `asV2` the peer's way of making a version 3 checksum is unknown, so none is refused, as keepalived does. */
function checkSum(
  version: 2 | 3,
  body: Uint8Array,
  ends: Ends,
  rule: ChecksumRule,
): PacketError | null {
  if (version === 3 && rule === 'asV2') return null;
  const bare = addWords(body);
  const sum = bare + startSum(version, ends, body.length, rule);
  if (fold(sum) === 0xffff) return null;
  const found = viewOf(body).getUint16(checksumOffset);
  return {
    kind: 'checksum',
    field: 'checksum',
    offset: checksumOffset,
    found,
    expected: ~fold(sum - found) & 0xffff,
    rightWithoutPseudoHeader: version === 3 && fold(bare) === 0xffff,
  };
}

/** Bytes behind what the header announces (padding, a trailer of an extension) are tolerated. */
export function decodeAdvertisement(
  payload: Uint8Array,
  ends: Ends,
  rule: ChecksumRule = 'pseudoHeader',
): Result<Advertisement, PacketError> {
  if (payload.length < header.size) return short('header', 0, header.size, payload.length);
  const view = viewOf(payload);
  const h = header.read(view, 0);
  const version = h.versionType >>> 4;
  if (version !== 2 && version !== 3)
    return err({ kind: 'version', field: 'version', offset: 0, found: version });
  const type = h.versionType & 0xf;
  if (type !== advertisement) return err({ kind: 'type', field: 'type', offset: 0, found: type });
  if (h.vrid === 0) return err({ kind: 'vrid', field: 'vrid', offset: 1, found: 0 });
  const length = lengthOf(version, h.count);
  if (payload.length < length)
    return short(
      payload.length < header.size + 4 * h.count ? 'addresses' : 'authenticationData',
      header.size,
      length - header.size,
      payload.length - header.size,
    );
  const wrong = checkSum(version, payload.subarray(0, length), ends, rule);
  if (wrong !== null) return err(wrong);
  const addresses = Array.from({ length: h.count }, (_, i) =>
    ipv4(view.getUint32(header.size + 4 * i)),
  );
  const common = { vrid: h.vrid, priority: h.priority, addresses };
  if (version === 3) return ok({ version, ...common, intervalMs: (h.interval & 0xfff) * 10 });
  const data = authData.read(view, header.size + 4 * h.count);
  return ok({
    version,
    ...common,
    intervalMs: (h.interval & 0xff) * 1000,
    authentication: { type: h.interval >>> 8, data },
  });
}
