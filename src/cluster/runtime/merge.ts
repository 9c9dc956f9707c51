/**
 * Files and commands together. The files win: what a command set and a file now has as well is kept aside, shown, and comes back when the
 * file lets go of it.
 */
import type { Config } from '../../config/config.js';
import type { AddressEntry, ServiceEntry, Snapshot } from '../../dataplane/snapshot.js';
import { serviceKey } from '../../dataplane/snapshot.js';
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

interface Sorted<T> {
  readonly live: readonly T[];
  readonly shadowed: readonly Shadowed[];
}

const sort = <T>(
  items: readonly T[],
  name: (t: T) => string,
  why: (t: T) => string | null,
): Sorted<T> => ({
  live: items.filter((t) => why(t) === null),
  shadowed: items.flatMap((t) => {
    const reason = why(t);
    return reason === null ? [] : [{ what: name(t), why: reason }];
  }),
});

const sorted = (config: Config, r: Runtime) => {
  const o = ownersOf(config);
  return {
    services: sort(
      r.services,
      serviceName,
      (s) => goneDevice(config, serviceDevices(s)) ?? takenService(o, s),
    ),
    addresses: sort(
      r.addresses,
      (a) => `address ${a.address} on ${a.device}`,
      (a) => goneDevice(config, [a.device]) ?? takenAddress(o, a),
    ),
    routes: sort(
      r.routes,
      (x) => `route ${x.destination}/${x.prefixLength} on ${x.device}`,
      (x) => goneDevice(config, [x.device]),
    ),
    neighbours: sort(
      r.neighbours,
      (n) => `neighbour ${n.address} on ${n.device}`,
      (n) => goneDevice(config, [n.device]),
    ),
  };
};

/** What is in force of it. */
export const liveOf = (
  config: Config,
  r: Runtime,
): Pick<Runtime, 'services' | 'addresses' | 'routes' | 'neighbours'> => {
  const { services, addresses, routes, neighbours } = sorted(config, r);
  return {
    services: services.live,
    addresses: addresses.live,
    routes: routes.live,
    neighbours: neighbours.live,
  };
};

/** Match rules of commands come after those of the file, in their own order. */
const ordered = (config: Config, services: readonly ServiceEntry[]): readonly ServiceEntry[] => {
  const first = config.keepalived.virtualServers.length;
  return services.map((s, i) =>
    s.match === null ? s : { ...s, match: { ...s.match, order: first + i } },
  );
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

const shadowedTimeouts = (config: Config, r: Runtime): readonly Shadowed[] => {
  const live = liveTimeouts(config, r);
  return (['tcp', 'tcpFin', 'udp'] as const)
    .filter((name) => r.timeouts[name] !== null && live[name] === null)
    .map((name) => ({ what: `timeout ${name}`, why: 'lvs_timeouts of global_defs has it' }));
};

export const shadowedIn = (config: Config, r: Runtime): readonly Shadowed[] => [
  ...Object.values(sorted(config, r)).flatMap((s) => s.shadowed),
  ...shadowedTimeouts(config, r),
];

/** An address that a service names as local and a command added as plain is one address with both properties: the data plane joins them. */
export const withRuntime = (files: Snapshot, config: Config, r: Runtime): Snapshot => {
  const { services, addresses, routes, neighbours } = liveOf(config, r);
  const { tcp, tcpFin, udp } = liveTimeouts(config, r);
  return {
    addresses: [...files.addresses, ...addresses],
    routes: [
      ...files.routes,
      ...routes.filter((x) => x.scope !== 'kni_host').map(({ scope: _, ...route }) => route),
    ],
    neighbours: [...files.neighbours, ...neighbours],
    services: [...files.services, ...ordered(config, services)],
    params: {
      ...files.params,
      ...(tcp === null ? {} : { tcpEstablished: tcp }),
      ...(tcpFin === null ? {} : { tcpFinWait: tcpFin }),
      ...(udp === null ? {} : { udpNormal: udp, udpOneway: udp }),
    },
  };
};
