/** From virtual servers as configured and real servers as checked to the services the data plane shall have. */
import type { Config } from '../config/config.js';
import { matchFamily } from '../config/keepalived/match.js';
import type { RealServer, VirtualServer } from '../config/keepalived/types.js';
import {
  type LocalAddressEntry,
  type Match,
  matchAddress,
  type RealServerEntry,
  type Scheduler,
  type ServiceEntry,
} from '../dataplane/snapshot.js';
import { type Facts, realServerId } from './facts.js';
import { realServerName, virtualServerId } from './names.js';

/** Where a virtual server listens: once, or once for each entry of its group. */
export const endpoints = (
  config: Config,
  v: VirtualServer,
): readonly { readonly address: string; readonly port: number }[] => {
  const { target } = v;
  if (target.kind === 'address') return [{ address: target.address, port: target.port }];
  if (target.kind === 'match')
    return [{ address: matchAddress(`${target.name} ${v.protocol}`, matchFamily(v)), port: 0 }];
  if (target.kind !== 'group') return [];
  return config.keepalived.virtualServerGroups.find((g) => g.name === target.name)?.entries ?? [];
};

export interface RealServerState {
  readonly up: boolean;
  readonly weight: number;
  readonly reason: string;
  readonly since: number | null;
}

/**
 * What is believed of a real server: what its checkers said, else what the data plane held when this controller began, else
 * what keepalived assumes (up, unless a checker has alpha).
 */
export const realServerState = (f: Facts, v: VirtualServer, r: RealServer): RealServerState => {
  const id = realServerId(virtualServerId(v), realServerName(r.address, r.port, v.protocol));
  const fact = f.realServers.get(id);
  if (fact !== undefined)
    return { up: fact.up, weight: fact.weight, reason: fact.reason, since: fact.since };
  if (r.checkers.length === 0)
    return { up: true, weight: r.weight, reason: 'has no check', since: null };
  if (f.adopted !== null) {
    const up = f.adopted.has(id);
    return { up, weight: r.weight, reason: 'as before the restart, not checked yet', since: null };
  }
  const alpha = r.checkers.some((c) => c.timing.alpha);
  return { up: !alpha, weight: r.weight, reason: 'not checked yet', since: null };
};

export const hasQuorum = (f: Facts, v: VirtualServer): boolean =>
  f.quorums.get(virtualServerId(v))?.up ?? !v.alpha;

const tunnelOf = (v: VirtualServer): Pick<RealServerEntry, 'tunnel'> =>
  v.tunnel === null ? {} : { tunnel: v.tunnel };

const thresholdsOf = (
  r: RealServer,
): Pick<RealServerEntry, 'upperThreshold' | 'lowerThreshold'> => ({
  ...(r.upperThreshold === 0 ? {} : { upperThreshold: r.upperThreshold }),
  ...(r.lowerThreshold === 0 ? {} : { lowerThreshold: r.lowerThreshold }),
});

/** Down real servers are left out, or stay with weight 0 where inhibit_on_failure says so. */
const livingServers = (f: Facts, v: VirtualServer): readonly RealServerEntry[] =>
  v.realServers.flatMap((r) => {
    const state = realServerState(f, v, r);
    const inhibit = r.inhibitOnFailure || v.inhibitOnFailure;
    if (!state.up && !inhibit) return [];
    const { address, port } = r;
    const weight = state.up ? state.weight : 0;
    return [
      { address, port, forwarding: v.forwarding, weight, ...tunnelOf(v), ...thresholdsOf(r) },
    ];
  });

/** With the quorum lost the sorry server takes over, in one generation: there is no moment with nobody. */
const servers = (f: Facts, v: VirtualServer): readonly RealServerEntry[] => {
  if (v.sorryServer === null || hasQuorum(f, v)) return livingServers(f, v);
  const { address, port } = v.sorryServer;
  return [{ address, port, forwarding: v.forwarding, weight: 1, ...tunnelOf(v) }];
};

const localAddresses = (config: Config, v: VirtualServer): readonly LocalAddressEntry[] =>
  config.keepalived.localAddressGroups.find((g) => g.name === v.localAddressGroup)?.addresses ?? [];

const anyRange = { first: null, last: null, firstPort: 0, lastPort: 0 } as const;

/** Rules are tried in the order of the file. */
const matchOf = (config: Config, v: VirtualServer): Match | null => {
  if (v.target.kind !== 'match') return null;
  const { source, destination, iif, oif } = v.match;
  return {
    order: config.keepalived.virtualServers.indexOf(v),
    source: { ...(source ?? anyRange), device: iif },
    destination: { ...(destination ?? anyRange), device: oif },
  };
};

/** The data plane's clock of a session; keepalived allows a week more. */
const longestPersistenceMs = 0x7fffffff;

export const servicesOf = (f: Facts, v: VirtualServer): readonly ServiceEntry[] => {
  const { protocol } = v;
  const match = matchOf(f.config, v);
  const realServers = servers(f, v);
  const locals = localAddresses(f.config, v);
  return endpoints(f.config, v).map(({ address, port }) => ({
    protocol,
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
    expireTemplate: v.persistenceTimeoutMs !== null && f.config.dpvs.expireTemplate,
    establishedTimeoutMs: v.establishTimeoutMs ?? 0,
    realServers,
    localAddresses: locals,
  }));
};
