/**
 * From one snapshot to another as ops, in an order the data plane can follow: a service comes before
 * what belongs to it, an address leaves one device before it comes to another. What both snapshots
 * share by reference is not looked at. Law: apply(diff(a, b), a) = b.
 */
import { replaced } from '../kernel/sequence.js';
import {
  type AddressEntry,
  addressKey,
  type LocalAddressEntry,
  localAddressKey,
  type Match,
  type MatchEnd,
  type NeighbourEntry,
  neighbourKey,
  type ParamName,
  paramNames,
  type RealServerEntry,
  type RouteEntry,
  realServerKey,
  routeKey,
  type ServiceEntry,
  type Snapshot,
  serviceKey,
  tunnelText,
} from './snapshot.js';

export type ServiceId = Pick<ServiceEntry, 'protocol' | 'address' | 'port'>;
export type ServiceHead = Omit<ServiceEntry, 'realServers' | 'localAddresses' | 'match'>;

export type Op =
  | { readonly type: 'addressSet'; readonly address: AddressEntry }
  | { readonly type: 'addressDel'; readonly address: AddressEntry }
  | { readonly type: 'routeSet'; readonly route: RouteEntry }
  | { readonly type: 'routeDel'; readonly route: RouteEntry }
  | { readonly type: 'neighbourSet'; readonly neighbour: NeighbourEntry }
  | { readonly type: 'neighbourDel'; readonly neighbour: NeighbourEntry }
  | { readonly type: 'serviceSet'; readonly service: ServiceHead }
  | { readonly type: 'serviceDel'; readonly service: ServiceId }
  | {
      readonly type: 'realServerSet';
      readonly service: ServiceId;
      readonly realServer: RealServerEntry;
    }
  | {
      readonly type: 'realServerDel';
      readonly service: ServiceId;
      readonly realServer: RealServerEntry;
    }
  | { readonly type: 'localSet'; readonly service: ServiceId; readonly local: LocalAddressEntry }
  | { readonly type: 'localDel'; readonly service: ServiceId; readonly local: LocalAddressEntry }
  | {
      readonly type: 'matchSet';
      readonly service: ServiceId;
      readonly end: 'source' | 'destination';
      /** Of the whole match; heeded with the source. */
      readonly order: number;
      readonly match: MatchEnd;
    }
  | { readonly type: 'paramSet'; readonly param: ParamName; readonly value: number };

/** What the data plane uses where a snapshot says nothing (native/core/ks_desired.c, after DPVS). */
export const paramDefaults: Readonly<Record<ParamName, number>> = {
  tcpNone: 2000,
  tcpEstablished: 90_000,
  tcpSynSent: 3000,
  tcpSynRecv: 30_000,
  tcpFinWait: 7000,
  tcpTimeWait: 7000,
  tcpClose: 3000,
  tcpCloseWait: 7000,
  tcpLastAck: 7000,
  tcpListen: 120_000,
  tcpSynAck: 30_000,
  tcpLast: 2000,
  udpOneway: 300_000,
  udpNormal: 300_000,
  udpLast: 2000,
  connInit: 3000,
  defaultTtl: 64,
  localPortMin: 1025,
  localPortMax: 65_535,
  neighbourTimeout: 60_000,
  maglevSize: 4093,
  icmpNormal: 300_000,
  sctpInit1: 4000,
  sctpInit: 61_000,
  sctpEstablished: 900_000,
  sctpShutdown: 61_000,
  sctpRejected: 4000,
  sctpClosed: 61_000,
  // 1 << enum ks_state: CLOSE and TIME_WAIT
  reuseStates: 0x60,
  resetExpired: 1,
};

const index = <T>(items: readonly T[], key: (t: T) => string): ReadonlyMap<string, T> =>
  new Map(items.map((t) => [key(t), t]));

interface Difference<T> {
  readonly gone: readonly T[];
  readonly set: readonly T[];
}

/** `same` tells whether an object that is in both needs no op. */
const difference = <T>(
  a: readonly T[],
  b: readonly T[],
  key: (t: T) => string,
  same: (x: T, y: T) => boolean,
): Difference<T> => {
  const { gone, come } = replaced(a, b);
  if (gone.length === 0 && come.length === 0) return { gone, set: come };
  const before = index(gone, key);
  const after = index(come, key);
  return {
    gone: [...before].filter(([k]) => !after.has(k)).map(([, t]) => t),
    set: [...after]
      .filter(([k, t]) => {
        const old = before.get(k);
        return old === undefined || !same(old, t);
      })
      .map(([, t]) => t),
  };
};

const sameAddress = (x: AddressEntry, y: AddressEntry): boolean =>
  x.prefixLength === y.prefixLength && x.leased === y.leased && x.local === y.local;
const sameRoute = (x: RouteEntry, y: RouteEntry): boolean =>
  x.source === y.source && x.mtu === y.mtu;
const sameNeighbour = (x: NeighbourEntry, y: NeighbourEntry): boolean => x.mac === y.mac;
const sameRealServer = (x: RealServerEntry, y: RealServerEntry): boolean =>
  x.weight === y.weight &&
  x.forwarding === y.forwarding &&
  (x.upperThreshold ?? 0) === (y.upperThreshold ?? 0) &&
  (x.lowerThreshold ?? 0) === (y.lowerThreshold ?? 0) &&
  tunnelText(x.tunnel) === tunnelText(y.tunnel);
const sameLocal = (x: LocalAddressEntry, y: LocalAddressEntry): boolean => x.device === y.device;
const sameQuic = (x: ServiceHead['quic'], y: ServiceHead['quic']): boolean =>
  x === null || y === null || x === 'dpvs' || y === 'dpvs'
    ? x === y
    : x.configId === y.configId && x.serverIdLength === y.serverIdLength;
const sameHead = (x: ServiceHead, y: ServiceHead): boolean =>
  x.scheduler === y.scheduler &&
  x.expireQuiescent === y.expireQuiescent &&
  x.onePacket === y.onePacket &&
  sameQuic(x.quic, y.quic) &&
  x.schedulerPort === y.schedulerPort &&
  x.persistenceMs === y.persistenceMs &&
  x.persistencePrefixLength === y.persistencePrefixLength &&
  x.expireTemplate === y.expireTemplate &&
  x.establishedTimeoutMs === y.establishedTimeoutMs;

const sameEnd = (x: MatchEnd, y: MatchEnd): boolean =>
  x.first === y.first &&
  x.last === y.last &&
  x.firstPort === y.firstPort &&
  x.lastPort === y.lastPort &&
  x.device === y.device;

const anyEnd: MatchEnd = { first: null, last: null, firstPort: 0, lastPort: 0, device: null };
/** What the data plane has of a match service before it is told more. */
const anyMatch: Match = { order: 0, source: anyEnd, destination: anyEnd };

const matchOps = (service: ServiceId, a: Match, b: Match | null): readonly Op[] => {
  if (b === null) return [];
  const { order, source, destination } = b;
  const op = (end: 'source' | 'destination', match: MatchEnd): Op => ({
    type: 'matchSet',
    service,
    end,
    order,
    match,
  });
  return [
    ...(sameEnd(a.source, source) && a.order === order ? [] : [op('source', source)]),
    ...(sameEnd(a.destination, destination) ? [] : [op('destination', destination)]),
  ];
};

export const serviceId = (s: ServiceId): ServiceId => ({
  protocol: s.protocol,
  address: s.address,
  port: s.port,
});

const head = (s: ServiceHead): ServiceHead => ({
  ...serviceId(s),
  scheduler: s.scheduler,
  expireQuiescent: s.expireQuiescent,
  onePacket: s.onePacket,
  quic: s.quic,
  schedulerPort: s.schedulerPort,
  persistenceMs: s.persistenceMs,
  persistencePrefixLength: s.persistencePrefixLength,
  expireTemplate: s.expireTemplate,
  establishedTimeoutMs: s.establishedTimeoutMs,
});

const serviceOps = (a: ServiceEntry | undefined, b: ServiceEntry): readonly Op[] => {
  if (a === b) return [];
  const service = serviceId(b);
  const rs = difference(a?.realServers ?? [], b.realServers, realServerKey, sameRealServer);
  const lip = difference(a?.localAddresses ?? [], b.localAddresses, localAddressKey, sameLocal);
  return [
    ...(a === undefined || !sameHead(a, b)
      ? [{ type: 'serviceSet', service: head(b) } as const]
      : []),
    ...matchOps(service, a?.match ?? anyMatch, b.match),
    ...lip.set.map((local): Op => ({ type: 'localSet', service, local })),
    ...rs.gone.map((realServer): Op => ({ type: 'realServerDel', service, realServer })),
    ...rs.set.map((realServer): Op => ({ type: 'realServerSet', service, realServer })),
    ...lip.gone.map((local): Op => ({ type: 'localDel', service, local })),
  ];
};

const layer3Ops = (a: Snapshot, b: Snapshot): readonly Op[] => {
  const addresses = difference(a.addresses, b.addresses, addressKey, sameAddress);
  const routes = difference(a.routes, b.routes, routeKey, sameRoute);
  const neighbours = difference(a.neighbours, b.neighbours, neighbourKey, sameNeighbour);
  return [
    ...addresses.gone.map((address): Op => ({ type: 'addressDel', address })),
    ...addresses.set.map((address): Op => ({ type: 'addressSet', address })),
    ...routes.gone.map((route): Op => ({ type: 'routeDel', route })),
    ...routes.set.map((route): Op => ({ type: 'routeSet', route })),
    ...neighbours.gone.map((neighbour): Op => ({ type: 'neighbourDel', neighbour })),
    ...neighbours.set.map((neighbour): Op => ({ type: 'neighbourSet', neighbour })),
  ];
};

/** One after the other, so that 100,000 can be made in pieces. */
export function* opsBetween(a: Snapshot, b: Snapshot): Generator<Op> {
  if (a === b) return;
  for (const param of paramNames) {
    const value = b.params[param] ?? paramDefaults[param];
    if (value !== (a.params[param] ?? paramDefaults[param]))
      yield { type: 'paramSet', param, value };
  }
  const services = replaced(a.services, b.services);
  const before = index(services.gone, serviceKey);
  const after = index(services.come, serviceKey);
  for (const [k, s] of before)
    if (!after.has(k)) yield { type: 'serviceDel', service: serviceId(s) };
  yield* layer3Ops(a, b);
  for (const [k, s] of after) yield* serviceOps(before.get(k), s);
}

export const diff = (a: Snapshot, b: Snapshot): readonly Op[] => [...opsBetween(a, b)];

const withEnd = (m: Match, op: Extract<Op, { type: 'matchSet' }>): Match =>
  op.end === 'source'
    ? { ...m, order: op.order, source: op.match }
    : { ...m, destination: op.match };

const opened = (s: ServiceEntry) => ({
  head: head(s),
  match: s.match,
  rs: new Map(s.realServers.map((r) => [realServerKey(r), r])),
  lip: new Map(s.localAddresses.map((l) => [localAddressKey(l), l])),
});

/** What the data plane makes of ops; the model the law is checked against. */
export const apply = (ops: Iterable<Op>, a: Snapshot): Snapshot => {
  const addresses = new Map(a.addresses.map((x) => [addressKey(x), x]));
  const routes = new Map(a.routes.map((x) => [routeKey(x), x]));
  const neighbours = new Map(a.neighbours.map((x) => [neighbourKey(x), x]));
  const params: Partial<Record<ParamName, number>> = { ...a.params };
  const services = new Map(a.services.map((s) => [serviceKey(s), opened(s)]));
  for (const op of ops) {
    switch (op.type) {
      case 'addressSet':
        addresses.set(addressKey(op.address), op.address);
        break;
      case 'addressDel':
        addresses.delete(addressKey(op.address));
        break;
      case 'routeSet':
        routes.set(routeKey(op.route), op.route);
        break;
      case 'routeDel':
        routes.delete(routeKey(op.route));
        break;
      case 'neighbourSet':
        neighbours.set(neighbourKey(op.neighbour), op.neighbour);
        break;
      case 'neighbourDel':
        neighbours.delete(neighbourKey(op.neighbour));
        break;
      case 'serviceSet': {
        const old = services.get(serviceKey(op.service));
        const rs = old?.rs ?? new Map<string, RealServerEntry>();
        const lip = old?.lip ?? new Map<string, LocalAddressEntry>();
        services.set(serviceKey(op.service), {
          head: op.service,
          match: old?.match ?? (op.service.port === 0 ? anyMatch : null),
          rs,
          lip,
        });
        break;
      }
      case 'matchSet': {
        const s = services.get(serviceKey(op.service));
        if (s !== undefined) s.match = withEnd(s.match ?? anyMatch, op);
        break;
      }
      case 'serviceDel':
        services.delete(serviceKey(op.service));
        break;
      case 'realServerSet':
        services.get(serviceKey(op.service))?.rs.set(realServerKey(op.realServer), op.realServer);
        break;
      case 'realServerDel':
        services.get(serviceKey(op.service))?.rs.delete(realServerKey(op.realServer));
        break;
      case 'localSet':
        services.get(serviceKey(op.service))?.lip.set(localAddressKey(op.local), op.local);
        break;
      case 'localDel':
        services.get(serviceKey(op.service))?.lip.delete(localAddressKey(op.local));
        break;
      case 'paramSet':
        params[op.param] = op.value;
        break;
    }
  }
  return {
    addresses: [...addresses.values()],
    routes: [...routes.values()],
    neighbours: [...neighbours.values()],
    params,
    services: [...services.values()].map((s) => ({
      ...s.head,
      match: s.match,
      realServers: [...s.rs.values()],
      localAddresses: [...s.lip.values()],
    })),
  };
};
