/** ICMP echo of either family as a frame, and back. */
import {
  header4,
  header6,
  ipBytes,
  ipText,
  isSix,
  macBytes,
  onesComplement,
  pseudo,
  readPacket,
} from './frames.js';

export interface Echo {
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly request: boolean;
  readonly id: number;
  /** 1 where it is not given. */
  readonly seq?: number;
  readonly data: string;
}

const cover = (src: Uint8Array, dst: Uint8Array, length: number): readonly Uint8Array[] =>
  src.length === 16 ? [pseudo(src, dst, 58, length)] : [];

export const encodeEcho = (from: string, to: string, e: Echo): Uint8Array => {
  const six = isSix(e.src);
  const data = new TextEncoder().encode(e.data);
  const type = six ? (e.request ? 128 : 129) : e.request ? 8 : 0;
  const body = Uint8Array.from([type, 0, 0, 0, e.id >> 8, e.id & 255, 0, e.seq ?? 1, ...data]);
  const sum = onesComplement([...cover(ipBytes(e.src), ipBytes(e.dst), body.length), body]);
  body.set([sum >> 8, sum & 255], 2);
  const ip = six ? header6(e, 58, body.length) : header4(e, 1, body.length);
  const ethertype = six ? [0x86, 0xdd] : [8, 0];
  return Uint8Array.from([...macBytes(to), ...macBytes(from), ...ethertype, ...ip, ...body]);
};

/** null: no echo, or its checksum is wrong. */
export const decodeEcho = (frame: Uint8Array): Echo | null => {
  const p = readPacket(frame.subarray(14));
  if (p === null || p.faults.length > 0 || (p.protocol !== 1 && p.protocol !== 58)) return null;
  const [type = -1, , , , high = 0, low = 0] = p.payload;
  const requests = p.protocol === 1 ? [8, 0] : [128, 129];
  if (!requests.includes(type)) return null;
  if (onesComplement([...cover(p.src, p.dst, p.payload.length), p.payload]) !== 0) return null;
  return {
    src: ipText(p.src),
    dst: ipText(p.dst),
    ttl: p.ttl,
    request: type === requests[0],
    id: high * 256 + low,
    data: new TextDecoder().decode(p.payload.slice(8)),
  };
};
