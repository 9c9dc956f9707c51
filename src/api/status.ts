/**
 * What `keelson status` shows beside the servers: whether the node serves, who is active and why, which VIP is announced
 * and why not.
 */

import { deviceOf, routerIdOf } from '../cluster/config-index.js';
import type { State } from '../cluster/machine.js';
import type { VrrpInstance } from '../config/keepalived/types.js';
import type { Overview, RealServerCounters } from '../dataplane/counters.js';
import { protocols } from '../dataplane/ops.js';
import { endpoint } from '../net/endpoint.js';
import type {
  ConfigurationView,
  JournalView,
  LeaseView,
  LeavingView,
  LoopView,
  ProcessView,
  ServingView,
  StatusView,
  SummaryView,
  VipView,
  VrrpView,
} from './views.js';

export interface StatusInputs {
  readonly state: State;
  readonly overview: Overview | null;
  readonly leaving: readonly RealServerCounters[];
  readonly summary: SummaryView;
  readonly runtime: StatusView['runtime'];
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
  readonly configuration: Pick<ConfigurationView, 'source' | 'refused' | 'notKept'>;
  /** Counters of the VRRP process, by `routerId`. */
  readonly vrrpCounters: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export const nothingMore: StatusMore = {
  processes: [],
  leases: [],
  journals: [],
  loop: { longestTurnMs: 0, at: null, over50Ms: 0 },
  configuration: { source: 'files', refused: null, notKept: null },
  vrrpCounters: new Map(),
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
  const id = routerIdOf(i);
  const fact = f.vrrp.get(id);
  return {
    name: i.name,
    interface: i.interface,
    vrid: i.vrid,
    family: id.endsWith(' inet6') ? 6 : 4,
    errors: errorsOf(more.vrrpCounters.get(id)),
    state: fact?.state ?? 'initialize',
    reason: fact?.reason ?? 'starting',
    since: iso(fact === undefined || fact.since === 0 ? startedAt : fact.since),
    priority: fact === undefined || fact.priority === 0 ? i.priority : fact.priority,
    activeAddress: fact?.activeAddress ?? null,
  };
};

const vipViews = (s: State, i: VrrpInstance): readonly VipView[] => {
  const id = routerIdOf(i);
  const fact = s.facts.vrrp.get(id);
  const serviceable = s.plan?.serviceable.get(id) ?? null;
  const announced = fact?.state === 'active' && fact.holds && s.facts.served.instances.has(id);
  const why = (): string => {
    if (announced) return `${i.name} is active`;
    if (serviceable !== null && !serviceable.ok) return serviceable.reason;
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

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocols).map(([name, n]) => [n, name]),
);

/** More are counted, not named. */
const mostLeaving = 100;

const leavingViews = (leaving: readonly RealServerCounters[]): readonly LeavingView[] =>
  leaving.slice(0, mostLeaving).map((r) => ({
    service: `${protocolNames.get(r.protocol) ?? r.protocol} ${endpoint(r.vip, r.vport)}`,
    realServer: endpoint(r.address, r.port),
    sessions: (r.counters['active'] ?? 0) + (r.counters['inactive'] ?? 0),
  }));

const overWorkers = (c: Overview | null, name: string): number =>
  (c?.workers ?? []).reduce((n, row) => n + (row[name] ?? 0), 0);

export const changedWorker = (c: Overview | null): number | null => {
  const received = overWorkers(c, 'rx_packets');
  return received === 0 ? null : overWorkers(c, 'handed_out') / received;
};

const noRoom = (c: Overview | null): StatusView['dataplane']['noRoom'] => ({
  sessionTable: overWorkers(c, 'drop.session-full'),
  localPorts: overWorkers(c, 'drop.lport-exhausted'),
  serversFull: overWorkers(c, 'drop.servers-full'),
});

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** One line that says whether the node does its work: it serves, it stands by, or what is in the way. */
export const servingOf = (
  dataplane: StatusView['dataplane'],
  vrrp: readonly VrrpView[],
  { virtualServers, realServers, out, quorumLost }: SummaryView,
): ServingView | null => {
  if (virtualServers === 0) return null;
  if (dataplane.state !== 'up')
    return { ok: false, text: `the data plane is not connected: ${dataplane.reason ?? ''}` };
  if (dataplane.generation === 0)
    return { ok: false, text: 'the data plane has not acknowledged a generation yet' };
  const active = vrrp.filter((v) => v.state === 'active').map((v) => v.name);
  if (vrrp.length > 0 && active.length === 0) {
    const [first] = vrrp;
    const standby = vrrp.every((v) => v.state === 'backup');
    const who = first?.activeAddress ?? null;
    return standby
      ? { ok: true, text: `standing by${who === null ? '' : `, ${who} is active`}` }
      : {
          ok: false,
          text: `no VRRP instance is active: ${first?.name} is ${first?.state}: ${first?.reason}`,
        };
  }
  if (realServers > 0 && out === realServers)
    return { ok: false, text: 'every real server is out of service' };
  const servers = `${realServers - out} of ${plural(realServers, 'real server')}`;
  const lost = quorumLost === 0 ? '' : `; ${plural(quorumLost, 'virtual server')} without quorum`;
  return {
    ok: true,
    text: `${plural(virtualServers, 'virtual server')}, ${servers} in service${lost}`,
  };
};

/** A StatusView without its virtual servers. */
export const statusHead = (x: StatusInputs): Omit<StatusView, 'virtualServers'> => {
  const { facts } = x.state;
  const d = facts.dataplane;
  const { keepalived } = facts.config;
  const dataplane: StatusView['dataplane'] = {
    state: d.state,
    reason: d.state === 'up' ? d.rejected : d.reason,
    pid: d.state === 'up' ? d.pid : null,
    generation: d.state === 'up' ? (d.acked?.generation ?? 0) : 0,
    workers: d.state === 'up' ? d.workers : 0,
    changedWorker: d.state === 'up' ? changedWorker(x.overview) : null,
    noRoom: noRoom(x.overview),
    leaseLeftMs: [...facts.vrrp.values()].some((v) => v.holds)
      ? (x.overview?.leaseLeftMs ?? 0)
      : null,
  };
  const vrrp = keepalived.vrrpInstances.map((i) => vrrpView(x, i));
  return {
    node: {
      routerId: keepalived.globalDefs.routerId,
      version: x.version,
      pid: x.pid,
      startedAt: x.iso(x.startedAt),
      configLoadedAt: x.iso(x.configLoadedAt),
      configError: x.configError,
    },
    serving: servingOf(dataplane, vrrp, x.summary),
    configuration: {
      ...x.more.configuration,
      loadedAt: x.iso(x.configLoadedAt),
      error: x.configError,
    },
    processes: x.more.processes,
    leases: x.more.leases,
    journals: x.more.journals,
    loop: x.more.loop,
    summary: x.summary,
    dataplane,
    vrrp,
    vips: keepalived.vrrpInstances.flatMap((i) => vipViews(x.state, i)),
    leaving: leavingViews(x.leaving),
    runtime: x.runtime,
  };
};
