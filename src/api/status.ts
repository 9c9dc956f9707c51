/** What `keelson status` shows, from the facts and the plan: who is active and why, which VIP is announced and why not, which server is out. */

import type { State } from '../cluster/machine.js';
import { virtualServerId } from '../cluster/names.js';
import { serviceName } from '../cluster/runtime/identity.js';
import { ownersOf } from '../cluster/runtime/owners.js';
import { endpoints, hasQuorum, realServerState } from '../cluster/services.js';
import { deviceOf } from '../cluster/vrrp-input.js';
import type { VirtualServer, VrrpInstance } from '../config/keepalived/types.js';
import type { Counters, RealServerCounters } from '../dataplane/counters.js';
import { type ServiceEntry, serviceKey } from '../dataplane/snapshot.js';
import { runtimeView } from './runtime.js';
import type { RealServerView, StatusView, VipView, VirtualServerView, VrrpView } from './views.js';

export interface StatusInputs {
  readonly state: State;
  readonly counters: Counters | null;
  readonly pid: number;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly configLoadedAt: number;
  readonly configError: string | null;
  /** Milliseconds since the epoch as ISO 8601. */
  readonly iso: (ms: number) => string;
}

const protocolNumbers: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
  SCTP: 132,
  ICMP: 1,
  ICMPV6: 58,
};

const vrrpView = (
  { state: { facts: f }, startedAt, iso }: StatusInputs,
  i: VrrpInstance,
): VrrpView => {
  const fact = f.vrrp.get(i.name);
  return {
    name: i.name,
    interface: i.interface,
    vrid: i.vrid,
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

const virtualServerViews = (
  { state: { facts: f }, startedAt, iso }: StatusInputs,
  v: VirtualServer,
  counters: CounterIndex,
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
      const proto = protocolNumbers[v.protocol] ?? 0;
      const c = counters.get(counterKey(proto, address, port, r.address, r.port))?.counters;
      return {
        address: r.address,
        port: r.port,
        weight: state.weight,
        up: state.up,
        since: iso(state.since ?? startedAt),
        reason: state.reason,
        activeSessions: c?.['active'] ?? 0,
        connections: c?.['conns'] ?? 0,
      };
    }),
  }));

export const changedWorker = (c: Counters | null): number | null => {
  const sum = (name: string): number =>
    (c?.workers ?? []).reduce((n, row) => n + (row[name] ?? 0), 0);
  const received = sum('rx_packets');
  return received === 0 ? null : sum('handed_out') / received;
};

const forwardingOf = (s: ServiceEntry): string =>
  [...new Set(s.realServers.map((r) => r.forwarding))].join(',') || '-';

/** Nothing checks what a command has set. */
const runtimeServerViews = (
  { state: { facts: f, plan }, startedAt, iso }: StatusInputs,
  counters: CounterIndex,
): readonly VirtualServerView[] => {
  const live = new Set((plan?.snapshot.services ?? []).map(serviceKey));
  const files = ownersOf(f.config).services;
  return f.runtime.services
    .filter((s) => live.has(serviceKey(s)) && !files.has(serviceKey(s)))
    .map((s) => ({
      address: s.match === null ? s.address : serviceName(s),
      port: s.port,
      protocol: s.protocol,
      scheduler: s.scheduler,
      forwarding: forwardingOf(s),
      quorumUp: true,
      reason: 'set by a command',
      origin: 'runtime' as const,
      realServers: s.realServers.map((r): RealServerView => {
        const proto = protocolNumbers[s.protocol] ?? 0;
        const c = counters.get(counterKey(proto, s.address, s.port, r.address, r.port))?.counters;
        return {
          address: r.address,
          port: r.port,
          weight: r.weight,
          up: true,
          since: iso(startedAt),
          reason: 'set by a command, has no check',
          activeSessions: c?.['active'] ?? 0,
          connections: c?.['conns'] ?? 0,
        };
      }),
    }));
};

export const statusView = (x: StatusInputs): StatusView => {
  const { facts, plan } = x.state;
  const d = facts.dataplane;
  const { keepalived } = facts.config;
  const counters = indexCounters(x.counters);
  return {
    node: {
      routerId: keepalived.globalDefs.routerId,
      version: x.version,
      pid: x.pid,
      startedAt: x.iso(x.startedAt),
      configLoadedAt: x.iso(x.configLoadedAt),
      configError: x.configError,
    },
    dataplane: {
      state: d.state,
      reason: d.state === 'up' ? d.rejected : d.reason,
      pid: d.state === 'up' ? d.pid : null,
      generation: d.state === 'up' ? (d.acked?.generation ?? 0) : 0,
      workers: d.state === 'up' ? d.workers : 0,
      changedWorker: d.state === 'up' ? changedWorker(x.counters) : null,
      leaseLeftMs: plan?.lease === true ? (x.counters?.leaseLeftMs ?? 0) : null,
    },
    vrrp: keepalived.vrrpInstances.map((i) => vrrpView(x, i)),
    vips: keepalived.vrrpInstances.flatMap((i) => vipViews(x.state, i)),
    virtualServers: [
      ...keepalived.virtualServers.flatMap((v) => virtualServerViews(x, v, counters)),
      ...runtimeServerViews(x, counters),
    ],
    runtime: runtimeView(x.state),
  };
};
