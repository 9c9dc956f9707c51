/**
 * Files and commands together. The files win: what a command set and a file has now as well is not in
 * force, is shown, and comes back when the file no longer has it.
 */
import type { Config } from '../../config/config.js';
import type {
  AddressEntry,
  Match,
  NeighbourEntry,
  RouteEntry,
  ServiceEntry,
  Snapshot,
} from '../../dataplane/snapshot.js';
import { serviceKey } from '../../dataplane/snapshot.js';
import { sharedEnds } from '../../kernel/sequence.js';
import { serviceName } from './identity.js';
import { type Owners, ownersOf } from './owners.js';
import type { Runtime, RuntimeTimeouts } from './types.js';

/** Something a command set that is not in force, and why. */
export interface Shadowed {
  readonly what: string;
  readonly why: string;
}

const takenService = (o: Owners, s: ServiceEntry): string | null => {
  const where = o.services.get(serviceKey(s));
  if (where !== undefined) return `the same service is in ${where}`;
  for (const l of s.localAddresses) {
    const owner = o.addresses.get(l.address);
    if (owner !== undefined && owner.device !== l.device)
      return `its local address ${l.address} is ${owner.what} (${owner.where}) on ${owner.device}`;
  }
  return null;
};

const takenAddress = (o: Owners, a: AddressEntry): string | null => {
  const owner = o.addresses.get(a.address);
  return owner === undefined ? null : `it is ${owner.what} (${owner.where})`;
};

/** A device that dpvs.conf has no more. */
const goneDevice = (config: Config, names: readonly (string | null)[]): string | null => {
  const gone = names.find((n) => n !== null && !config.dpvs.devices.some((d) => d.name === n));
  return gone === undefined ? null : `there is no device ${gone} any more`;
};

const serviceDevices = (s: ServiceEntry): readonly (string | null)[] => [
  ...s.localAddresses.map((l) => l.device),
  s.match?.source.device ?? null,
  s.match?.destination.device ?? null,
];

/** Why a service a command set is not in force; null: it is. */
export const whyNotService = (config: Config, s: ServiceEntry): string | null =>
  goneDevice(config, serviceDevices(s)) ?? takenService(ownersOf(config), s);

export const whyNotAddress = (config: Config, a: AddressEntry): string | null =>
  goneDevice(config, [a.device]) ?? takenAddress(ownersOf(config), a);

export const whyNotDevice = (config: Config, x: { readonly device: string }): string | null =>
  goneDevice(config, [x.device]);

/** The part of a runtime that is in force, made for one configuration. */
export interface LiveRuntime {
  readonly runtime: Runtime;
  /** Why each service of the runtime is not in force, in its order; null: it is. */
  readonly whys: readonly (string | null)[];
  readonly services: readonly ServiceEntry[];
  readonly addresses: readonly AddressEntry[];
  readonly routes: readonly RouteEntry[];
  readonly neighbours: readonly NeighbourEntry[];
}

/** What both arrays share by reference keeps its reason; only the rest is looked at. */
const whysOf = (
  config: Config,
  services: readonly ServiceEntry[],
  before: LiveRuntime | null,
): readonly (string | null)[] => {
  const old = before?.runtime.services ?? [];
  if (before !== null && old === services) return before.whys;
  const { head, tail } = sharedEnds(old, services);
  const sameLength = old.length === services.length;
  return services.map((s, i) => {
    const kept = i < head || (sameLength && old[i] === s) ? i : i + old.length - services.length;
    const isKept = old[kept] === s && (kept === i || i >= services.length - tail);
    return isKept ? (before?.whys[kept] ?? null) : whyNotService(config, s);
  });
};

/** Match rules of commands come after those of the file, in their own order. */
const ordered = (config: Config, services: readonly ServiceEntry[]): readonly ServiceEntry[] => {
  if (services.every((s) => s.match === null)) return services;
  let order = config.keepalived.virtualServers.length;
  return services.map((s) => (s.match === null ? s : withOrder(s, s.match, order++)));
};

/** Kept with the service, so that the same order gives the same reference. */
const orders = new WeakMap<ServiceEntry, ServiceEntry>();

const withOrder = (s: ServiceEntry, match: Match, order: number): ServiceEntry => {
  const kept = orders.get(s);
  if (kept?.match?.order === order) return kept;
  const made = { ...s, match: { ...match, order } };
  orders.set(s, made);
  return made;
};

export const liveRuntime = (
  config: Config,
  runtime: Runtime,
  before: LiveRuntime | null,
): LiveRuntime => {
  if (before?.runtime === runtime) return before;
  const whys = whysOf(config, runtime.services, before);
  const live = whys.every((w) => w === null)
    ? runtime.services
    : runtime.services.filter((_, i) => whys[i] === null);
  return {
    runtime,
    whys,
    services: ordered(config, live),
    addresses: runtime.addresses.filter((a) => whyNotAddress(config, a) === null),
    routes: runtime.routes
      .filter((x) => x.scope !== 'kni_host' && whyNotDevice(config, x) === null)
      .map(({ scope: _, ...route }) => route),
    neighbours: runtime.neighbours.filter((n) => whyNotDevice(config, n) === null),
  };
};

/** `lvs_timeouts` of the files wins over `ipvsadm --set`. */
const liveTimeouts = (config: Config, { timeouts }: Runtime): RuntimeTimeouts => {
  const { tcpMs, tcpFinMs, udpMs } = config.keepalived.globalDefs.lvsTimeouts;
  return {
    tcp: tcpMs === null ? timeouts.tcp : null,
    tcpFin: tcpFinMs === null ? timeouts.tcpFin : null,
    udp: udpMs === null ? timeouts.udp : null,
  };
};

export const shadowedTimeouts = (config: Config, r: Runtime): readonly Shadowed[] => {
  const live = liveTimeouts(config, r);
  return (['tcp', 'tcpFin', 'udp'] as const)
    .filter((name) => r.timeouts[name] !== null && live[name] === null)
    .map((name) => ({ what: `timeout ${name}`, why: 'lvs_timeouts of global_defs has it' }));
};

export const addressName = (a: AddressEntry): string => `address ${a.address} on ${a.device}`;
export const routeName = (x: RouteEntry): string =>
  `route ${x.destination}/${x.prefixLength} on ${x.device}`;
export const neighbourName = (n: NeighbourEntry): string => `neighbour ${n.address} on ${n.device}`;

const shadowed = <T>(
  items: readonly T[],
  name: (t: T) => string,
  whyNot: (t: T) => string | null,
): readonly Shadowed[] =>
  items.flatMap((t) => {
    const why = whyNot(t);
    return why === null ? [] : [{ what: name(t), why }];
  });

export const shadowedIn = (config: Config, r: Runtime): readonly Shadowed[] => [
  ...shadowed(r.services, serviceName, (s) => whyNotService(config, s)),
  ...shadowed(r.addresses, addressName, (a) => whyNotAddress(config, a)),
  ...shadowed(r.routes, routeName, (x) => whyNotDevice(config, x)),
  ...shadowed(r.neighbours, neighbourName, (n) => whyNotDevice(config, n)),
  ...shadowedTimeouts(config, r),
];

const joined = <T>(a: readonly T[], b: readonly T[]): readonly T[] =>
  b.length === 0 ? a : a.length === 0 ? b : a.concat(b);

/**
 * Files and commands together. An address that a service names as local and that a command added is
 * one address with both properties: the data plane joins them.
 */
export const withRuntime = (files: Snapshot, config: Config, live: LiveRuntime): Snapshot => {
  const { tcp, tcpFin, udp } = liveTimeouts(config, live.runtime);
  return {
    addresses: joined(files.addresses, live.addresses),
    routes: joined(files.routes, live.routes),
    neighbours: joined(files.neighbours, live.neighbours),
    services: joined(files.services, live.services),
    params: {
      ...files.params,
      ...(tcp === null ? {} : { tcpEstablished: tcp }),
      ...(tcpFin === null ? {} : { tcpFinWait: tcpFin }),
      ...(udp === null ? {} : { udpNormal: udp, udpOneway: udp }),
    },
  };
};
