/** Field kinds of the control contract beside those of net/codec.ts: host order is little-endian, addresses are in network order. */
import { bytes, type Codec, u16 } from '../net/codec.js';
import { formatIpv4, ipv4, parseIpv4 } from '../net/ipv4.js';

export const le16: Codec<number> = {
  size: 2,
  read: (v, at) => v.getUint16(at, true),
  write: (v, at, x) => v.setUint16(at, x, true),
};
export const le32: Codec<number> = {
  size: 4,
  read: (v, at) => v.getUint32(at, true),
  write: (v, at, x) => v.setUint32(at, x, true),
};
export const le64: Codec<bigint> = {
  size: 8,
  read: (v, at) => v.getBigUint64(at, true),
  write: (v, at, x) => v.setBigUint64(at, x, true),
};
/** A TCP or UDP port. */
export const be16 = u16;

/** Bytes nobody reads; written as zero. */
export const reserved = (size: number): Codec<null> => ({
  size,
  read: () => null,
  write: (v, at) => bytes(size).write(v, at, new Uint8Array(size)),
});

/** NUL-terminated, zero-padded; what does not fit is cut. */
export const text = (size: number): Codec<string> => ({
  size,
  read: (v, at) => {
    const raw = new Uint8Array(v.buffer, v.byteOffset + at, size);
    const end = raw.indexOf(0);
    return new TextDecoder().decode(raw.subarray(0, end < 0 ? size : end));
  },
  write: (v, at, x) => {
    const raw = new TextEncoder().encode(x).subarray(0, size - 1);
    bytes(size).write(v, at, raw);
  },
});

/** 16 bytes of which IPv4 uses the first four; anything but an IPv4 address is a programmer's error here. */
export const address: Codec<string> = {
  size: 16,
  read: (v, at) => formatIpv4(ipv4(v.getUint32(at))),
  write: (v, at, x) => {
    const a = parseIpv4(x);
    if (a === null) throw new TypeError(`${x} is not an IPv4 address`);
    bytes(16).write(v, at, new Uint8Array(0));
    v.setUint32(at, a);
  },
};
