/**
 * The wanted state of the data plane as one value. Objects are found by their keys; two snapshots with the same objects are the same
 * whatever the order they were named in.
 */
import { replaced } from '../kernel/sequence.js';
import { formatIpv6, parseIpv6 } from '../net/ipv6.js';

export interface AddressEntry {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
  /** A VIP held by VRRP: answered for only while the lease runs. */
  readonly leased: boolean;
  /** A local address of FNAT: its ports are the workers' pools. */
  readonly local: boolean;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPV6';
export interface RouteEntry {
  readonly device: string;
  /** Without bits beyond the prefix. */
  readonly destination: string;
  readonly prefixLength: number;
  /** null: on-link. */
  readonly gateway: string | null;
  /** null: none preferred. */
  readonly source: string | null;
  /** 0: the device's. */
  readonly mtu: number;
  /** The lower wins. */
  readonly metric: number;
}

/** A neighbour that is told instead of asked for. */
export interface NeighbourEntry {
  readonly device: string;
  readonly address: string;
  /** Six pairs of hex digits, lower case. */
  readonly mac: string;
}

export type Scheduler =
  | 'rr'
  | 'wrr'
  | 'wlc'
  | 'lc'
  | 'sed'
  | 'nq'
  | 'sh'
  | 'dh'
  | 'fo'
  | 'ovf'
  | 'conhash'
  | 'mh';
export type Forwarding = 'FNAT' | 'NAT' | 'DR' | 'TUN' | 'SNAT';

/** What is between the two IP headers of TUN. */
export type Tunnel =
  | { readonly type: 'gre'; readonly checksum: boolean }
  | { readonly type: 'gue'; readonly port: number; readonly checksum: boolean };

export interface RealServerEntry {
  readonly address: string;
  readonly port: number;
  readonly forwarding: Forwarding;
  /** 0: no new sessions, those there go on. */
  readonly weight: number;
  /** With TUN; absent: IP in IP. */
  readonly tunnel?: Tunnel;
  /** Sessions, over all workers, from which on it takes no new ones; absent: no limit. */
  readonly upperThreshold?: number;
  /** Below so many it takes new ones again; absent: below three quarters of the upper one, as in IPVS. */
  readonly lowerThreshold?: number;
}

export const tunnelText = (t: Tunnel | undefined): string =>
  t === undefined ? 'ipip' : `${t.type} ${t.type === 'gue' ? t.port : 0} ${t.checksum}`;

export interface LocalAddressEntry {
  readonly device: string;
  readonly address: string;
}

/** One end of the packets a match service takes; both addresses null: any. */
export interface MatchEnd {
  readonly first: string | null;
  readonly last: string | null;
  /** 0 and 0: any. */
  readonly firstPort: number;
  readonly lastPort: number;
  /** The device a packet came from (source) or leaves by (destination); null: any. */
  readonly device: string | null;
}

/** SNAT: takes what passes through instead of what comes to an address. */
export interface Match {
  /** Of several that fit the lowest takes the packet. */
  readonly order: number;
  readonly source: MatchEnd;
  readonly destination: MatchEnd;
}

export interface QuicLb {
  /** 0 to 6. */
  readonly configId: number;
  /** 1 to 15 bytes: a server id is the last bytes of the real server's address. */
  readonly serverIdLength: number;
}

export interface ServiceEntry {
  readonly protocol: Protocol;
  /** Of a match service the name `matchAddress` gives. */
  readonly address: string;
  /** Of a match service 0. */
  readonly port: number;
  readonly match: Match | null;
  readonly scheduler: Scheduler;
  readonly expireQuiescent: boolean;
  /** Each datagram is scheduled anew (UDP). */
  readonly onePacket: boolean;
  /** Connection ids name their server: in DPVS's format, or QUIC-LB's in plaintext. */
  readonly quic: 'dpvs' | QuicLb | null;
  /** sh and mh hash the client's port as well. */
  readonly schedulerPort: boolean;
  /** How long a client stays with its real server after its last connection; 0: it need not. */
  readonly persistenceMs: number;
  /** Clients of one prefix of that length go together. */
  readonly persistencePrefixLength: number;
  /** Persistence does not hold to a real server of weight 0. */
  readonly expireTemplate: boolean;
  /** 0: the parameter's. */
  readonly establishedTimeoutMs: number;
  readonly realServers: readonly RealServerEntry[];
  readonly localAddresses: readonly LocalAddressEntry[];
}

/** Names of `enum ks_param` in its order. */
export const paramNames = [
  'tcpNone',
  'tcpEstablished',
  'tcpSynSent',
  'tcpSynRecv',
  'tcpFinWait',
  'tcpTimeWait',
  'tcpClose',
  'tcpCloseWait',
  'tcpLastAck',
  'tcpListen',
  'tcpSynAck',
  'tcpLast',
  'udpOneway',
  'udpNormal',
  'udpLast',
  'connInit',
  'defaultTtl',
  'localPortMin',
  'localPortMax',
  'neighbourTimeout',
  'maglevSize',
  'icmpNormal',
  'sctpInit1',
  'sctpInit',
  'sctpEstablished',
  'sctpShutdown',
  'sctpRejected',
  'sctpClosed',
  'reuseStates',
  'resetExpired',
] as const;
export type ParamName = (typeof paramNames)[number];

export interface Snapshot {
  readonly addresses: readonly AddressEntry[];
  readonly routes: readonly RouteEntry[];
  readonly neighbours: readonly NeighbourEntry[];
  readonly services: readonly ServiceEntry[];
  /** Timeouts in milliseconds; what is not named keeps the data plane's default. */
  readonly params: Readonly<Partial<Record<ParamName, number>>>;
}

export const emptySnapshot: Snapshot = {
  addresses: [],
  routes: [],
  neighbours: [],
  services: [],
  params: {},
};

/** The lower threshold that holds: three quarters of the upper one where none is set (IPVS). */
export const lowerThresholdOf = (
  r: Pick<RealServerEntry, 'upperThreshold' | 'lowerThreshold'>,
): number => r.lowerThreshold ?? (r.upperThreshold ?? 0) - Math.floor((r.upperThreshold ?? 0) / 4);

export const addressKey = (a: AddressEntry): string => `${a.device} ${a.address}`;
export const routeKey = (r: RouteEntry): string =>
  `${r.device} ${r.destination}/${r.prefixLength} ${r.metric} ${r.gateway ?? '-'}`;
export const neighbourKey = (n: NeighbourEntry): string => `${n.device} ${n.address}`;
export const serviceKey = (s: Pick<ServiceEntry, 'protocol' | 'address' | 'port'>): string =>
  `${s.protocol} ${s.address} ${s.port}`;
export const realServerKey = (r: RealServerEntry): string => `${r.address} ${r.port}`;
export const localAddressKey = (l: LocalAddressEntry): string => l.address;

/** 64 bits as two halves: a bigint for each step would take seconds for 100,000 objects. */
interface Hash {
  low: number;
  high: number;
}

const toBigint = ({ low, high }: Hash): bigint => (BigInt(high) << 32n) | BigInt(low);

/** FNV-1a of a text of ASCII characters. */
const fnv = (text: string, into: Hash): void => {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    low = (low ^ text.charCodeAt(i)) >>> 0;
    // times 0x100000001b3: low * 0x1b3 with its carry, and low shifted by 40 bits into the high half
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x100000000) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  into.low = low;
  into.high = high;
};

export const fnv1a = (text: string): bigint => {
  const h = { low: 0, high: 0 };
  fnv(text, h);
  return toBigint(h);
};

/** Every bit on every bit of 32 (the finalizer of MurmurHash3). */
const mix32 = (n: number): number => {
  let h = n;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/**
 * FNV-1a changes by the same amount whenever the same last character changes, so sums of it would
 * meet; three Feistel rounds part them and lose nothing.
 */
const scatter = (h: Hash): void => {
  h.low = (h.low + mix32(h.high)) >>> 0;
  h.high = (h.high + mix32(h.low)) >>> 0;
  h.low = (h.low + mix32(h.high)) >>> 0;
};

const scattered = (text: string): bigint => {
  const h = { low: 0, high: 0 };
  fnv(text, h);
  scatter(h);
  return toBigint(h);
};

type Add = (...parts: readonly (string | number | boolean | null)[]) => void;

/** A sum knows no order, so nothing is sorted; the key in each text keeps objects apart. */
const summing = () => {
  const sum: Hash = { low: 0, high: 0 };
  const h: Hash = { low: 0, high: 0 };
  const add: Add = (...parts) => {
    fnv(parts.join(' '), h);
    scatter(h);
    const low = sum.low + h.low;
    sum.high = (sum.high + h.high + (low > 0xffffffff ? 1 : 0)) >>> 0;
    sum.low = low >>> 0;
  };
  return { add, sum: () => toBigint(sum) };
};

const addService = (add: Add, v: ServiceEntry): void => {
  const key = serviceKey(v);
  const flags = [v.expireQuiescent, v.onePacket, v.schedulerPort];
  add('svc', key, v.scheduler, ...flags, v.establishedTimeoutMs);
  add('persistence', key, v.persistenceMs, v.persistencePrefixLength, v.expireTemplate);
  if (v.quic !== null) add('quic', key, ...(v.quic === 'dpvs' ? [v.quic] : Object.values(v.quic)));
  if (v.match !== null) {
    const { order, source, destination } = v.match;
    add('match', key, order, ...Object.values(source), ...Object.values(destination));
  }
  for (const r of v.realServers) {
    add('rs', key, realServerKey(r), r.forwarding, r.weight, tunnelText(r.tunnel));
    if (r.upperThreshold !== undefined)
      add('thresholds', key, realServerKey(r), r.upperThreshold, r.lowerThreshold ?? 0);
  }
  for (const l of v.localAddresses) add('lip', key, localAddressKey(l), l.device);
};

/** Sums of single services that were worked out before they are needed. */
const ofServices = new WeakMap<ServiceEntry, bigint>();

/**
 * Works out the part of a service ahead, so that the digest of 10,000 new ones does not occupy the
 * loop. Kept only for what was prepared.
 */
export const prepareDigest = (s: ServiceEntry): void => {
  if (ofServices.has(s)) return;
  const { add, sum } = summing();
  addService(add, s);
  ofServices.set(s, sum());
};

const digestOf = (s: Snapshot): bigint => {
  const { add, sum } = summing();
  let prepared = 0n;
  for (const a of s.addresses) add('addr', addressKey(a), a.prefixLength, a.leased, a.local);
  for (const r of s.routes) add('route', routeKey(r), r.source ?? '-', r.mtu);
  for (const n of s.neighbours) add('neigh', neighbourKey(n), n.mac);
  for (const v of s.services) {
    const part = ofServices.get(v);
    if (part === undefined) addService(add, v);
    else prepared += part;
  }
  for (const name of paramNames) {
    const value = s.params[name];
    if (value !== undefined) add('param', name, value);
  }
  return BigInt.asUintN(64, sum() + prepared);
};

/**
 * The address a match service is known by in the data plane: a name that is no host's address (0.x.y.z, or one of 100::/64), made of the
 * name it has in the configuration.
 */
export const matchAddress = (name: string, family: 4 | 6): string => {
  const hash = scattered(name);
  const part = (shift: bigint, bits: number): bigint => (hash >> shift) & BigInt((1 << bits) - 1);
  if (family === 4) return `0.${part(16n, 8)}.${part(8n, 8)}.${part(0n, 8)}`;
  const groups = [48n, 32n, 16n, 0n].map((shift) => part(shift, 16).toString(16));
  return formatIpv6(parseIpv6(`100:0:0:0:${groups.join(':')}`) ?? new Uint8Array(16));
};

const digests = new WeakMap<Snapshot, bigint>();

/**
 * One number for the whole state, the same for any order of its objects; the data plane keeps it, so
 * a restarted controller knows what it finds. A snapshot never changes, so it is worked out once.
 */
export const digest = (s: Snapshot): bigint => {
  const known = digests.get(s);
  if (known !== undefined) return known;
  const reckoned = digestOf(s);
  digests.set(s, reckoned);
  return reckoned;
};

/**
 * The digest of a snapshot that was made from another one: it is a sum, so what is gone is taken off
 * and what has come is added. What both share by reference is not looked at.
 */
export const digestAfter = (before: Snapshot, after: Snapshot): bigint => {
  const known = digests.get(after);
  if (known !== undefined) return known;
  const addresses = replaced(before.addresses, after.addresses);
  const routes = replaced(before.routes, after.routes);
  const neighbours = replaced(before.neighbours, after.neighbours);
  const services = replaced(before.services, after.services);
  const part = (side: 'gone' | 'come', { params }: Snapshot): bigint =>
    digestOf({
      addresses: addresses[side],
      routes: routes[side],
      neighbours: neighbours[side],
      services: services[side],
      params,
    });
  const sum = digest(before) - part('gone', before) + part('come', after);
  const reckoned = BigInt.asUintN(64, sum);
  digests.set(after, reckoned);
  return reckoned;
};

/** As text: for messages and journals, which have no bigint. */
export const digestText = (s: Snapshot): string => digest(s).toString(16);
