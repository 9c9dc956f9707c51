/**
 * Everything the controller knows, and how each input updates it. The plan is a function of this
 * value alone (plan.ts), so two nodes with the same facts do the same.
 *
 * A fact is a level: the newest report about one thing. It is kept under the identity of the thing
 * (`interface vrid family`, the id of a virtual server) and retired when the configuration no longer
 * has it, so a name that is used again inherits nothing. A lost connection retires nothing.
 */
import type { Config } from '../config/config.js';
import type { Snapshot } from '../dataplane/snapshot.js';
import type { FromHealthcheck } from '../healthcheck/messages.js';
import { type Millis, unreachable } from '../kernel/machine.js';
import {
  emptyMap,
  entriesOf,
  getIn,
  type PersistentMap,
  withAll,
} from '../kernel/persistent-map.js';
import type { RouterId } from '../vrrp/identity.js';
import type { FromVrrp, InstanceState } from '../vrrp/messages.js';
import {
  type ConfigIndex,
  type IndexedServer,
  type IndexedVirtualServer,
  indexOf,
} from './config-index.js';
import { realServerName } from './names.js';
import { emptyRuntime, type Runtime } from './runtime/types.js';

/** Milliseconds since the epoch: for people to read, never compared with a deadline. */
export type WallMs = number;

export type VrrpFact = Omit<InstanceState, 'id' | 'previous'>;

export interface RealServerFact {
  readonly up: boolean;
  /** What the checkers add to the configured weight. */
  readonly delta: number;
  readonly reason: string;
  /** 0: since the controller started. */
  readonly since: WallMs;
}

export interface QuorumFact {
  readonly up: boolean;
  readonly reason: string;
  readonly since: WallMs;
}

/** What was reported of one virtual server. */
export interface HealthFact {
  /** null: no report yet. */
  readonly quorum: QuorumFact | null;
  /** By `realServerName`. */
  readonly servers: ReadonlyMap<string, RealServerFact>;
}

/** A process the controller is connected to, or not. */
export interface PeerFact {
  readonly connected: boolean;
  readonly since: WallMs;
  /** Why there is no connection. */
  readonly reason: string;
  /** Newest revision that it reported as configured; 0: none on this connection. */
  readonly configured: number;
}

export interface Acked {
  readonly generation: number;
  readonly snapshot: Snapshot;
}

export type DataplaneFact =
  | { readonly state: 'connecting'; readonly reason: string }
  | {
      readonly state: 'up';
      readonly pid: number;
      readonly workers: number;
      /** Generation that it held when it was connected; 0: none. */
      readonly found: number;
      /** Last generation it acknowledged on this connection; null: none yet. */
      readonly acked: Acked | null;
      /** Why the newest desired generation was refused; null: it was not. */
      readonly rejected: string | null;
    };

/** Instances that an acknowledged generation of one data plane has served. */
export interface Served {
  /** Of the data plane that was connected last; null: none was yet. */
  readonly bootId: string | null;
  readonly generation: number;
  readonly instances: ReadonlySet<RouterId>;
}

/** What the operator wants: the configuration and what commands set beside it. */
export interface Wanted {
  readonly config: Config;
  readonly runtime: Runtime;
}

/** A snapshot the data plane was asked for, and from what it was made. */
export interface Asked extends Wanted {
  readonly digest: string;
  readonly snapshot: Snapshot;
}

export interface Facts extends Wanted {
  readonly vrrp: ReadonlyMap<RouterId, VrrpFact>;
  /** By virtual server id. */
  readonly health: PersistentMap<HealthFact>;
  /** `health` with the pages of a set that is not complete, so that a set is planned once. */
  readonly incoming: PersistentMap<HealthFact> | null;
  readonly peers: { readonly vrrp: PeerFact; readonly healthcheck: PeerFact };
  readonly dataplane: DataplaneFact;
  readonly served: Served;
  /** The data plane was asked once what it held: later data planes hold what we gave them. */
  readonly adopted: boolean;
  /** Newest last; enough to know what an acknowledgement or a refusal is about. */
  readonly asked: readonly Asked[];
  /** Last acknowledged; null: none yet. */
  readonly accepted: Wanted | null;
  /** A configuration or commands that the data plane refused and that were taken back. */
  readonly refused: string | null;
}

/** A real server that the data plane holds, under the endpoint of its service. */
export interface HeldServer {
  /** `realServerName` of the endpoint: a group has several, a `match` the address made for it. */
  readonly service: string;
  readonly server: string;
  readonly weight: number;
}

export type Peer = keyof Facts['peers'];

export type Input =
  | { readonly type: 'config'; readonly config: Config }
  | { readonly type: 'runtime'; readonly runtime: Runtime }
  | { readonly type: 'vrrp'; readonly message: FromVrrp }
  | { readonly type: 'healthcheck'; readonly message: FromHealthcheck }
  | { readonly type: 'connected'; readonly peer: Peer; readonly at: WallMs }
  | {
      readonly type: 'disconnected';
      readonly peer: Peer;
      readonly reason: string;
      readonly at: WallMs;
    }
  | {
      readonly type: 'dataplaneUp';
      readonly pid: number;
      readonly workers: number;
      readonly bootId: string;
      /** 0: it holds nothing. */
      readonly generation: number;
      /** Real servers that it holds; null: nothing is known. */
      readonly adopted: readonly HeldServer[] | null;
    }
  | { readonly type: 'dataplaneAcked'; readonly generation: number; readonly digest: string }
  | { readonly type: 'dataplaneRejected'; readonly reason: string; readonly digest: string }
  | { readonly type: 'dataplaneLost'; readonly reason: string };

const notYet: PeerFact = { connected: false, since: 0, reason: 'not connected yet', configured: 0 };

export const initialFacts = (config: Config): Facts => ({
  config,
  runtime: emptyRuntime,
  vrrp: new Map(),
  health: emptyMap,
  incoming: null,
  peers: { vrrp: notYet, healthcheck: notYet },
  dataplane: { state: 'connecting', reason: 'not connected yet' },
  served: { bootId: null, generation: 0, instances: new Set() },
  adopted: false,
  asked: [],
  accepted: null,
  refused: null,
});

/**
 * The configuration that vrrp, the checks and the kernel have: the newest one only when the data plane
 * has acknowledged it, so that one that is refused has done nothing anywhere.
 */
export const settledConfig = ({ config, accepted }: Pick<Facts, 'config' | 'accepted'>): Config =>
  accepted === null ? config : accepted.config;

/** Of what may be reported: the newest configuration, and the one that is in force until then. */
const indexesOf = (f: Facts): readonly ConfigIndex[] =>
  [...new Set([f.config, settledConfig(f)])].map(indexOf);

const hasServer = (indexes: readonly ConfigIndex[], vs: string, rs: string): boolean =>
  indexes.some((i) => i.virtualServer.get(vs)?.names.has(rs) === true);

const hasRouter = (indexes: readonly ConfigIndex[], id: RouterId): boolean =>
  indexes.some((i) => i.routers.has(id));

/** Retires the routers that neither the newest configuration nor the one in force has. */
const retireRouters = (f: Facts): Facts => {
  const indexes = indexesOf(f);
  const instances = [...f.served.instances].filter((id) => hasRouter(indexes, id));
  return {
    ...f,
    vrrp: new Map([...f.vrrp].filter(([id]) => hasRouter(indexes, id))),
    served: { ...f.served, instances: new Set(instances) },
  };
};

const noHealth: HealthFact = { quorum: null, servers: new Map() };

// ---- reports of the peers

const withPeer = (f: Facts, peer: Peer, fact: PeerFact): Facts => ({
  ...f,
  peers: { ...f.peers, [peer]: fact },
});

const withConfigured = (f: Facts, peer: Peer, revision: number): Facts =>
  withPeer(f, peer, { ...f.peers[peer], configured: revision });

const learnVrrp = (f: Facts, m: FromVrrp): Facts => {
  if (m.type === 'configured') return withConfigured(f, 'vrrp', m.revision);
  if (m.type !== 'states') return f;
  const indexes = indexesOf(f);
  const vrrp = new Map(m.whole ? [] : f.vrrp);
  for (const { id, previous: _, ...fact } of m.instances)
    if (hasRouter(indexes, id)) vrrp.set(id, fact);
  return { ...f, vrrp };
};

type HealthStates = Extract<FromHealthcheck, { type: 'states' }>;

/**
 * Reports win over what is known. A whole report retires nothing: a process that was restarted knows
 * nothing, and then it is briefed with what is known here (a dead server stays out).
 */
const learnStates = (f: Facts, m: HealthStates): Facts => {
  const indexes = indexesOf(f);
  const before = f.incoming ?? f.health;
  const fresh = new Map<
    string,
    { quorum: QuorumFact | null; servers: Map<string, RealServerFact> }
  >();
  const draft = (vs: string) => {
    const known = fresh.get(vs);
    if (known !== undefined) return known;
    const { quorum, servers } = getIn(before, vs) ?? noHealth;
    const made = { quorum, servers: new Map(servers) };
    fresh.set(vs, made);
    return made;
  };
  for (const { vs, rs, ...fact } of m.realServers)
    if (hasServer(indexes, vs, rs)) draft(vs).servers.set(rs, fact);
  for (const { vs, quorumUp: up, reason, since } of m.virtualServers)
    if (indexes.some((i) => i.virtualServer.has(vs))) draft(vs).quorum = { up, reason, since };
  const after = withAll(before, fresh);
  if (m.more) return { ...f, incoming: after };
  return after === f.health && f.incoming === null ? f : { ...f, health: after, incoming: null };
};

const learnHealth = (f: Facts, m: FromHealthcheck): Facts => {
  if (m.type === 'configured') return withConfigured(f, 'healthcheck', m.revision);
  return m.type === 'states' ? learnStates(f, m) : f;
};

// ---- the configuration

const namesIn = (wanted: Wanted | null, vs: string): ReadonlySet<string> =>
  (wanted === null ? undefined : indexOf(wanted.config).virtualServer.get(vs)?.names) ?? new Set();

/**
 * Retires the health of what neither the configuration nor `kept` has: what was accepted last may
 * have to come back with what is known of it.
 */
const retireHealth = (f: Facts, config: Config, kept: Wanted | null): Facts => {
  const { virtualServer } = indexOf(config);
  const retired: (readonly [string, HealthFact | undefined])[] = [];
  for (const [id, fact] of entriesOf(f.health)) {
    const own = virtualServer.get(id)?.names ?? new Set();
    const others = namesIn(kept, id);
    const servers = [...fact.servers].filter(([rs]) => own.has(rs) || others.has(rs));
    const isKnown = virtualServer.has(id) || others.size > 0;
    if (!isKnown) retired.push([id, undefined]);
    else if (servers.length < fact.servers.size)
      retired.push([id, { ...fact, servers: new Map(servers) }]);
  }
  return { ...f, health: withAll(f.health, retired) };
};

/** What came of a set counts, though the rest of it is missing. */
const withIncoming = (f: Facts): Facts =>
  f.incoming === null ? f : { ...f, health: f.incoming, incoming: null };

const withConfig = (before: Facts, config: Config): Facts => {
  if (config === before.config) return before;
  const f = withIncoming(before);
  return retireRouters({ ...retireHealth(f, config, f.accepted), config });
};

// ---- the data plane

const adoptedReason = 'as before the restart, not checked yet';

/** By the endpoint of a service: its real servers and their weights. */
type HeldServices = ReadonlyMap<string, ReadonlyMap<string, number>>;

const heldByService = (held: readonly HeldServer[]): HeldServices => {
  const services = new Map<string, Map<string, number>>();
  for (const { service, server, weight } of held) {
    const known = services.get(service);
    if (known === undefined) services.set(service, new Map([[server, weight]]));
    else known.set(server, weight);
  }
  return services;
};

/** What the data plane holds of one virtual server, over all its endpoints. */
const heldOf = (held: HeldServices, x: IndexedVirtualServer): ReadonlyMap<string, number> =>
  new Map(
    x.endpoints.flatMap(({ address, port }) => [
      ...(held.get(realServerName(address, port, x.v.protocol)) ?? []),
    ]),
  );

/** Weight 0 is a server that drains, or one that inhibit_on_failure keeps though it is down. */
const adoptedServer = ({ server }: IndexedServer, weight: number | undefined): RealServerFact => {
  const isOut = weight === undefined || (weight === 0 && server.inhibitOnFailure);
  const isUp = !isOut || (weight === 0 && server.weight === 0);
  const delta = isUp && weight === 0 ? -server.weight : 0;
  return { up: isUp, delta, reason: adoptedReason, since: 0 };
};

/** The sorry server in the place of the servers: the quorum was lost. */
const adoptedQuorum = (
  x: IndexedVirtualServer,
  held: ReadonlyMap<string, number>,
): QuorumFact | null => {
  const { sorryServer: sorry, protocol } = x.v;
  if (sorry === null) return null;
  const name = realServerName(sorry.address, sorry.port, protocol);
  return held.has(name) && !x.names.has(name)
    ? { up: false, reason: adoptedReason, since: 0 }
    : null;
};

/**
 * What an earlier controller left in the data plane becomes the first fact of the servers that are
 * configured now and of which nothing was reported. Only once: a server that is configured later
 * starts as keepalived starts it.
 */
const adopt = (f: Facts, all: HeldServices): Facts => {
  const entries = [...indexOf(f.config).virtualServer].flatMap(([id, x]) => {
    const held = heldOf(all, x);
    const known = getIn(f.health, id) ?? noHealth;
    const servers = new Map(known.servers);
    for (const s of x.servers)
      if (s.server.checkers.length > 0 && !servers.has(s.name))
        servers.set(s.name, adoptedServer(s, held.get(s.name)));
    const quorum = known.quorum ?? adoptedQuorum(x, held);
    return servers.size === known.servers.size && quorum === known.quorum
      ? []
      : [[id, { quorum, servers }] as const];
  });
  return { ...f, health: withAll(f.health, entries) };
};

const dataplaneUp = (f: Facts, i: Extract<Input, { type: 'dataplaneUp' }>): Facts => {
  const { pid, workers, bootId, generation: found } = i;
  const next: Facts = {
    ...f,
    adopted: true,
    dataplane: { state: 'up', pid, workers, found, acked: null, rejected: null },
    served: f.served.bootId === bootId ? f.served : { bootId, generation: 0, instances: new Set() },
  };
  return f.adopted || i.adopted === null
    ? next
    : adopt(withIncoming(next), heldByService(i.adopted));
};

const isSame = (a: Wanted, b: Wanted): boolean => a.config === b.config && a.runtime === b.runtime;

/**
 * A snapshot that was asked for is in force. Every generation has the VIPs and the services of all
 * instances of its configuration.
 */
export const inForce = (f: Facts, generation: number, digest: string): Facts => {
  if (f.dataplane.state !== 'up') return f;
  const at = f.asked.findLastIndex((a) => a.digest === digest);
  const asked = f.asked[at];
  if (asked === undefined) return f;
  const { snapshot, config, runtime } = asked;
  const instances = new Set([...f.served.instances, ...indexOf(config).routers.keys()]);
  const isOld = f.accepted !== null && isSame(f.accepted, asked);
  return retireRouters({
    ...(isOld ? f : retireHealth(f, f.config, asked)),
    dataplane: { ...f.dataplane, acked: { generation, snapshot }, rejected: null },
    served: { ...f.served, generation, instances },
    asked: f.asked.slice(at),
    accepted: isOld ? f.accepted : { config, runtime },
  });
};

/**
 * One refused object must not freeze what comes after it (a dead server leaving): the configuration
 * and the commands go back to what was accepted last, with the health of now. What was asked for since
 * then is not what was refused, and has its own answer.
 */
const dataplaneRejected = (f: Facts, reason: string, digest: string): Facts => {
  if (f.dataplane.state !== 'up') return f;
  const asked = f.asked.findLast((a) => a.digest === digest);
  const isNewest = asked === undefined || asked === f.asked.at(-1);
  const rejected = isNewest ? reason : f.dataplane.rejected;
  const next: Facts = { ...f, dataplane: { ...f.dataplane, rejected } };
  const { accepted } = f;
  if (accepted === null || asked === undefined || isSame(asked, accepted)) return next;
  if (!isSame(asked, f)) return next;
  const back = { ...withConfig(next, accepted.config), runtime: accepted.runtime };
  return { ...back, refused: reason };
};

/** The facts after one input. Time is not a fact; `_now` is part of the shape of every machine. */
export const learn = (f: Facts, input: Input, _now: Millis): Facts => {
  switch (input.type) {
    case 'config':
      return { ...withConfig(f, input.config), refused: null };
    case 'runtime':
      return { ...f, runtime: input.runtime, refused: null };
    case 'vrrp':
      return learnVrrp(f, input.message);
    case 'healthcheck':
      return learnHealth(f, input.message);
    case 'connected':
      return withPeer(f, input.peer, {
        connected: true,
        since: input.at,
        reason: '',
        configured: 0,
      });
    case 'disconnected': {
      const { peer, reason, at: since } = input;
      const before = f.peers[peer];
      return withPeer(peer === 'healthcheck' ? withIncoming(f) : f, peer, {
        connected: false,
        since: before.connected || before.since === 0 ? since : before.since,
        reason,
        configured: 0,
      });
    }
    case 'dataplaneUp':
      return dataplaneUp(f, input);
    case 'dataplaneAcked':
      return inForce(f, input.generation, input.digest);
    case 'dataplaneRejected':
      return dataplaneRejected(f, input.reason, input.digest);
    case 'dataplaneLost':
      return { ...f, dataplane: { state: 'connecting', reason: input.reason } };
    default:
      return unreachable(input);
  }
};
