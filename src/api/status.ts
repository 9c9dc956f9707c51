/** What `keelson status` shows, from the facts and the plan: who is active and why, which VIP is announced and why not, which server is out. */

import type { Facts } from '../cluster/facts.js';
import type { State } from '../cluster/machine.js';
import { virtualServerId } from '../cluster/names.js';
import type { Plan } from '../cluster/plan.js';
import { serviceName } from '../cluster/runtime/identity.js';
import { ownersOf } from '../cluster/runtime/owners.js';
import { endpoints, hasQuorum, realServerState } from '../cluster/services.js';
import { deviceOf } from '../cluster/vrrp-input.js';
import type { VirtualServer, VrrpInstance } from '../config/keepalived/types.js';
import { type Counters, isFull, type RealServerCounters } from '../dataplane/counters.js';
import { paramDefaults } from '../dataplane/diff.js';
import { type ServiceEntry, serviceKey } from '../dataplane/snapshot.js';
import { endpoint } from '../net/endpoint.js';
import { runtimeView } from './runtime.js';
import type {
  ConfigurationView,
  JournalView,
  LeaseView,
  LeavingView,
  LoopView,
  ProcessView,
  RealServerView,
  StatusView,
  SummaryView,
  VipView,
  VirtualServerView,
  VrrpView,
} from './views.js';

export interface StatusInputs {
  readonly state: State;
  readonly counters: Counters | null;
  readonly pid: number;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly configLoadedAt: number;
  readonly configError: string | null;
  readonly more: StatusMore;
  /** Milliseconds since the epoch as ISO 8601. */
  readonly iso: (ms: number) => string;
}

/** What the controller process knows beside the machine. */
export interface StatusMore {
  readonly processes: readonly ProcessView[];
  readonly leases: readonly LeaseView[];
  readonly journals: readonly JournalView[];
  readonly loop: LoopView;
  readonly configuration: Pick<ConfigurationView, 'source' | 'refused'>;
  /** Counters of the VRRP process, by instance name. */
  readonly vrrpCounters: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export const nothingMore: StatusMore = {
  processes: [],
  leases: [],
  journals: [],
  loop: { longestTurnMs: 0, at: null, over50Ms: 0 },
  configuration: { source: 'files', refused: null },
  vrrpCounters: new Map(),
};

const protocolNumbers: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
  SCTP: 132,
  ICMP: 1,
  ICMPV6: 58,
};

/** Counters of things that are not errors. */
const normal = new Set([
  'advertsReceived',
  'advertsSent',
  'becameActive',
  'releasedActive',
  'priorityZeroReceived',
  'priorityZeroSent',
]);

const errorsOf = (
  counters: Readonly<Record<string, number>> | undefined,
): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(counters ?? {}).filter(([k, n]) => n > 0 && !normal.has(k)));

const vrrpView = (
  { state: { facts: f }, startedAt, iso, more }: StatusInputs,
  i: VrrpInstance,
): VrrpView => {
  const fact = f.vrrp.get(i.name);
  return {
    name: i.name,
    interface: i.interface,
    vrid: i.vrid,
    family: 4,
    errors: errorsOf(more.vrrpCounters.get(i.name)),
    state: fact?.state ?? 'initialize',
    reason: fact?.reason ?? 'starting',
    since: iso(fact === undefined || fact.since === 0 ? startedAt : fact.since),
    priority: fact === undefined || fact.priority === 0 ? i.priority : fact.priority,
    activeAddress: fact?.activeAddress ?? null,
  };
};

const vipViews = (s: State, i: VrrpInstance): readonly VipView[] => {
  const fact = s.facts.vrrp.get(i.name);
  const serviceable = s.plan?.serviceable.get(i.name);
  const announced = s.plan?.taken.has(i.name) === true && fact?.state === 'active';
  const why = (): string => {
    if (announced) return `${i.name} is active`;
    if (serviceable !== undefined && !serviceable.ok) return serviceable.reason;
    if (fact?.state === 'active') return 'the data plane has not acknowledged it yet';
    return `${i.name} is ${fact?.state ?? 'starting'}: ${fact?.reason ?? ''}`;
  };
  return [...i.virtualAddresses, ...i.excludedAddresses].map((a) => ({
    address: `${a.address}/${a.prefixLength}`,
    device: a.dev ?? deviceOf(s.facts.config, i) ?? '-',
    instance: i.name,
    announced,
    reason: why(),
  }));
};

type CounterIndex = ReadonlyMap<string, RealServerCounters>;

const counterKey = (
  protocol: number,
  vip: string,
  vport: number,
  rs: string,
  port: number,
): string => `${protocol} ${vip} ${vport} ${rs} ${port}`;

const indexCounters = (c: Counters | null): CounterIndex =>
  new Map(
    (c?.realServers ?? []).map((r) => [
      counterKey(r.protocol, r.vip, r.vport, r.address, r.port),
      r,
    ]),
  );

/** What a row is made of beside the facts. */
interface Live {
  readonly counters: CounterIndex;
  readonly plan: Plan | null;
  readonly services: ReadonlyMap<string, ServiceEntry>;
}

const liveOf = (x: StatusInputs): Live => {
  const { plan } = x.state;
  return {
    counters: indexCounters(x.counters),
    plan,
    services: new Map((plan?.snapshot.services ?? []).map((s) => [serviceKey(s), s])),
  };
};

interface Server {
  readonly protocol: string;
  readonly vip: string;
  readonly vport: number;
  readonly address: string;
  readonly port: number;
}

/** How many local ports FNAT has towards one real server: every port of every local address of its family. */
const localPortsOf = (plan: Plan | null, s: ServiceEntry | undefined, server: string): number => {
  const six = server.includes(':');
  const addresses = s?.localAddresses.filter((l) => l.address.includes(':') === six).length ?? 0;
  const param = (name: 'localPortMin' | 'localPortMax'): number =>
    plan?.snapshot.params[name] ?? paramDefaults[name];
  return addresses * (param('localPortMax') - param('localPortMin') + 1);
};

const sessionsOf = (
  live: Live,
  r: Server,
): Pick<
  RealServerView,
  'activeSessions' | 'inactiveSessions' | 'connections' | 'localPorts' | 'limit' | 'full'
> => {
  const key = counterKey(protocolNumbers[r.protocol] ?? 0, r.vip, r.vport, r.address, r.port);
  const service = live.services.get(`${r.protocol} ${r.vip} ${r.vport}`);
  const c = live.counters.get(key)?.counters;
  const activeSessions = c?.['active'] ?? 0;
  const inactiveSessions = c?.['inactive'] ?? 0;
  const of = localPortsOf(live.plan, service, r.address);
  const entry = service?.realServers.find((x) => x.address === r.address && x.port === r.port);
  const fnat = service?.realServers.some((x) => x.forwarding === 'FNAT') === true && of > 0;
  return {
    activeSessions,
    inactiveSessions,
    connections: c?.['conns'] ?? 0,
    limit: entry?.upperThreshold ?? null,
    full: entry !== undefined && isFull(entry, c),
    localPorts: fnat ? { used: activeSessions + inactiveSessions, of } : null,
  };
};

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocolNumbers).map(([name, n]) => [n, name]),
);

const leavingViews = (c: Counters | null): readonly LeavingView[] =>
  (c?.leaving ?? []).map((r) => ({
    service: `${protocolNames.get(r.protocol) ?? r.protocol} ${endpoint(r.vip, r.vport)}`,
    realServer: endpoint(r.address, r.port),
    sessions: (r.counters['active'] ?? 0) + (r.counters['inactive'] ?? 0),
  }));

const virtualServerViews = (
  { state: { facts: f }, startedAt, iso }: StatusInputs,
  v: VirtualServer,
  live: Live,
): readonly VirtualServerView[] =>
  endpoints(f.config, v).map(({ address, port }) => ({
    address: v.target.kind === 'match' ? `match ${v.target.name}` : address,
    port,
    protocol: v.protocol,
    scheduler: v.scheduler,
    forwarding: v.forwarding,
    quorumUp: hasQuorum(f, v),
    origin: 'file' as const,
    reason: f.quorums.get(virtualServerId(v))?.reason ?? '',
    realServers: v.realServers.map((r): RealServerView => {
      const state = realServerState(f, v, r);
      return {
        address: r.address,
        port: r.port,
        weight: state.weight,
        up: state.up,
        since: iso(state.since ?? startedAt),
        reason: state.reason,
        draining: !state.up || state.weight === 0,
        ...sessionsOf(live, {
          ...r,
          protocol: v.protocol,
          vip: address,
          vport: port,
        }),
      };
    }),
  }));

const overWorkers = (c: Counters | null, name: string): number =>
  (c?.workers ?? []).reduce((n, row) => n + (row[name] ?? 0), 0);

export const changedWorker = (c: Counters | null): number | null => {
  const received = overWorkers(c, 'rx_packets');
  return received === 0 ? null : overWorkers(c, 'handed_out') / received;
};

const noRoom = (c: Counters | null): StatusView['dataplane']['noRoom'] => ({
  sessionTable: overWorkers(c, 'drop.session-full'),
  localPorts: overWorkers(c, 'drop.lport-exhausted'),
  serversFull: overWorkers(c, 'drop.servers-full'),
});

const forwardingOf = (s: ServiceEntry): string =>
  [...new Set(s.realServers.map((r) => r.forwarding))].join(',') || '-';

/** A service is reached where its address is; nothing says so when that is nowhere. */
const nowhere = ({ config }: Facts, plan: Plan | null, s: ServiceEntry): string | null => {
  if (s.match !== null || plan === null) return null;
  const held = [...plan.snapshot.addresses, ...config.keepalived.staticAddresses];
  return held.some((a) => a.address === s.address)
    ? null
    : `set by a command; ${s.address} is on no device: dpip addr add ${s.address}/${s.address.includes(':') ? 128 : 32} dev DEVICE`;
};

/** Nothing checks what a command has set. */
const runtimeServerViews = (
  { state: { facts: f }, startedAt, iso }: StatusInputs,
  live: Live,
): readonly VirtualServerView[] => {
  const files = ownersOf(f.config).services;
  return f.runtime.services
    .filter((s) => live.services.has(serviceKey(s)) && !files.has(serviceKey(s)))
    .map((s) => ({
      address: s.match === null ? s.address : serviceName(s),
      port: s.port,
      protocol: s.protocol,
      scheduler: s.scheduler,
      forwarding: forwardingOf(s),
      quorumUp: true,
      reason: nowhere(f, live.plan, s) ?? 'set by a command',
      origin: 'runtime' as const,
      realServers: s.realServers.map((r): RealServerView => {
        return {
          address: r.address,
          port: r.port,
          weight: r.weight,
          up: true,
          since: iso(startedAt),
          reason: 'set by a command, has no check',
          draining: r.weight === 0,
          ...sessionsOf(live, {
            ...r,
            protocol: s.protocol,
            vip: s.address,
            vport: s.port,
          }),
        };
      }),
    }));
};

const summaryOf = (all: readonly VirtualServerView[]): SummaryView => {
  const servers = all.flatMap((v) => v.realServers);
  return {
    virtualServers: all.length,
    realServers: servers.length,
    quorumLost: all.filter((v) => !v.quorumUp).length,
    out: servers.filter((r) => !r.up).length,
    draining: servers.filter((r) => r.up && r.draining).length,
    full: servers.filter((r) => r.full).length,
  };
};

export const statusView = (x: StatusInputs): StatusView => {
  const { facts, plan } = x.state;
  const d = facts.dataplane;
  const { keepalived } = facts.config;
  const live = liveOf(x);
  const virtualServers = [
    ...keepalived.virtualServers.flatMap((v) => virtualServerViews(x, v, live)),
    ...runtimeServerViews(x, live),
  ];
  return {
    node: {
      routerId: keepalived.globalDefs.routerId,
      version: x.version,
      pid: x.pid,
      startedAt: x.iso(x.startedAt),
      configLoadedAt: x.iso(x.configLoadedAt),
      configError: x.configError,
    },
    serving: null,
    configuration: {
      ...x.more.configuration,
      loadedAt: x.iso(x.configLoadedAt),
      error: x.configError,
    },
    processes: x.more.processes,
    leases: x.more.leases,
    journals: x.more.journals,
    loop: x.more.loop,
    summary: summaryOf(virtualServers),
    dataplane: {
      state: d.state,
      reason: d.state === 'up' ? d.rejected : d.reason,
      pid: d.state === 'up' ? d.pid : null,
      generation: d.state === 'up' ? (d.acked?.generation ?? 0) : 0,
      workers: d.state === 'up' ? d.workers : 0,
      changedWorker: d.state === 'up' ? changedWorker(x.counters) : null,
      noRoom: noRoom(x.counters),
      leaseLeftMs: plan?.lease === true ? (x.counters?.leaseLeftMs ?? 0) : null,
    },
    vrrp: keepalived.vrrpInstances.map((i) => vrrpView(x, i)),
    vips: keepalived.vrrpInstances.flatMap((i) => vipViews(x.state, i)),
    leaving: leavingViews(x.counters),
    runtime: runtimeView(x.state),
    virtualServers,
  };
};
