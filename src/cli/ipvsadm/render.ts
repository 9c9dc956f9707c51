/** ipvsadm's listings, with the columns that scripts expect. Pure. */

import type {
  ServerCountsView,
  ServerView,
  ServicesView,
  ServiceView,
  SessionView,
} from '../../api/views.js';
import { endpoint } from '../endpoint.js';

const forwardings: Readonly<Record<string, string>> = {
  NAT: 'Masq',
  TUN: 'Tunnel',
  DR: 'Route',
  FNAT: 'FullNat',
  SNAT: 'SNAT',
};

/** `TCP  192.0.2.1:80`, `MATCH tcp,from=...` */
const nameOf = (s: ServiceView): string => {
  const { protocol, address, port, match } = s.service;
  return match === null ? `${protocol.padEnd(4)} ${endpoint(address, port)}` : s.name;
};

const maskOf = (s: ServiceView): string => {
  const v6 = s.service.address.includes(':');
  const length = s.persistencePrefixLength;
  if (length === (v6 ? 128 : 32)) return '';
  if (v6) return ` mask ${length}`;
  const bits = '1'.repeat(length).padEnd(32, '0');
  return ` mask ${(bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)).join('.')}`;
};

const flagsOf = (s: ServiceView): string =>
  [
    s.scheduler,
    s.schedulerPort ? `(${s.scheduler}-port)` : '',
    s.persistenceMs > 0 ? `persistent ${s.persistenceMs / 1000}${maskOf(s)}` : '',
    s.onePacket ? 'ops' : '',
    s.quic ? 'quic' : '',
    s.establishedTimeoutMs > 0 ? `conn-timeout ${s.establishedTimeoutMs / 1000}` : '',
    s.expireQuiescent ? 'expire-quiescent' : '',
  ]
    .filter((w) => w !== '')
    .join(' ');

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const inOrder = (services: readonly ServiceView[]): readonly ServiceView[] =>
  [...services].sort(
    (a, b) =>
      compare(a.service.protocol, b.service.protocol) ||
      compare(a.service.address, b.service.address) ||
      a.service.port - b.service.port ||
      compare(a.name, b.name),
  );

const version = (v: ServicesView): string => `IP Virtual Server version ${v.version} (size=0)\n`;

const serverLine = (r: ServerView): string =>
  `  -> ${endpoint(r.address, r.port).padEnd(28)} ${(forwardings[r.forwarding] ?? r.forwarding).padEnd(7)} ${String(r.weight).padEnd(6)} ${String(r.active).padEnd(10)} ${String(r.inactive).padEnd(10)}${r.full ? ' overload' : ''}\n`;

export const renderServices = (v: ServicesView, services: readonly ServiceView[]): string =>
  [
    version(v),
    'Prot LocalAddress:Port Scheduler Flags\n',
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n',
    ...services.flatMap((s) => [`${nameOf(s)} ${flagsOf(s)}\n`, ...s.realServers.map(serverLine)]),
  ].join('');

/** Thresholds of real servers, with the sessions they have. */
export const renderThresholds = (v: ServicesView, services: readonly ServiceView[]): string => {
  const row = (name: string, cells: readonly (string | number)[]): string =>
    `${name.padEnd(33)}${cells.map((c) => ` ${String(c).padEnd(10)}`).join('')}\n`;
  return [
    version(v),
    row('Prot LocalAddress:Port', ['Uthreshold', 'Lthreshold', 'ActiveConn', 'InActConn']),
    '  -> RemoteAddress:Port\n',
    ...services.flatMap((s) => [
      `${nameOf(s)} ${s.scheduler}\n`,
      ...s.realServers.map((r) =>
        row(`  -> ${endpoint(r.address, r.port)}`, [
          r.upperThreshold,
          r.lowerThreshold,
          r.active,
          r.inactive,
        ]),
      ),
    ]),
  ].join('');
};

const units = [
  { from: 100_000_000_000_000, by: 1_000_000_000_000, unit: 'T' },
  { from: 100_000_000_000, by: 1_000_000_000, unit: 'G' },
  { from: 1_000_000_000, by: 1_000_000, unit: 'M' },
  { from: 100_000_000, by: 1000, unit: 'K' },
];

/** Nine characters wide; larger numbers get a unit, unless exact numbers were requested. */
export const number9 = (n: number, exact: boolean): string => {
  const scale = exact ? undefined : units.find((u) => n >= u.from);
  const text = scale === undefined ? String(n) : `${Math.floor(n / scale.by)}${scale.unit}`;
  return text.padStart(9);
};

type Counts = Pick<ServerCountsView, 'conns' | 'inPackets' | 'outPackets' | 'inBytes' | 'outBytes'>;

const names = ['conns', 'inPackets', 'outPackets', 'inBytes', 'outBytes'] as const;

export const totals = (servers: readonly Counts[]): Counts => {
  const sum = (name: (typeof names)[number]): number => servers.reduce((n, r) => n + r[name], 0);
  return {
    conns: sum('conns'),
    inPackets: sum('inPackets'),
    outPackets: sum('outPackets'),
    inBytes: sum('inBytes'),
    outBytes: sum('outBytes'),
  };
};

/** The difference between two readings; a counter that was reset counts from 0. */
export const between = (now: Counts, before: Counts | undefined, seconds: number): Counts => {
  const a = (name: (typeof names)[number]): number => {
    const old = before?.[name] ?? now[name];
    return Math.round((now[name] >= old ? now[name] - old : now[name]) / seconds);
  };
  return {
    conns: a('conns'),
    inPackets: a('inPackets'),
    outPackets: a('outPackets'),
    inBytes: a('inBytes'),
    outBytes: a('outBytes'),
  };
};

const heads = {
  stats: ['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'],
  rate: ['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'],
} as const;

export interface CountedService {
  readonly view: ServiceView;
  readonly servers: readonly { readonly view: ServerView; readonly counts: Counts }[];
}

export const renderCounts = (
  v: ServicesView,
  services: readonly CountedService[],
  kind: keyof typeof heads,
  exact: boolean,
): string => {
  const row = (name: string, c: Counts): string =>
    `${name.padEnd(33)}${names.map((n) => number9(c[n], exact)).join('')}\n`;
  const head = 'Prot LocalAddress:Port'.padEnd(33);
  return [
    version(v),
    `${head}${heads[kind].map((h) => h.padStart(9)).join('')}\n`,
    '  -> RemoteAddress:Port\n',
    ...services.flatMap((s) => [
      row(nameOf(s.view), totals(s.servers.map((r) => r.counts))),
      ...s.servers.map((r) => row(`  -> ${endpoint(r.view.address, r.view.port)}`, r.counts)),
    ]),
  ].join('');
};

export const renderTimeouts = (v: ServicesView): string =>
  `Timeout (tcp tcpfin udp): ${v.timeouts.tcp} ${v.timeouts.tcpFin} ${v.timeouts.udp}\n`;

export const renderSessions = (rows: readonly SessionView[]): string =>
  rows
    .map(
      (r) =>
        `[${r.worker}]${r.protocol} ${Math.ceil(r.expiresMs / 1000)}s ${r.state} ${r.client} ${r.vip} ${r.lip} ${r.realServer}\n`,
    )
    .join('');

const localRow = (cells: readonly string[]): string =>
  `${[20, 8, 20, 10, 10].map((w, i) => (cells[i] ?? '').padEnd(w)).join(' ')}\n`;

/** -G. Conflicts cannot happen, so CONFLICTS is always 0. */
export const renderLocals = (services: readonly ServiceView[]): string =>
  [
    localRow(['VIP:VPORT', 'TOTAL', 'SNAT_IP', 'CONFLICTS', 'CONNS']),
    ...services.flatMap((s) => [
      localRow([
        s.service.match === null ? endpoint(s.service.address, s.service.port) : s.name,
        String(s.localAddresses.length),
      ]),
      ...s.localAddresses.map((l) => localRow(['', '', l.address, '0', String(l.sessions ?? 0)])),
    ]),
  ].join('');
