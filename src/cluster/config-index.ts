/**
 * What follows from a configuration alone, worked out once for each: identities, endpoints, which
 * virtual servers are on which address. A configuration never changes, so the index is kept with it.
 */
import type { Config } from '../config/config.js';
import { matchFamily } from '../config/keepalived/match.js';
import type { RealServer, VirtualServer, VrrpInstance } from '../config/keepalived/types.js';
import {
  type AddressEntry,
  addressKey,
  type LocalAddressEntry,
  type Match,
  matchAddress,
} from '../dataplane/snapshot.js';
import { type RouterId, routerId } from '../vrrp/identity.js';
import { realServerName, virtualServerId } from './names.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface IndexedServer {
  readonly server: RealServer;
  /** Unique in its virtual server. */
  readonly name: string;
}

export interface IndexedVirtualServer {
  readonly v: VirtualServer;
  readonly id: string;
  /** Place of its first service among the services of the files. */
  readonly offset: number;
  readonly endpoints: readonly Endpoint[];
  readonly servers: readonly IndexedServer[];
  readonly names: ReadonlySet<string>;
  readonly localAddresses: readonly LocalAddressEntry[];
  readonly match: Match | null;
}

export interface IndexedInstance {
  readonly instance: VrrpInstance;
  readonly id: RouterId;
  /** null: no device of dpvs.conf carries its addresses. */
  readonly device: string | null;
  readonly vips: readonly AddressEntry[];
}

export interface ConfigIndex {
  readonly virtualServers: readonly IndexedVirtualServer[];
  readonly virtualServer: ReadonlyMap<string, IndexedVirtualServer>;
  readonly services: number;
  readonly routers: ReadonlyMap<RouterId, IndexedInstance>;
  /** VIPs of all instances, each once. */
  readonly vips: readonly AddressEntry[];
  /** Virtual servers by the address they listen on. */
  readonly onAddress: ReadonlyMap<string, readonly IndexedVirtualServer[]>;
}

/** Where a virtual server listens: once, or once for each entry of its group. */
const endpointsOf = (v: VirtualServer, groups: ReadonlyMap<string, readonly Endpoint[]>) => {
  const { target } = v;
  if (target.kind === 'address') return [{ address: target.address, port: target.port }];
  if (target.kind === 'match')
    return [{ address: matchAddress(`${target.name} ${v.protocol}`, matchFamily(v)), port: 0 }];
  return target.kind === 'group' ? (groups.get(target.name) ?? []) : [];
};

const anyRange = { first: null, last: null, firstPort: 0, lastPort: 0 } as const;

/** Rules are tried in the order of the file. */
const matchOf = (v: VirtualServer, order: number): Match | null => {
  if (v.target.kind !== 'match') return null;
  const { source, destination, iif, oif } = v.match;
  return {
    order,
    source: { ...(source ?? anyRange), device: iif },
    destination: { ...(destination ?? anyRange), device: oif },
  };
};

function* virtualServersOf({
  keepalived,
}: Config): Generator<undefined, readonly IndexedVirtualServer[]> {
  const groups = new Map(keepalived.virtualServerGroups.map((g) => [g.name, g.entries]));
  const locals = new Map(keepalived.localAddressGroups.map((g) => [g.name, g.addresses]));
  const all: IndexedVirtualServer[] = [];
  let offset = 0;
  for (const [order, v] of keepalived.virtualServers.entries()) {
    const servers = v.realServers.map((server) => ({
      server,
      name: realServerName(server.address, server.port, v.protocol),
    }));
    const endpoints = endpointsOf(v, groups);
    all.push({
      v,
      id: virtualServerId(v),
      offset,
      endpoints,
      servers,
      names: new Set(servers.map((s) => s.name)),
      localAddresses: locals.get(v.localAddressGroup ?? '') ?? [],
      match: matchOf(v, order),
    });
    offset += endpoints.length;
    yield;
  }
  return all;
}

/** dpdk_interface, or the device whose kernel interface carries the adverts. */
export const deviceOf = (config: Config, i: VrrpInstance): string | null =>
  i.dpdkInterface ?? config.dpvs.devices.find((d) => d.kniName === i.interface)?.name ?? null;

const vipsOf = (config: Config, i: VrrpInstance): readonly AddressEntry[] => {
  const { devices } = config.dpvs;
  const own = deviceOf(config, i);
  const named = (dev: string): string | null =>
    devices.find((d) => d.name === dev || d.kniName === dev)?.name ?? own;
  return [...i.virtualAddresses, ...i.excludedAddresses].flatMap((a) => {
    const device = a.dev === null ? own : named(a.dev);
    if (device === null) return [];
    const { address, prefixLength } = a;
    return [{ device, address, prefixLength, leased: true, local: false }];
  });
};

/** Until the configuration reads a family: that of the addresses. */
export const familyOf = (i: VrrpInstance): 'inet' | 'inet6' =>
  i.virtualAddresses.some((a) => a.address.includes(':')) ? 'inet6' : 'inet';

export const routerIdOf = (i: VrrpInstance): RouterId =>
  routerId({ interface: i.interface, vrid: i.vrid, family: familyOf(i) });

function* reckon(config: Config): Generator<undefined, ConfigIndex> {
  const virtualServers = yield* virtualServersOf(config);
  const onAddress = new Map<string, IndexedVirtualServer[]>();
  for (const x of virtualServers)
    for (const address of new Set(x.endpoints.map((e) => e.address))) {
      const there = onAddress.get(address);
      if (there === undefined) onAddress.set(address, [x]);
      else there.push(x);
    }
  const instances = config.keepalived.vrrpInstances.map((instance) => ({
    instance,
    id: routerIdOf(instance),
    device: deviceOf(config, instance),
    vips: vipsOf(config, instance),
  }));
  const vips = new Map(instances.flatMap((i) => i.vips.map((a) => [addressKey(a), a] as const)));
  return {
    virtualServers,
    virtualServer: new Map(virtualServers.map((x) => [x.id, x])),
    services: virtualServers.reduce((n, x) => n + x.endpoints.length, 0),
    routers: new Map(instances.map((i) => [i.id, i])),
    vips: [...vips.values()],
    onAddress,
  };
}

const known = new WeakMap<Config, ConfigIndex>();

/** In pieces; the index is there when it has come to its end. */
export function* indexing(config: Config): Generator<undefined, ConfigIndex> {
  const before = known.get(config);
  if (before !== undefined) return before;
  const index = yield* reckon(config);
  known.set(config, index);
  return index;
}

export const indexOf = (config: Config): ConfigIndex => {
  const before = known.get(config);
  if (before !== undefined) return before;
  const steps = indexing(config);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
};
