/** What ipvsadm and dpip show: services with their counters, tables of layer 3, links. Pure over the facts, the counters and what the data plane listed. */
import type { State } from '../cluster/machine.js';
import { commandsOf, wordsOf } from '../cluster/runtime/commands.js';
import { serviceName } from '../cluster/runtime/identity.js';
import { shadowedIn } from '../cluster/runtime/merge.js';
import { ownersOf } from '../cluster/runtime/owners.js';
import {
  type ListKind,
  type ListRow,
  listFlags,
  neighbourStates,
  type SessionRow,
} from '../dataplane/codec.js';
import { type Counters, isFull, type Named } from '../dataplane/counters.js';
import { paramDefaults } from '../dataplane/diff.js';
import { protocols } from '../dataplane/ops.js';
import { emptySnapshot, type ServiceEntry, serviceKey } from '../dataplane/snapshot.js';
import type {
  LinkView,
  RuntimeView,
  ServerCountsView,
  ServicesView,
  ServiceView,
  TableRowView,
} from './views.js';

const counted = ['conns', 'in_packets', 'out_packets', 'in_bytes', 'out_bytes'] as const;

export type Baseline = ReadonlyMap<string, Named>;

export const countersKey = (r: Counters['realServers'][number]): string =>
  `${r.protocol} ${r.vip} ${r.vport} ${r.address} ${r.port}`;

/** The counters of this moment as what later ones are compared with (`ipvsadm -Z`). */
export const baselineOf = (c: Counters, wanted: (key: string) => boolean): Baseline =>
  new Map(
    c.realServers.map((r) => [countersKey(r), r.counters] as const).filter(([k]) => wanted(k)),
  );

/** A counter below its baseline has begun anew since. */
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

const serviceView = (
  s: ServiceEntry,
  file: string | null,
  counters: ReadonlyMap<string, Named>,
  baseline: Baseline,
  use: LocalUse | null,
): ServiceView => {
  const key = (address: string, port: number): string =>
    `${protocols[s.protocol]} ${s.address} ${s.port} ${address} ${port}`;
  return {
    service: wordsOf(s),
    name: serviceName(s),
    key: `${protocols[s.protocol]} ${s.address} ${s.port}`,
    file,
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
      const { upperThreshold = 0, lowerThreshold = 0 } = r;
      return {
        ...r,
        upperThreshold,
        lowerThreshold,
        full: isFull(r, counters.get(k)),
        ...countsOf(counters.get(k), baseline.get(k)),
      };
    }),
  };
};

/** Sessions by service and local address. */
export type LocalUse = ReadonlyMap<string, number>;

const useKey = (protocol: number, vip: string, port: number, local: string): string =>
  `${protocol} ${vip} ${port} ${local}`;

export const localUseOf = (sessions: readonly SessionRow[]): LocalUse => {
  const use = new Map<string, number>();
  for (const s of sessions) {
    const key = useKey(s.proto, s.vip, s.vport, s.lip);
    use.set(key, (use.get(key) ?? 0) + 1);
  }
  return use;
};

/** What the data plane has acknowledged; before that nothing. */
export const servicesView = (
  state: State,
  counters: Counters | null,
  baseline: Baseline,
  version: string,
  use: LocalUse | null,
): ServicesView => {
  const { dataplane, config } = state.facts;
  const acked = dataplane.state === 'up' ? dataplane.acked : null;
  const snapshot = acked?.snapshot ?? emptySnapshot;
  const owners = ownersOf(config).services;
  const index = new Map((counters?.realServers ?? []).map((r) => [countersKey(r), r.counters]));
  const seconds = (name: 'tcpEstablished' | 'tcpFinWait' | 'udpNormal'): number =>
    (snapshot.params[name] ?? paramDefaults[name]) / 1000;
  return {
    version,
    generation: acked?.generation ?? 0,
    timeouts: {
      tcp: seconds('tcpEstablished'),
      tcpFin: seconds('tcpFinWait'),
      udp: seconds('udpNormal'),
    },
    services: snapshot.services.map((s) =>
      serviceView(s, owners.get(serviceKey(s)) ?? null, index, baseline, use),
    ),
  };
};

export const runtimeView = (state: State): RuntimeView => ({
  commands: commandsOf(state.facts.runtime),
  shadowed: shadowedIn(state.facts.config, state.facts.runtime),
});

const isUnset = (a: string): boolean => a === '0.0.0.0' || a === '::';
const orNull = (a: string): string | null => (isUnset(a) ? null : a);

/** Sessions by their local address: how many of its ports are in use. */
export const localUse = (sessions: readonly SessionRow[]): ReadonlyMap<string, number> => {
  const use = new Map<string, number>();
  for (const s of sessions) use.set(s.lip, (use.get(s.lip) ?? 0) + 1);
  return use;
};

export const tableRow =
  (kind: ListKind, use: ReadonlyMap<string, number> | null) =>
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
      localPortsUsed: use === null || !has('local') ? null : (use.get(r.addr) ?? 0),
    };
  };

export const linkViews = (
  state: State,
  counters: Counters | null,
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
