/**
 * The messages of native/ipc/ks_ipc.h that the vrrp process exchanges with the data plane: hello,
 * leases, gratuitous ARP, events. Host order is little-endian; addresses are in network order. A test
 * compares the bytes with those of src/dataplane/codec.ts, which this folder does not see.
 */
import { formatIpv4, ipv4, parseIpv4 } from '../net/ipv4.js';
import { formatIpv6, parseIpv6 } from '../net/ipv6.js';
import type { Vip } from './messages.js';

const magic = 0x534b;
const version = 2;
const endian = 0x01020304;
const headerBytes = 16;
const maxMessage = 65_536;
const leaseHead = 8;
const leaseEntry = 36;
const stateEntry = 12;
const deviceBytes = 16;

const type = {
  hello: 1,
  helloAck: 2,
  ack: 7,
  lease: 8,
  garp: 9,
  event: 12,
  ping: 14,
  leaseAck: 17,
} as const;

/** As `ms` of a lease: report, change nothing. */
export const queryMs = 0xffffffff;
const never = 0xffffffff;
const notFound = 6;

/** So many addresses fit in one LEASE message. */
export const maxLeaseAddresses = Math.floor((maxMessage - headerBytes - leaseHead) / leaseEntry);

interface Writing {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const message = (kind: number, seq: number, bodyBytes: number): Writing => {
  const bytes = new Uint8Array(headerBytes + bodyBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, magic, true);
  view.setUint8(2, version);
  view.setUint8(3, kind);
  view.setUint32(4, seq, true);
  view.setUint32(8, bodyBytes, true);
  return { bytes, view };
};

/** Throws on a text that does not fit: the config core has checked device names. */
const writeText = ({ bytes }: Writing, at: number, size: number, text: string): void => {
  const raw = new TextEncoder().encode(text);
  if (raw.length >= size) throw new TypeError(`${text} is longer than ${size - 1} bytes`);
  bytes.set(raw, at);
};

/** The family as a byte at `afAt`, the address at `at`. */
const writeAddress = (w: Writing, afAt: number, at: number, address: string): void => {
  const v4 = parseIpv4(address);
  const v6 = v4 === null ? parseIpv6(address) : null;
  if (v4 === null && v6 === null) throw new TypeError(`not an address: ${address}`);
  w.view.setUint8(afAt, v4 === null ? 6 : 4);
  if (v4 !== null) w.view.setUint32(at, v4);
  else if (v6 !== null) w.bytes.set(v6, at);
};

export const encodeHello = (seq: number, pid: number): Uint8Array => {
  const w = message(type.hello, seq, 40);
  w.view.setUint32(headerBytes, endian, true);
  w.view.setUint32(headerBytes + 4, pid, true);
  writeText(w, headerBytes + 8, 32, 'vrrp');
  return w.bytes;
};

export const encodeLease = (seq: number, ms: number, vips: readonly Vip[]): Uint8Array => {
  const w = message(type.lease, seq, leaseHead + leaseEntry * vips.length);
  w.view.setUint32(headerBytes, ms, true);
  w.view.setUint32(headerBytes + 4, vips.length, true);
  for (const [i, v] of vips.entries()) {
    const at = headerBytes + leaseHead + leaseEntry * i;
    writeText(w, at, deviceBytes, v.device);
    writeAddress(w, at + 16, at + 20, v.address);
  }
  return w.bytes;
};

export const encodeGarp = (seq: number, v: Vip, repeat: number): Uint8Array => {
  const w = message(type.garp, seq, 36);
  writeText(w, headerBytes, deviceBytes, v.device);
  writeAddress(w, headerBytes + 16, headerBytes + 20, v.address);
  w.view.setUint8(headerBytes + 17, Math.min(repeat, 255));
  return w.bytes;
};

export const encodePing = (seq: number): Uint8Array => message(type.ping, seq, 0).bytes;

export interface LeaseState {
  /** false: no generation has the address, so no lease is kept. */
  readonly known: boolean;
  readonly leftMs: number;
  /** Since the renewal before this message; null: there was none. */
  readonly renewedAgoMs: number | null;
}

export interface DataplaneEvent {
  readonly kind: number;
  readonly device: string;
  readonly address: string | null;
  readonly text: string;
}

export type FromDataplane =
  | { readonly type: 'helloAck'; readonly seq: number; readonly bootId: string }
  | { readonly type: 'ack'; readonly seq: number; readonly ok: boolean; readonly reason: string }
  | { readonly type: 'lease'; readonly seq: number; readonly states: readonly LeaseState[] }
  | { readonly type: 'event'; readonly event: DataplaneEvent }
  | { readonly type: 'other' };

const readText = (b: Uint8Array, at: number, size: number): string => {
  const raw = b.subarray(at, at + size);
  const end = raw.indexOf(0);
  return new TextDecoder().decode(raw.subarray(0, end < 0 ? size : end));
};

const readEvent = (body: Uint8Array, view: DataView): DataplaneEvent => {
  const af = body[24];
  const v6 = (): string => formatIpv6(body.slice(28, 44));
  return {
    kind: view.getUint32(0, true),
    device: readText(body, 8, deviceBytes),
    address: af === 4 ? formatIpv4(ipv4(view.getUint32(28))) : af === 6 ? v6() : null,
    text: readText(body, 44, 160),
  };
};

const readStates = (view: DataView): readonly LeaseState[] | null => {
  const count = view.getUint32(0, true);
  if (view.byteLength !== leaseHead + stateEntry * count) return null;
  return Array.from({ length: count }, (_, i) => {
    const at = leaseHead + stateEntry * i;
    const ago = view.getUint32(at + 8, true);
    return {
      known: view.getUint32(at, true) !== notFound,
      leftMs: view.getUint32(at + 4, true),
      renewedAgoMs: ago === never ? null : ago,
    };
  });
};

/** What a message is; a text when it is none of the contract's. Never throws. */
export const decodeFromDataplane = (bytes: Uint8Array): FromDataplane | string => {
  if (bytes.length < headerBytes) return `${bytes.length} bytes are shorter than a header`;
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (head.getUint16(0, true) !== magic) return 'not a message of the data plane';
  const found = head.getUint8(2);
  if (found !== version)
    return `the data plane has version ${found} of the contract, we have ${version}: use programs of one build`;
  const seq = head.getUint32(4, true);
  const body = bytes.subarray(headerBytes);
  if (head.getUint32(8, true) !== body.length) return 'a length that does not fit the message';
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const short = (name: string): string => `${name} is too short`;
  switch (head.getUint8(3)) {
    case type.helloAck:
      if (body.length < 16) return short('HELLO_ACK');
      return { type: 'helloAck', seq, bootId: view.getBigUint64(8, true).toString(16) };
    case type.ack: {
      if (body.length < 16) return short('ACK');
      const ok = view.getUint32(8, true) === 0;
      return { type: 'ack', seq, ok, reason: readText(body, 16, 160) };
    }
    case type.leaseAck: {
      const states = body.length < leaseHead ? null : readStates(view);
      return states === null ? short('LEASE_ACK') : { type: 'lease', seq, states };
    }
    case type.event:
      return body.length < 204 ? short('EVENT') : { type: 'event', event: readEvent(body, view) };
    default:
      return { type: 'other' };
  }
};
