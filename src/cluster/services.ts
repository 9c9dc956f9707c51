/** From virtual servers as configured and real servers as checked to the services of the data plane. */
import type { Config } from '../config/config.js';
import type { RealServer, VirtualServer } from '../config/keepalived/types.js';
import type { RealServerEntry, Scheduler, ServiceEntry } from '../dataplane/snapshot.js';
import { getIn } from '../kernel/persistent-map.js';
import { type Endpoint, type IndexedVirtualServer, indexOf } from './config-index.js';
import type { Facts, HealthFact } from './facts.js';
import { realServerName, virtualServerId } from './names.js';

/** Where a virtual server listens: once, or once for each entry of its group. */
export const endpoints = (config: Config, v: VirtualServer): readonly Endpoint[] =>
  indexOf(config).virtualServer.get(virtualServerId(v))?.endpoints ?? [];

export interface RealServerState {
  readonly up: boolean;
  readonly weight: number;
  readonly reason: string;
  /** null: since the controller started. */
  readonly since: number | null;
}

/** The data plane's weight is 16 bits wide. */
const heaviest = 65_535;

/**
 * What is believed of a real server: the newest report, else what keepalived assumes (up, unless a
 * checker has alpha). The weight is the configured one and what the checkers add, so a new
 * configuration is in force at once.
 */
const stateOf = (health: HealthFact | undefined, r: RealServer, name: string): RealServerState => {
  if (r.checkers.length === 0)
    return { up: true, weight: r.weight, reason: 'has no check', since: null };
  const fact = health?.servers.get(name);
  if (fact === undefined) {
    const alpha = r.checkers.some((c) => c.timing.alpha);
    return { up: !alpha, weight: r.weight, reason: 'not checked yet', since: null };
  }
  const { up, reason } = fact;
  const weight = Math.min(Math.max(r.weight + fact.delta, 0), heaviest);
  return { up, weight, reason, since: fact.since === 0 ? null : fact.since };
};

export const realServerState = (f: Facts, v: VirtualServer, r: RealServer): RealServerState =>
  stateOf(getIn(f.health, virtualServerId(v)), r, realServerName(r.address, r.port, v.protocol));

export const quorumReason = (f: Facts, v: VirtualServer): string =>
  getIn(f.health, virtualServerId(v))?.quorum?.reason ?? '';

const quorumOf = (health: HealthFact | undefined, v: VirtualServer): boolean =>
  health?.quorum?.up ?? !v.alpha;

export const hasQuorum = (f: Facts, v: VirtualServer): boolean =>
  quorumOf(getIn(f.health, virtualServerId(v)), v);

const tunnelOf = (v: VirtualServer): Pick<RealServerEntry, 'tunnel'> =>
  v.tunnel === null ? {} : { tunnel: v.tunnel };

const thresholdsOf = (
  r: RealServer,
): Pick<RealServerEntry, 'upperThreshold' | 'lowerThreshold'> => ({
  ...(r.upperThreshold === 0 ? {} : { upperThreshold: r.upperThreshold }),
  ...(r.lowerThreshold === 0 ? {} : { lowerThreshold: r.lowerThreshold }),
});

/** Entries by weight, kept with what they are made of: most servers keep theirs for ever. */
const entries = new WeakMap<RealServer, RealServerEntry>();

const entryOf = (v: VirtualServer, r: RealServer, weight: number): RealServerEntry => {
  const kept = entries.get(r);
  if (kept !== undefined && kept.weight === weight) return kept;
  const { address, port } = r;
  const { forwarding } = v;
  const made = { address, port, forwarding, weight, ...tunnelOf(v), ...thresholdsOf(r) };
  entries.set(r, made);
  return made;
};

/** Down real servers are left out, or stay with weight 0 where inhibit_on_failure says so. */
const livingServers = (
  health: HealthFact | undefined,
  x: IndexedVirtualServer,
): readonly RealServerEntry[] => {
  const living: RealServerEntry[] = [];
  for (const { server, name } of x.servers) {
    const state = stateOf(health, server, name);
    if (state.up) living.push(entryOf(x.v, server, state.weight));
    else if (server.inhibitOnFailure) living.push(entryOf(x.v, server, 0));
  }
  return living;
};

/** With the quorum lost the sorry server takes over in one generation: nobody is without a server. */
const serversOf = (
  health: HealthFact | undefined,
  x: IndexedVirtualServer,
): readonly RealServerEntry[] => {
  const { v } = x;
  if (v.sorryServer === null || quorumOf(health, v)) return livingServers(health, x);
  const { address, port } = v.sorryServer;
  return [{ address, port, forwarding: v.forwarding, weight: 1, ...tunnelOf(v) }];
};

/** The data plane's clock of a session; keepalived allows a week more. */
const longestPersistenceMs = 0x7fffffff;

interface Made {
  readonly health: HealthFact | undefined;
  readonly realServers: readonly RealServerEntry[];
  readonly services: readonly ServiceEntry[];
}

/** The newest of each virtual server; made before they are needed (warm.ts), or made again. */
const made = new WeakMap<IndexedVirtualServer, Made>();

const isSameList = <T>(a: readonly T[], b: readonly T[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** A report that changes nothing (a server that was up is up) gives the same references. */
export const servicesOf = (
  f: Pick<Facts, 'config' | 'health'>,
  x: IndexedVirtualServer,
): readonly ServiceEntry[] => {
  const health = getIn(f.health, x.id);
  const kept = made.get(x);
  if (kept !== undefined && kept.health === health) return kept.services;
  const realServers = serversOf(health, x);
  const services =
    kept !== undefined && isSameList(kept.realServers, realServers)
      ? kept.services
      : makeServices(f.config, x, realServers);
  made.set(x, { health, realServers, services });
  return services;
};

const makeServices = (
  config: Config,
  x: IndexedVirtualServer,
  realServers: readonly RealServerEntry[],
): readonly ServiceEntry[] => {
  const { v, match, localAddresses } = x;
  return x.endpoints.map(({ address, port }) => ({
    protocol: v.protocol,
    address,
    port,
    match,
    scheduler: v.scheduler as Scheduler,
    expireQuiescent: v.expireQuiescent,
    onePacket: v.onePacket,
    quic: v.quic,
    schedulerPort: v.schedulerPort,
    persistenceMs: Math.min(v.persistenceTimeoutMs ?? 0, longestPersistenceMs),
    persistencePrefixLength: v.persistencePrefixLength ?? (address.includes(':') ? 128 : 32),
    expireTemplate: v.persistenceTimeoutMs !== null && config.dpvs.expireTemplate,
    establishedTimeoutMs: v.establishTimeoutMs ?? 0,
    realServers,
    localAddresses,
  }));
};
