/**
 * What ipvsadm and dpip show: services with their counters, tables of layer 3, links. Pure over the facts, the counters
 * and what the data plane listed.
 */
import type { State } from '../cluster/machine.js';
import { wordsOf } from '../cluster/runtime/commands.js';
import { serviceName } from '../cluster/runtime/identity.js';
import {
  type ListKind,
  type ListRow,
  listFlags,
  neighbourStates,
  type SessionRow,
} from '../dataplane/codec.js';
import { isFull, type Named, type Overview } from '../dataplane/counters.js';
import { paramDefaults } from '../dataplane/diff.js';
import { protocols } from '../dataplane/ops.js';
import {
  emptySnapshot,
  type ServiceEntry,
  type Snapshot,
  serviceKey,
} from '../dataplane/snapshot.js';
import { type ServerCounts, serverKey } from './counts.js';
import type {
  LinkView,
  ServerCountsView,
  ServicesView,
  ServiceView,
  TableRowView,
} from './views.js';

const counted = ['conns', 'in_packets', 'out_packets', 'in_bytes', 'out_bytes'] as const;

/** Counters at the time of `ipvsadm -Z`, by `serverKey`; later ones are shown as the difference. */
export type Baseline = ReadonlyMap<string, Named>;

/** A counter below its baseline was reset in between. */
const since = (now: number, before: number): number => (now >= before ? now - before : now);

const countsOf = (now: Named | undefined, before: Named | undefined): ServerCountsView => {
  const [conns = 0, inPackets = 0, outPackets = 0, inBytes = 0, outBytes = 0] = counted.map((n) =>
    since(now?.[n] ?? 0, before?.[n] ?? 0),
  );
  return {
    active: now?.['active'] ?? 0,
    inactive: now?.['inactive'] ?? 0,
    conns,
    inPackets,
    outPackets,
    inBytes,
    outBytes,
  };
};

/** What the rows of one answer are made from. */
export interface ServiceInputs {
  /** FILE:LINE of the services that the files have, by `serviceKey`. */
  readonly files: ReadonlyMap<string, string>;
  readonly counts: ServerCounts;
  readonly baseline: Baseline;
  /** null: sessions were not counted. */
  readonly use: LocalUse | null;
}

/** The prefix of the counter keys of a service's real servers. */
export const countersName = (s: ServiceEntry): string =>
  `${protocols[s.protocol]} ${s.address} ${s.port}`;

export const serviceView = (
  { files, counts, baseline, use }: ServiceInputs,
  s: ServiceEntry,
): ServiceView => {
  const key = (address: string, port: number): string =>
    serverKey(protocols[s.protocol], s.address, s.port, address, port);
  return {
    service: wordsOf(s),
    name: serviceName(s),
    key: countersName(s),
    file: files.get(serviceKey(s)) ?? null,
    scheduler: s.scheduler,
    schedulerPort: s.schedulerPort,
    expireQuiescent: s.expireQuiescent,
    onePacket: s.onePacket,
    quic: s.quic !== null,
    persistenceMs: s.persistenceMs,
    persistencePrefixLength: s.persistencePrefixLength,
    establishedTimeoutMs: s.establishedTimeoutMs,
    localAddresses: s.localAddresses.map((l) => ({
      ...l,
      sessions:
        use === null
          ? null
          : (use.get(useKey(protocols[s.protocol], s.address, s.port, l.address)) ?? 0),
    })),
    realServers: s.realServers.map((r) => {
      const k = key(r.address, r.port);
      const now = counts.of(k);
      const { upperThreshold = 0, lowerThreshold = 0 } = r;
      return {
        ...r,
        upperThreshold,
        lowerThreshold,
        full: isFull(r, now),
        ...countsOf(now, baseline.get(k)),
      };
    }),
  };
};

/** Sessions by service and local address. */
export type LocalUse = ReadonlyMap<string, number>;

const useKey = (protocol: number, vip: string, port: number, local: string): string =>
  `${protocol} ${vip} ${port} ${local}`;

/** Counts sessions, page by page. */
export const localUseOf = async (
  pages: AsyncIterable<readonly SessionRow[]>,
): Promise<LocalUse> => {
  const use = new Map<string, number>();
  for await (const page of pages)
    for (const s of page) {
      const key = useKey(s.proto, s.vip, s.vport, s.lip);
      use.set(key, (use.get(key) ?? 0) + 1);
    }
  return use;
};

/** The last snapshot that the data plane has acknowledged; before the first one, an empty one. */
export const ackedOf = ({ facts: { dataplane } }: State): Snapshot =>
  (dataplane.state === 'up' ? dataplane.acked?.snapshot : null) ?? emptySnapshot;

/** A ServicesView without its services. */
export const servicesHead = (state: State, version: string): Omit<ServicesView, 'services'> => {
  const { dataplane } = state.facts;
  const { params } = ackedOf(state);
  const seconds = (name: 'tcpEstablished' | 'tcpFinWait' | 'udpNormal'): number =>
    (params[name] ?? paramDefaults[name]) / 1000;
  return {
    version,
    generation: dataplane.state === 'up' ? (dataplane.acked?.generation ?? 0) : 0,
    timeouts: {
      tcp: seconds('tcpEstablished'),
      tcpFin: seconds('tcpFinWait'),
      udp: seconds('udpNormal'),
    },
  };
};

const isUnset = (a: string): boolean => a === '0.0.0.0' || a === '::';
const orNull = (a: string): string | null => (isUnset(a) ? null : a);

/** Local ports by address. A port serves once towards each real server, so what is left depends on the busiest one. */
export interface PortUse {
  readonly used: ReadonlyMap<string, number>;
  readonly free: (address: string) => number;
}

/** Counts sessions by their local address, page by page. */
export const portUseOf = async (
  pages: AsyncIterable<readonly SessionRow[]>,
  state: State,
): Promise<PortUse> => {
  const used = new Map<string, number>();
  const pairs = new Map<string, number>();
  const busiest = new Map<string, number>();
  for await (const page of pages)
    for (const s of page) {
      used.set(s.lip, (used.get(s.lip) ?? 0) + 1);
      const pair = `${s.lip} ${s.rs} ${s.rport}`;
      const n = (pairs.get(pair) ?? 0) + 1;
      pairs.set(pair, n);
      busiest.set(s.lip, Math.max(n, busiest.get(s.lip) ?? 0));
    }
  const { params } = ackedOf(state);
  const param = (name: 'localPortMin' | 'localPortMax'): number =>
    params[name] ?? paramDefaults[name];
  const ports = param('localPortMax') - param('localPortMin') + 1;
  return { used, free: (address) => Math.max(0, ports - (busiest.get(address) ?? 0)) };
};

export const tableRow =
  (kind: ListKind, use: PortUse | null) =>
  (r: ListRow): TableRowView => {
    const has = (flag: keyof typeof listFlags): boolean => (r.flags & listFlags[flag]) !== 0;
    return {
      device: r.dev,
      family: r.af === 6 ? 6 : 4,
      address: r.addr,
      prefixLength: r.plen,
      command: has('op'),
      kernel: has('kernel'),
      connected: has('connected'),
      leased: has('leased'),
      local: has('local'),
      mtu: r.mtu,
      metric: r.metric,
      gateway: orNull(r.gw),
      source: orNull(r.src),
      mac: kind === 'neighbours' ? r.mac : null,
      state: kind === 'neighbours' ? (neighbourStates[r.state] ?? String(r.state)) : null,
      ageMs: r.ageMs,
      localPortsUsed: use === null || !has('local') ? null : (use.used.get(r.addr) ?? 0),
      localPortsFree: use === null || !has('local') ? null : use.free(r.addr),
    };
  };

export const linkViews = (
  state: State,
  counters: Overview | null,
  macOf: (interfaceName: string) => string | null,
): readonly LinkView[] =>
  state.facts.config.dpvs.devices.map((d, i) => {
    const c = counters?.ports[d.name] ?? {};
    return {
      index: i + 1,
      name: d.name,
      kniName: d.kniName,
      mtu: d.mtu,
      rxQueues: d.rxQueues,
      txQueues: d.txQueues,
      promisc: d.promisc,
      up: (c['link_up'] ?? 0) > 0,
      mbps: c['link_mbps'] ?? 0,
      mac: macOf(d.kniName),
      counters: c,
    };
  });
