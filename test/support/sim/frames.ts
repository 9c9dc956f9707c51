/** Ethernet frames with IPv4 and TCP or UDP, made and read without any of the product's own code. */

export interface Segment {
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly sport: number;
  readonly dport: number;
  /** TCP: F S R P A U as in RFC 9293; empty with UDP. */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  /** TCP options, padded to words. */
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

export interface Frame extends Segment {
  readonly from: string;
  readonly to: string;
  /** The header it is carried in (IPv4 in IPv4). */
  readonly outer: { readonly src: string; readonly dst: string; readonly ttl: number } | null;
  /** What is wrong with it: checksums, lengths. */
  readonly faults: readonly string[];
}

const flagLetters = 'FSRPAU';
const protocolNumber = { TCP: 6, UDP: 17 } as const;

const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(':'), (x) => Number.parseInt(x, 16));
const ipBytes = (ip: string): Uint8Array => Uint8Array.from(ip.split('.'), Number);
const dotted = (b: Uint8Array): string => b.join('.');
const colons = (b: Uint8Array): string =>
  [...b].map((x) => x.toString(16).padStart(2, '0')).join(':');

/** RFC 1071, the slow and plain way. */
const onesComplement = (parts: readonly Uint8Array[]): number => {
  let sum = 0;
  for (const p of parts)
    for (let i = 0; i < p.length; i++) sum += i % 2 === 0 ? (p[i] ?? 0) * 256 : (p[i] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
};

const pseudo = (src: Uint8Array, dst: Uint8Array, protocol: number, length: number): Uint8Array =>
  Uint8Array.from([...src, ...dst, 0, protocol, length >> 8, length & 255]);

const transport = (s: Segment): Uint8Array => {
  const tcp = s.protocol === 'TCP';
  const header = tcp ? 20 + s.options.length : 8;
  const out = new Uint8Array(header + s.data.length);
  const v = new DataView(out.buffer);
  v.setUint16(0, s.sport);
  v.setUint16(2, s.dport);
  if (tcp) {
    v.setUint32(4, s.seq);
    v.setUint32(8, s.ack);
    out[12] = (header / 4) << 4;
    out[13] = [...s.flags].reduce((bits, f) => bits | (1 << flagLetters.indexOf(f)), 0);
    v.setUint16(14, 0xfaf0);
    out.set(s.options, 20);
  } else v.setUint16(4, out.length);
  out.set(s.data, header);
  const sum = onesComplement([
    pseudo(ipBytes(s.src), ipBytes(s.dst), protocolNumber[s.protocol], out.length),
    out,
  ]);
  v.setUint16(tcp ? 16 : 6, sum === 0 && !tcp ? 0xffff : sum);
  return out;
};

export const encodeFrame = (from: string, to: string, s: Segment): Uint8Array => {
  const l4 = transport(s);
  const ip = new Uint8Array(20);
  const v = new DataView(ip.buffer);
  ip[0] = 0x45;
  v.setUint16(2, 20 + l4.length);
  v.setUint16(6, 0x4000);
  ip[8] = s.ttl;
  ip[9] = protocolNumber[s.protocol];
  ip.set(ipBytes(s.src), 12);
  ip.set(ipBytes(s.dst), 16);
  v.setUint16(10, onesComplement([ip]));
  return Uint8Array.from([...macBytes(to), ...macBytes(from), 8, 0, ...ip, ...l4]);
};

const protocolOf = (b: Uint8Array): 'TCP' | 'UDP' | null =>
  b[23] === 6 ? 'TCP' : b[23] === 17 ? 'UDP' : null;

const faultsOf = (b: Uint8Array, l4: Uint8Array, protocol: 'TCP' | 'UDP'): readonly string[] => {
  const length = (l4[4] ?? 0) * 256 + (l4[5] ?? 0);
  const sums = pseudo(b.subarray(26, 30), b.subarray(30, 34), protocolNumber[protocol], l4.length);
  return [
    onesComplement([b.subarray(14, 34)]) === 0 ? '' : 'IPv4 checksum',
    b.length >= 34 + l4.length ? '' : 'shorter than its IPv4 length',
    onesComplement([sums, l4]) === 0 ? '' : `${protocol} checksum`,
    protocol === 'TCP' || length === l4.length ? '' : 'UDP length',
  ].filter((fault) => fault !== '');
};

/** What only one of the two has. */
const ownFields = (l4: Uint8Array, protocol: 'TCP' | 'UDP') => {
  if (protocol === 'UDP')
    return { flags: '', seq: 0, ack: 0, header: 8, options: new Uint8Array() };
  const t = new DataView(l4.buffer, l4.byteOffset, l4.byteLength);
  const header = ((l4[12] ?? 0) >> 4) << 2;
  const bits = l4[13] ?? 0;
  return {
    flags: [...flagLetters].filter((_, i) => (bits & (1 << i)) !== 0).join(''),
    seq: t.getUint32(4),
    ack: t.getUint32(8),
    header,
    options: l4.slice(20, header),
  };
};

const decodeTunnelled = (b: Uint8Array): Frame | null => {
  const inner = decodeFrame(Uint8Array.from([...b.subarray(0, 14), ...b.subarray(34)]));
  const length = (b[16] ?? 0) * 256 + (b[17] ?? 0);
  if (inner === null) return null;
  return {
    ...inner,
    outer: { src: dotted(b.subarray(26, 30)), dst: dotted(b.subarray(30, 34)), ttl: b[22] ?? 0 },
    faults: [
      ...inner.faults,
      ...(onesComplement([b.subarray(14, 34)]) === 0 ? [] : ['outer IPv4 checksum']),
      ...(b.length >= 14 + length ? [] : ['shorter than its outer IPv4 length']),
    ],
  };
};

/** null: no IPv4 with TCP or UDP, be it within IPv4. */
export const decodeFrame = (b: Uint8Array): Frame | null => {
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength);
  const protocol = protocolOf(b);
  if (b.length >= 54 && v.getUint16(12) === 0x0800 && b[14] === 0x45 && b[23] === 4)
    return decodeTunnelled(b);
  if (b.length < 34 || v.getUint16(12) !== 0x0800 || b[14] !== 0x45 || protocol === null)
    return null;
  const l4 = b.slice(34, 14 + v.getUint16(16));
  const { header, ...own } = ownFields(l4, protocol);
  return {
    to: colons(b.subarray(0, 6)),
    from: colons(b.subarray(6, 12)),
    src: dotted(b.subarray(26, 30)),
    dst: dotted(b.subarray(30, 34)),
    ttl: b[22] ?? 0,
    protocol,
    sport: v.getUint16(34),
    dport: v.getUint16(36),
    ...own,
    data: l4.slice(header),
    outer: null,
    faults: faultsOf(b, l4, protocol),
  };
};

export interface Arp {
  readonly request: boolean;
  readonly sender: { readonly mac: string; readonly address: string };
  readonly target: { readonly mac: string; readonly address: string };
}

export const decodeArp = (b: Uint8Array): Arp | null => {
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength);
  if (b.length < 42 || v.getUint16(12) !== 0x0806) return null;
  return {
    request: v.getUint16(20) === 1,
    sender: { mac: colons(b.subarray(22, 28)), address: dotted(b.subarray(28, 32)) },
    target: { mac: colons(b.subarray(32, 38)), address: dotted(b.subarray(38, 42)) },
  };
};

export const encodeArpReply = (to: Arp, mac: string): Uint8Array =>
  Uint8Array.from([
    ...macBytes(to.sender.mac),
    ...macBytes(mac),
    ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
    ...macBytes(mac),
    ...ipBytes(to.target.address),
    ...macBytes(to.sender.mac),
    ...ipBytes(to.sender.address),
  ]);
