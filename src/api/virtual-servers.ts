/**
 * Virtual servers and their real servers as `keelson status` shows them: which server is out, why and since when. Rows
 * are made one at a time, because there may be a hundred thousand of them.
 */
import type { Facts } from '../cluster/facts.js';
import type { State } from '../cluster/machine.js';
import type { Plan } from '../cluster/plan.js';
import { serviceName } from '../cluster/runtime/identity.js';
import { ownersOf } from '../cluster/runtime/owners.js';
import { endpoints, hasQuorum, quorumReason, realServerState } from '../cluster/services.js';
import type { RealServer, VirtualServer } from '../config/keepalived/types.js';
import { isFull } from '../dataplane/counters.js';
import { paramDefaults } from '../dataplane/diff.js';
import { protocols } from '../dataplane/ops.js';
import { type RealServerEntry, type ServiceEntry, serviceKey } from '../dataplane/snapshot.js';
import { type ServerCounts, serverKey } from './counts.js';
import { nextTurn } from './stream.js';
import type { RealServerView, SummaryView, VirtualServerView } from './views.js';

const protocolNumbers: ReadonlyMap<string, number> = new Map(Object.entries(protocols));

const isIpv6 = (address: string): boolean => address.includes(':');

/** What the rows of one answer are made from. */
export interface RowInputs {
  readonly state: State;
  readonly counts: ServerCounts;
  /** Services of the plan, by `serviceKey`. */
  readonly services: ReadonlyMap<string, ServiceEntry>;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly iso: (ms: number) => string;
}

/** The service that a row belongs to, and what its servers have in common. */
interface Place {
  readonly protocol: string;
  readonly vip: string;
  readonly vport: number;
  readonly servers: ReadonlyMap<string, RealServerEntry>;
  /** Local ports towards one real server of each family; null: the service does not use any. */
  readonly localPorts: { readonly four: number; readonly six: number } | null;
}

const at = (r: { readonly address: string; readonly port: number }): string =>
  `${r.address} ${r.port}`;

/** Every port of every local address of a family. */
const localPortsOf = (plan: Plan | null, s: ServiceEntry): Place['localPorts'] => {
  if (!s.realServers.some((r) => r.forwarding === 'FNAT')) return null;
  const param = (name: 'localPortMin' | 'localPortMax'): number =>
    plan?.snapshot.params[name] ?? paramDefaults[name];
  const ports = param('localPortMax') - param('localPortMin') + 1;
  const six = s.localAddresses.filter((l) => isIpv6(l.address)).length;
  return { four: (s.localAddresses.length - six) * ports, six: six * ports };
};

const placeOf = (x: RowInputs, protocol: string, vip: string, vport: number): Place => {
  const service = x.services.get(`${protocol} ${vip} ${vport}`);
  return {
    protocol,
    vip,
    vport,
    servers: new Map((service?.realServers ?? []).map((r) => [at(r), r])),
    localPorts: service === undefined ? null : localPortsOf(x.state.plan, service),
  };
};

const keyIn = (p: Place, r: { readonly address: string; readonly port: number }): string =>
  serverKey(protocolNumbers.get(p.protocol) ?? 0, p.vip, p.vport, r.address, r.port);

type Counted = Pick<
  RealServerView,
  'activeSessions' | 'inactiveSessions' | 'connections' | 'localPorts' | 'limit' | 'full'
>;

const countedIn = (
  x: RowInputs,
  p: Place,
  r: { readonly address: string; readonly port: number },
): Counted => {
  const c = x.counts.of(keyIn(p, r));
  const activeSessions = c?.['active'] ?? 0;
  const inactiveSessions = c?.['inactive'] ?? 0;
  const entry = p.servers.get(at(r));
  const of = p.localPorts?.[isIpv6(r.address) ? 'six' : 'four'] ?? 0;
  return {
    activeSessions,
    inactiveSessions,
    connections: c?.['conns'] ?? 0,
    limit: entry?.upperThreshold ?? null,
    full: entry !== undefined && isFull(entry, c),
    localPorts: of > 0 ? { used: activeSessions + inactiveSessions, of } : null,
  };
};

const realServerView = (
  x: RowInputs,
  v: VirtualServer,
  p: Place,
  r: RealServer,
): RealServerView => {
  const state = realServerState(x.state.facts, v, r);
  return {
    address: r.address,
    port: r.port,
    weight: state.weight,
    up: state.up,
    since: x.iso(state.since ?? x.startedAt),
    reason: state.reason,
    draining: !state.up || state.weight === 0,
    ...countedIn(x, p, r),
  };
};

/** Once, or once for each entry of its group. */
export const fileRows = function* (x: RowInputs, v: VirtualServer): Generator<VirtualServerView> {
  const { facts } = x.state;
  for (const { address, port } of endpoints(facts.config, v)) {
    const place = placeOf(x, v.protocol, address, port);
    yield {
      address: v.target.kind === 'match' ? `match ${v.target.name}` : address,
      port,
      protocol: v.protocol,
      scheduler: v.scheduler,
      forwarding: v.forwarding,
      quorumUp: hasQuorum(facts, v),
      origin: 'file',
      reason: quorumReason(facts, v),
      realServers: v.realServers.map((r) => realServerView(x, v, place, r)),
    };
  }
};

const forwardingOf = (s: ServiceEntry): string =>
  [...new Set(s.realServers.map((r) => r.forwarding))].join(',') || '-';

/** Clients reach a service only where its address is; nothing else reports that it is nowhere. */
const nowhere = ({ config }: Facts, plan: Plan | null, s: ServiceEntry): string | null => {
  if (s.match !== null || plan === null) return null;
  const isHere = (a: { readonly address: string }): boolean => a.address === s.address;
  if (plan.snapshot.addresses.some(isHere) || config.keepalived.staticAddresses.some(isHere))
    return null;
  const length = isIpv6(s.address) ? 128 : 32;
  return `set by a command; ${s.address} is on no device: dpip addr add ${s.address}/${length} dev DEVICE`;
};

/** Nothing checks the servers that a command has set. */
const runtimeRow = (x: RowInputs, s: ServiceEntry): VirtualServerView => {
  const place = placeOf(x, s.protocol, s.address, s.port);
  return {
    address: s.match === null ? s.address : serviceName(s),
    port: s.port,
    protocol: s.protocol,
    scheduler: s.scheduler,
    forwarding: forwardingOf(s),
    quorumUp: true,
    reason: nowhere(x.state.facts, x.state.plan, s) ?? 'set by a command',
    origin: 'runtime',
    realServers: s.realServers.map((r) => ({
      address: r.address,
      port: r.port,
      weight: r.weight,
      up: true,
      since: x.iso(x.startedAt),
      reason: 'set by a command, has no check',
      draining: r.weight === 0,
      ...countedIn(x, place, r),
    })),
  };
};

/** Services set by commands that are in force. */
export const runtimeServices = (x: RowInputs): readonly ServiceEntry[] => {
  const { runtime, config } = x.state.facts;
  if (runtime.services.length === 0) return [];
  const files = ownersOf(config).services;
  return runtime.services.filter((s) => x.services.has(serviceKey(s)) && !files.has(serviceKey(s)));
};

export const runtimeRows = function* (
  x: RowInputs,
  services: readonly ServiceEntry[],
): Generator<VirtualServerView> {
  for (const s of services) yield runtimeRow(x, s);
};

/** A walk over all servers, without their counters. */
export interface Survey {
  readonly summary: Omit<SummaryView, 'full'>;
  /** Those with a server that is out, or without their quorum. */
  readonly wrong: ReadonlySet<VirtualServer>;
  /** Real servers with a threshold, by the key of their counters. */
  readonly limited: readonly { readonly key: string; readonly entry: RealServerEntry }[];
}

/** Real servers looked at in one turn of the event loop. */
const surveyedPerTurn = 512;

/** Calls `look` with each item; a new turn begins after so many real servers. */
const lookingAt = async <T>(items: Iterable<T>, look: (item: T) => number): Promise<void> => {
  let looked = 0;
  for (const item of items) {
    looked += 1 + look(item);
    if (looked < surveyedPerTurn) continue;
    looked = 0;
    await nextTurn();
  }
};

type Tally = { -readonly [K in keyof Survey['summary']]: number };

const statesOf = (
  facts: Facts,
  v: VirtualServer,
): { readonly out: number; readonly draining: number } => {
  let out = 0;
  let draining = 0;
  for (const r of v.realServers) {
    const state = realServerState(facts, v, r);
    if (!state.up) out += 1;
    else if (state.weight === 0) draining += 1;
  }
  return { out, draining };
};

const limitedOf = (s: ServiceEntry): Survey['limited'] =>
  s.realServers
    .filter((r) => r.upperThreshold !== undefined)
    .map((entry) => ({
      key: serverKey(
        protocolNumbers.get(s.protocol) ?? 0,
        s.address,
        s.port,
        entry.address,
        entry.port,
      ),
      entry,
    }));

export const survey = async (
  { facts }: State,
  services: ReadonlyMap<string, ServiceEntry>,
): Promise<Survey> => {
  const wrong = new Set<VirtualServer>();
  const n: Tally = { virtualServers: 0, realServers: 0, quorumLost: 0, out: 0, draining: 0 };
  await lookingAt(facts.config.keepalived.virtualServers, (v) => {
    const hasLost = !hasQuorum(facts, v);
    const { out, draining } = statesOf(facts, v);
    const places = endpoints(facts.config, v).length;
    n.virtualServers += places;
    n.realServers += places * v.realServers.length;
    n.out += places * out;
    n.draining += places * draining;
    if (hasLost) n.quorumLost += places;
    if (hasLost || out > 0) wrong.add(v);
    return v.realServers.length;
  });
  const runtime = new Set(facts.runtime.services.map(serviceKey));
  const limited: { key: string; entry: RealServerEntry }[] = [];
  await lookingAt(services, ([key, s]) => {
    if (runtime.has(key)) {
      n.virtualServers += 1;
      n.realServers += s.realServers.length;
      n.draining += s.realServers.filter((r) => r.weight === 0).length;
    }
    for (const l of limitedOf(s)) limited.push(l);
    return s.realServers.length;
  });
  return { summary: n, wrong, limited };
};

/** Real servers that take no new sessions because they have so many. */
export const countFull = async (s: Survey, counts: ServerCounts): Promise<number> => {
  let full = 0;
  await lookingAt(s.limited, ({ key, entry }) => {
    if (isFull(entry, counts.of(key))) full += 1;
    return 1;
  });
  return full;
};
