/** Field kinds of the control contract beside those of net/codec.ts: host order is little-endian, addresses are in network order. */
import { bytes, type Codec, type Fields, struct, u8, u16 } from '../net/codec.js';
import { formatIpv4, ipv4, parseIpv4 } from '../net/ipv4.js';
import { formatIpv6, parseIpv6 } from '../net/ipv6.js';

/** A structure of the contract under its C name, so that a test can compare every field's place with the compiler's. */
export const wireStruct = <const F extends Fields>(cName: string, fields: F) => ({
  cName,
  fields,
  ...struct(fields),
});

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
  write: (v, at) => {
    for (let i = 0; i < size; i++) v.setUint8(at + i, 0);
  },
});

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder() };

/** NUL-terminated, zero-padded; a text that does not fit is a caller's error. */
export const text = (size: number): Codec<string> => {
  const writeUtf8 = (v: DataView, at: number, x: string): void => {
    const raw = utf8.encoder.encode(x);
    if (raw.length >= size) throw new TypeError(`${x} is longer than ${size - 1} bytes`);
    bytes(size).write(v, at, raw);
  };
  return {
    size,
    read: (v, at) => {
      const raw = new Uint8Array(v.buffer, v.byteOffset + at, size);
      const end = raw.indexOf(0);
      return utf8.decoder.decode(raw.subarray(0, end < 0 ? size : end));
    },
    write: (v, at, x) => {
      if (x.length >= size) throw new TypeError(`${x} is longer than ${size - 1} bytes`);
      // Names of devices are ASCII, and a generation of 100,000 operations has that many of them.
      for (let i = 0; i < size; i++) {
        const c = i < x.length ? x.charCodeAt(i) : 0;
        if (c > 127) {
          writeUtf8(v, at, x);
          return;
        }
        v.setUint8(at + i, c);
      }
    },
  };
};

/** Six pairs of hex digits with colons. */
export const macAddress: Codec<string> = {
  size: 6,
  read: (v, at) =>
    Array.from({ length: 6 }, (_, i) =>
      v
        .getUint8(at + i)
        .toString(16)
        .padStart(2, '0'),
    ).join(':'),
  write: (v, at, x) => {
    const parts = x.split(':').map((p) => Number.parseInt(p, 16));
    if (parts.length !== 6 || parts.some(Number.isNaN))
      throw new TypeError(`${x} is no hardware address`);
    for (const [i, p] of parts.entries()) v.setUint8(at + i, p);
  },
};

/** The address family field beside an address: 4 or 6. */
export const afOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);

const noAddress = (text: string): never => {
  throw new TypeError(`${text} is not an IP address`);
};

/** 16 bytes of which IPv4 uses the first four; anything but an address is a programmer's error. */
const writeAddress = (v: DataView, at: number, text: string): void => {
  if (text.includes(':')) {
    const six = parseIpv6(text) ?? noAddress(text);
    for (let i = 0; i < 16; i++) v.setUint8(at + i, six[i] ?? 0);
    return;
  }
  v.setUint32(at, parseIpv4(text) ?? noAddress(text));
  for (let i = 4; i < 16; i += 4) v.setUint32(at + i, 0);
};

/** An address whose family stands in the field `family` bytes before it. */
export const address = (family = 4): Codec<string> => ({
  size: 16,
  read: (v, at) =>
    v.getUint8(at - family) === 6
      ? formatIpv6(new Uint8Array(v.buffer, v.byteOffset + at, 16))
      : formatIpv4(ipv4(v.getUint32(at))),
  write: writeAddress,
});

export const svcKey = wireStruct('ks_svc_key', { af: u8, proto: u8, port: be16, addr: address() });
