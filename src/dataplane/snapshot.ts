/**
 * The wanted state of the data plane as one value. Objects are found by their keys; two snapshots with the same objects are the same
 * whatever the order they were named in.
 */

export interface AddressEntry {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
  /** A VIP held by VRRP: answered for only while the lease runs. */
  readonly leased: boolean;
  /** A local address of FNAT: its ports are the workers' pools. */
  readonly local: boolean;
}

export type Protocol = 'TCP' | 'UDP';
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

export interface RealServerEntry {
  readonly address: string;
  readonly port: number;
  readonly forwarding: Forwarding;
  /** 0: no new sessions, those there go on. */
  readonly weight: number;
}

export interface LocalAddressEntry {
  readonly device: string;
  readonly address: string;
}

export interface ServiceEntry {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  readonly scheduler: Scheduler;
  readonly expireQuiescent: boolean;
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
] as const;
export type ParamName = (typeof paramNames)[number];

export interface Snapshot {
  readonly addresses: readonly AddressEntry[];
  readonly services: readonly ServiceEntry[];
  /** Timeouts in milliseconds; what is not named keeps the data plane's default. */
  readonly params: Readonly<Partial<Record<ParamName, number>>>;
}

export const emptySnapshot: Snapshot = { addresses: [], services: [], params: {} };

export const addressKey = (a: AddressEntry): string => `${a.device} ${a.address}`;
export const serviceKey = (s: Pick<ServiceEntry, 'protocol' | 'address' | 'port'>): string =>
  `${s.protocol} ${s.address} ${s.port}`;
export const realServerKey = (r: RealServerEntry): string => `${r.address} ${r.port}`;
export const localAddressKey = (l: LocalAddressEntry): string => l.address;

const prime = 0x100000001b3n;
const mask = (1n << 64n) - 1n;

/** FNV-1a, 64 bits; cheap enough for hundreds of thousands of characters because it works in 32-bit halves. */
const fnv = (text: string): bigint => {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    low ^= text.charCodeAt(i);
    // times 0x100000001b3: low * 0x1b3 with its carry, plus low shifted into the high half
    const product = (low >>> 0) * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x100000000) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) & mask;
};

const byKey = <T>(items: readonly T[], key: (t: T) => string): readonly (readonly [string, T])[] =>
  items
    .map((t): readonly [string, T] => [key(t), t])
    .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));

/** One number for the whole state; the data plane keeps it, so a restarted controller knows what it finds. */
export const digest = (s: Snapshot): bigint => {
  const service = (v: ServiceEntry): unknown => [
    v.scheduler,
    v.expireQuiescent,
    v.establishedTimeoutMs,
    byKey(v.realServers, realServerKey).map(([k, r]) => [k, r.forwarding, r.weight]),
    byKey(v.localAddresses, localAddressKey).map(([k, l]) => [k, l.device]),
  ];
  const text = JSON.stringify([
    byKey(s.addresses, addressKey).map(([k, a]) => [k, a.prefixLength, a.leased, a.local]),
    byKey(s.services, serviceKey).map(([k, v]) => [k, service(v)]),
    paramNames.map((n) => s.params[n] ?? null),
  ]);
  return fnv(text) ^ ((BigInt(text.length) * prime) & mask);
};
