/** Ethernet frames with IPv4 or IPv6 and TCP or UDP, made and read without any of the product's own code. */

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

export const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(':'), (x) => Number.parseInt(x, 16));
export const isSix = (ip: string): boolean => ip.includes(':');

/** Of the spellings the tests use: no dotted quad in it. */
const sixBytes = (ip: string): Uint8Array => {
  const [head = '', tail] = ip.split('::').map((part) => part.split(':').filter((g) => g !== ''));
  const left = head === '' ? [] : head;
  const right = tail ?? [];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return Uint8Array.from(
    [...left, ...zeros, ...right].flatMap((g) => {
      const n = Number.parseInt(g, 16);
      return [n >> 8, n & 255];
    }),
  );
};
export const ipBytes = (ip: string): Uint8Array =>
  isSix(ip) ? sixBytes(ip) : Uint8Array.from(ip.split('.'), Number);

/** IPv6 in the shortest form for addresses whose longest run of zeros is the one to leave out. */
const sixText = (b: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((b[2 * i] ?? 0) * 256 + (b[2 * i + 1] ?? 0)).toString(16),
  );
  const runs = groups.join(':').match(/(?:^|:)0(?::0)+(?::|$)/g) ?? [];
  const longest = runs.reduce((x, y) => (y.length > x.length ? y : x), '');
  return longest === '' ? groups.join(':') : groups.join(':').replace(longest, '::');
};
export const ipText = (b: Uint8Array): string => (b.length === 4 ? b.join('.') : sixText(b));
const colons = (b: Uint8Array): string =>
  [...b].map((x) => x.toString(16).padStart(2, '0')).join(':');

/** RFC 1071, the slow and plain way. */
export const onesComplement = (parts: readonly Uint8Array[]): number => {
  let sum = 0;
  for (const p of parts)
    for (let i = 0; i < p.length; i++) sum += i % 2 === 0 ? (p[i] ?? 0) * 256 : (p[i] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
};

export const pseudo = (
  src: Uint8Array,
  dst: Uint8Array,
  protocol: number,
  length: number,
): Uint8Array => Uint8Array.from([...src, ...dst, 0, protocol, length >> 8, length & 255]); // RFC 8200's sums up to the same

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

export const header4 = (
  s: { src: string; dst: string; ttl: number },
  protocol: number,
  length: number,
): Uint8Array => {
  const ip = new Uint8Array(20);
  const v = new DataView(ip.buffer);
  ip[0] = 0x45;
  v.setUint16(2, 20 + length);
  v.setUint16(6, 0x4000);
  ip[8] = s.ttl;
  ip[9] = protocol;
  ip.set(ipBytes(s.src), 12);
  ip.set(ipBytes(s.dst), 16);
  v.setUint16(10, onesComplement([ip]));
  return ip;
};

export const header6 = (
  s: { src: string; dst: string; ttl: number },
  protocol: number,
  length: number,
) =>
  Uint8Array.from([
    ...[0x60, 0, 0, 0, length >> 8, length & 255, protocol, s.ttl],
    ...ipBytes(s.src),
    ...ipBytes(s.dst),
  ]);

export const encodeFrame = (from: string, to: string, s: Segment): Uint8Array => {
  const l4 = transport(s);
  const protocol = protocolNumber[s.protocol];
  const [type, ip] = isSix(s.src)
    ? [[0x86, 0xdd], header6(s, protocol, l4.length)]
    : [[8, 0], header4(s, protocol, l4.length)];
  return Uint8Array.from([...macBytes(to), ...macBytes(from), ...type, ...ip, ...l4]);
};

/** An IP packet taken apart. */
interface Packet {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly ttl: number;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly faults: readonly string[];
}

export const readPacket = (b: Uint8Array): Packet | null => {
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength);
  if (b[0] === 0x45 && b.length >= 20) {
    const length = v.getUint16(2);
    return {
      src: b.subarray(12, 16),
      dst: b.subarray(16, 20),
      ttl: b[8] ?? 0,
      protocol: b[9] ?? 0,
      payload: b.slice(20, length),
      faults: [
        ...(onesComplement([b.subarray(0, 20)]) === 0 ? [] : ['IPv4 checksum']),
        ...(b.length >= length ? [] : ['shorter than its IPv4 length']),
      ],
    };
  }
  if ((b[0] ?? 0) >> 4 !== 6 || b.length < 40) return null;
  const length = v.getUint16(4);
  return {
    src: b.subarray(8, 24),
    dst: b.subarray(24, 40),
    ttl: b[7] ?? 0,
    protocol: b[6] ?? 0,
    payload: b.slice(40, 40 + length),
    faults: b.length >= 40 + length ? [] : ['shorter than its IPv6 length'],
  };
};

const faultsOf = (p: Packet, protocol: 'TCP' | 'UDP'): readonly string[] => {
  const l4 = p.payload;
  const length = (l4[4] ?? 0) * 256 + (l4[5] ?? 0);
  const sums = pseudo(p.src, p.dst, protocolNumber[protocol], l4.length);
  return [
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

/** null: no TCP or UDP over IP, be it within a tunnel. */
export const decodeFrame = (b: Uint8Array): Frame | null => {
  const whole = readPacket(b.subarray(14));
  const type = (b[12] ?? 0) * 256 + (b[13] ?? 0);
  const tunnel = whole !== null && (whole.protocol === 4 || whole.protocol === 41) ? whole : null;
  const p = tunnel === null ? whole : readPacket(tunnel.payload);
  const protocol = p?.protocol === 6 ? 'TCP' : p?.protocol === 17 ? 'UDP' : null;
  if (whole === null || p === null || protocol === null) return null;
  const { header, ...own } = ownFields(p.payload, protocol);
  const ports = new DataView(p.payload.buffer, p.payload.byteOffset);
  return {
    to: colons(b.subarray(0, 6)),
    from: colons(b.subarray(6, 12)),
    src: ipText(p.src),
    dst: ipText(p.dst),
    ttl: p.ttl,
    protocol,
    sport: ports.getUint16(0),
    dport: ports.getUint16(2),
    ...own,
    data: p.payload.slice(header),
    outer:
      tunnel === null
        ? null
        : { src: ipText(tunnel.src), dst: ipText(tunnel.dst), ttl: tunnel.ttl },
    faults: [
      ...(tunnel?.faults ?? []),
      ...p.faults,
      ...faultsOf(p, protocol),
      ...((type === 0x86dd) === (whole.src.length === 16) ? [] : ['Ethernet type']),
    ],
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
    sender: { mac: colons(b.subarray(22, 28)), address: ipText(b.subarray(28, 32)) },
    target: { mac: colons(b.subarray(32, 38)), address: ipText(b.subarray(38, 42)) },
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

/** An ARP request or a neighbour solicitation: who is asked for, and what it wants to hear. */
export interface Ask {
  readonly target: string;
  readonly answer: (mac: string) => Uint8Array;
}

/** A neighbour solicitation (135) or advertisement (136) with the sender's MAC as its option. */
const discovery = (
  type: 135 | 136,
  from: { readonly mac: string; readonly address: string },
  to: { readonly mac: string; readonly address: string },
  target: string,
): Uint8Array => {
  const body = Uint8Array.from([
    ...[type, 0, 0, 0, type === 136 ? 0x60 : 0, 0, 0, 0],
    ...ipBytes(target),
    ...[type === 135 ? 1 : 2, 1],
    ...macBytes(from.mac),
  ]);
  const sum = onesComplement([pseudo(ipBytes(from.address), ipBytes(to.address), 58, 32), body]);
  body[2] = sum >> 8;
  body[3] = sum & 255;
  const ip = header6({ src: from.address, dst: to.address, ttl: 255 }, 58, 32);
  return Uint8Array.from([...macBytes(to.mac), ...macBytes(from.mac), 0x86, 0xdd, ...ip, ...body]);
};

export const decodeAsk = (b: Uint8Array): Ask | null => {
  const arp = decodeArp(b);
  if (arp !== null)
    return arp.request
      ? { target: arp.target.address, answer: (mac) => encodeArpReply(arp, mac) }
      : null;
  const p = (b[12] ?? 0) === 0x86 ? readPacket(b.subarray(14)) : null;
  if (p === null || p.protocol !== 58 || p.payload[0] !== 135) return null;
  const target = ipText(p.payload.subarray(8, 24));
  const to = { mac: colons(b.subarray(6, 12)), address: ipText(p.src) };
  return { target, answer: (mac) => discovery(136, { mac, address: target }, to, target) };
};

/** A host makes itself known to `to`: by an ARP reply, or by asking for its address. */
export const encodeGreeting = (
  address: string,
  mac: string,
  to: { readonly mac: string; readonly address: string },
): Uint8Array =>
  isSix(address)
    ? discovery(135, { mac, address }, to, to.address)
    : encodeArpReply({ request: true, sender: to, target: { mac: '', address } }, mac);

export interface IcmpError {
  readonly type: number;
  readonly code: number;
  /** MTU, pointer or 0. */
  readonly rest: number;
}

/** The packet of a frame without its Ethernet header, cut to `most` bytes. */
export const packetOf = (frame: Uint8Array, most = 128): Uint8Array => frame.slice(14, 14 + most);

/** A router's error about a packet. */
export const encodeIcmpError = (
  mac: { readonly from: string; readonly to: string },
  ip: { readonly src: string; readonly dst: string },
  error: IcmpError,
  quote: Uint8Array,
): Uint8Array => {
  const six = isSix(ip.src);
  const body = new Uint8Array(8 + quote.length);
  body[0] = error.type;
  body[1] = error.code;
  new DataView(body.buffer).setUint32(4, error.rest);
  body.set(quote, 8);
  const cover = six ? [pseudo(ipBytes(ip.src), ipBytes(ip.dst), 58, body.length)] : [];
  new DataView(body.buffer).setUint16(2, onesComplement([...cover, body]));
  const head = six
    ? header6({ ...ip, ttl: 64 }, 58, body.length)
    : header4({ ...ip, ttl: 64 }, 1, body.length);
  const type = six ? [0x86, 0xdd] : [8, 0];
  return Uint8Array.from([...macBytes(mac.to), ...macBytes(mac.from), ...type, ...head, ...body]);
};

/** An ICMP or ICMPv6 message with the packet it quotes; null: none, or its checksum is wrong. */
export const decodeIcmpError = (b: Uint8Array) => {
  const p = readPacket(b.subarray(14));
  if (p === null || (p.protocol !== 1 && p.protocol !== 58) || p.faults.length > 0) return null;
  const cover = p.protocol === 58 ? [pseudo(p.src, p.dst, 58, p.payload.length)] : [];
  if (onesComplement([...cover, p.payload]) !== 0) return null;
  const quote = readPacket(p.payload.subarray(8));
  const v = new DataView(p.payload.buffer, p.payload.byteOffset);
  return {
    src: ipText(p.src),
    dst: ipText(p.dst),
    family: p.protocol === 58 ? 6 : 4,
    type: p.payload[0],
    code: p.payload[1],
    rest: v.getUint32(4),
    quote:
      quote === null
        ? null
        : {
            src: ipText(quote.src),
            dst: ipText(quote.dst),
            sport: new DataView(quote.payload.buffer).getUint16(0),
            dport: new DataView(quote.payload.buffer).getUint16(2),
          },
  };
};

/** The frame with another payload behind its IPv4 header, and other flags in it: 0 = it may be fragmented. */
export const withHeader4 = (frame: Uint8Array, flags: number, payload: Uint8Array): Uint8Array => {
  const out = Uint8Array.from([...frame.subarray(0, 34), ...payload]);
  const v = new DataView(out.buffer);
  v.setUint16(16, 20 + payload.length);
  v.setUint16(20, flags);
  v.setUint16(24, 0);
  v.setUint16(24, onesComplement([out.subarray(14, 34)]));
  return out;
};

const withHeader6 = (frame: Uint8Array, extra: readonly number[], payload: Uint8Array) => {
  const out = Uint8Array.from([...frame.subarray(0, 54), ...extra, ...payload]);
  new DataView(out.buffer).setUint16(18, extra.length + payload.length);
  if (extra.length > 0) out[20] = 44;
  return out;
};

/** The packet of a frame in fragments of `size` bytes (a multiple of 8), first to last. */
export const fragment = (frame: Uint8Array, id: number, size: number): readonly Uint8Array[] => {
  const six = frame[12] === 0x86;
  const payload = frame.subarray(six ? 54 : 34);
  const starts = Array.from({ length: Math.ceil(payload.length / size) }, (_, i) => i * size);
  return starts.map((at) => {
    const part = payload.subarray(at, at + size);
    const more = at + size < payload.length;
    if (!six) {
      const out = withHeader4(frame, (more ? 0x2000 : 0) | (at >> 3), part);
      new DataView(out.buffer).setUint16(18, id);
      new DataView(out.buffer).setUint16(24, 0);
      new DataView(out.buffer).setUint16(24, onesComplement([out.subarray(14, 34)]));
      return out;
    }
    const word = at | (more ? 1 : 0);
    const head = [frame[20] ?? 0, 0, word >> 8, word & 255, 0, 0, id >> 8, id & 255];
    return withHeader6(frame, head, part);
  });
};

/** Fragments as they came out, put together again; null when one is missing or they are not of one packet. */
export const reassemble = (frames: readonly Uint8Array[]): Uint8Array | null => {
  const [first] = frames;
  if (first === undefined) return null;
  const six = first[12] === 0x86;
  const ends = six ? 54 : 34;
  const parts = frames.map((f) => {
    const v = new DataView(f.buffer, f.byteOffset);
    const word = v.getUint16(six ? 56 : 20);
    return {
      head: f.subarray(six ? 22 : 26, ends).join(),
      id: six ? v.getUint32(58) : v.getUint16(18),
      at: six ? word & 0xfff8 : (word & 0x1fff) * 8,
      more: (word & (six ? 1 : 0x2000)) !== 0,
      bytes: f.subarray(six ? 62 : 34),
    };
  });
  const payload: number[] = [];
  for (const p of parts.sort((x, y) => x.at - y.at)) {
    if (p.at !== payload.length || p.head !== parts[0]?.head || p.id !== parts[0]?.id) return null;
    payload.push(...p.bytes);
  }
  if (parts.at(-1)?.more !== false) return null;
  if (!six) return withHeader4(first, 0, Uint8Array.from(payload));
  const whole = withHeader6(first, [], Uint8Array.from(payload));
  whole[20] = first[54] ?? 0;
  return whole;
};
