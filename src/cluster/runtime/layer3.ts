/** Commands about addresses, routes and neighbours (dpip), checked and applied. */
import type { Config } from '../../config/config.js';
import {
  type AddressEntry,
  type NeighbourEntry,
  neighbourKey,
  routeKey,
} from '../../dataplane/snapshot.js';
import { ownersOf } from './owners.js';
import {
  address,
  device,
  type Fields,
  familyOf,
  fieldsOf,
  flag,
  host,
  hostLength,
  integer,
  isIn,
  isIpv6,
  mac,
  network,
  oneOf,
  onlyFields,
  orNull,
  type Prefix,
  prefix,
  text,
} from './read.js';
import { type Draft, type RouteScope, type RuntimeRoute, refuse } from './types.js';

// ---- addresses

const prefixText = (p: Prefix): string => `${p.address}/${p.prefixLength}`;

const ownedAddress = (config: Config, a: string): void => {
  const owner = ownersOf(config).addresses.get(a);
  if (owner !== undefined)
    refuse(
      `${a} is ${owner.what} (${owner.where}), and the file decides where it is; change it there and \`keelson reload\``,
    );
};

const addressOf = (config: Config, f: Fields): AddressEntry => {
  onlyFields(f, ['op', 'device', 'prefix', 'local'], text(f['op'], 'op'));
  const p = prefix(f['prefix'], 'address');
  if (p.prefixLength === 0) refuse(`${prefixText(p)}: an address has a prefix length from 1`);
  const entry: AddressEntry = {
    device: device(config, f['device'], 'dev'),
    address: host(p.address, 'address'),
    prefixLength: p.prefixLength,
    leased: false,
    local: flag(f['local'], 'sapool'),
  };
  ownedAddress(config, entry.address);
  return entry;
};

export const addAddress = (config: Config, d: Draft, f: Fields): void => {
  const a = addressOf(config, f);
  const old = d.addresses.get(a.address);
  if (old !== undefined)
    refuse(`${a.address} is on ${old.device} already; change it by \`dpip addr set\``);
  d.addresses.set(a.address, a);
};

export const setAddress = (config: Config, d: Draft, f: Fields): void => {
  const a = addressOf(config, f);
  d.addresses.set(a.address, a);
};

const noAddress = (config: Config, a: string): never => {
  ownedAddress(config, a);
  return refuse(`there is no address ${a} that was added by a command`);
};

export const deleteAddress = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'device', 'prefix'], 'address.delete');
  const p = prefix(f['prefix'], 'address');
  const on = device(config, f['device'], 'dev');
  const gone = d.addresses.get(p.address) ?? noAddress(config, p.address);
  if (gone.device !== on) refuse(`${p.address} is on ${gone.device}, not on ${on}`);
  const given = text(f['prefix'], 'address').includes('/');
  if (given && gone.prefixLength !== p.prefixLength)
    refuse(`${p.address} is there as ${prefixText(gone)}, not as ${prefixText(p)}`);
  d.addresses.delete(gone.address);
};

/** What a flush takes: null means all. */
const flushed = (config: Config, f: Fields) => {
  onlyFields(f, ['op', 'device', 'family'], text(f['op'], 'op'));
  const on = orNull(f['device'], (x) => device(config, x, 'dev'));
  const family = orNull(f['family'], (x) => integer(x, 'family', 4, 6));
  return (dev: string, a: string): boolean =>
    (on === null || dev === on) && (family === null || familyOf(a) === family);
};

export const flushAddresses = (config: Config, d: Draft, f: Fields): void => {
  const takes = flushed(config, f);
  for (const a of d.addresses.values())
    if (takes(a.device, a.address)) d.addresses.delete(a.address);
};

// ---- routes

const scopes: readonly RouteScope[] = ['link', 'global', 'kni_host'];
const routeFields = ['op', 'prefix', 'family', 'device', 'gateway', 'source', 'mtu', 'metric'];

const routePrefix = (f: Fields): Prefix => {
  const family = integer(f['family'], 'family', 4, 6);
  const word = text(f['prefix'], 'route');
  if (word === 'default') return { address: family === 6 ? '::' : '0.0.0.0', prefixLength: 0 };
  const p = prefix(word, 'route');
  if (network(p) !== p.address)
    refuse(
      `${prefixText(p)} has bits beyond its prefix length; did you mean ${network(p)}/${p.prefixLength}?`,
    );
  return p;
};

/** The device whose network has the gateway. */
const deviceTowards = (d: Draft, gateway: string): string => {
  const devices = new Set([
    ...d.addresses
      .values()
      .filter((a) => isIn(gateway, a))
      .map((a) => a.device),
    ...d.routes
      .values()
      .filter((x) => x.gateway === null && isIn(gateway, { ...x, address: x.destination }))
      .map((x) => x.device),
  ]);
  const [first] = devices;
  return first !== undefined && devices.size === 1
    ? first
    : refuse(`route via ${gateway}: dev is missing; name the device the gateway is on`);
};

const routeOf = (config: Config, d: Draft, f: Fields): RuntimeRoute => {
  onlyFields(f, [...routeFields, 'scope'], text(f['op'], 'op'));
  const p = routePrefix(f);
  const v6 = isIpv6(p.address);
  const ofFamily = (x: unknown, what: string): string => {
    const a = host(x, what);
    return isIpv6(a) === v6 ? a : refuse(`${what} ${a} is not of the family of ${prefixText(p)}`);
  };
  const gateway = orNull(f['gateway'], (x) => ofFamily(x, 'via'));
  const scope = orNull(f['scope'], (x) => oneOf(x, 'scope', scopes));
  const named = orNull(f['device'], (x) => device(config, x, 'dev'));
  if (named === null && gateway === null)
    refuse(`route ${prefixText(p)}: dev is missing; name the device, or the gateway by via`);
  if (scope === 'kni_host' && (gateway !== null || p.prefixLength !== hostLength(p.address)))
    refuse(`scope kni_host is of one address, without via: ${p.address}/${hostLength(p.address)}`);
  if (scope === 'link' && gateway !== null) refuse('scope link does not go with via');
  return {
    device: named ?? deviceTowards(d, gateway ?? ''),
    destination: p.address,
    prefixLength: p.prefixLength,
    gateway,
    source: orNull(f['source'], (x) => ofFamily(x, 'src')),
    mtu: orNull(f['mtu'], (x) => (x === 0 ? 0 : integer(x, 'mtu', v6 ? 1280 : 68, 65_535))) ?? 0,
    metric: orNull(f['metric'], (x) => integer(x, 'metric', 0, 0xffffffff)) ?? 0,
    scope: scope ?? (gateway === null ? 'link' : 'global'),
  };
};

const routeName = (x: RuntimeRoute): string =>
  `${x.destination}/${x.prefixLength}${x.gateway === null ? '' : ` via ${x.gateway}`} dev ${x.device} metric ${x.metric}`;

export const addRoute = (config: Config, d: Draft, f: Fields): void => {
  const x = routeOf(config, d, f);
  if (d.routes.has(routeKey(x)))
    refuse(`the route ${routeName(x)} is there already; change it by \`dpip route set\``);
  d.routes.set(routeKey(x), x);
};

export const setRoute = (config: Config, d: Draft, f: Fields): void => {
  const x = routeOf(config, d, f);
  d.routes.set(routeKey(x), x);
};

export const deleteRoute = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, [...routeFields, 'scope'], 'route.delete');
  const p = routePrefix(f);
  const on = orNull(f['device'], (x) => device(config, x, 'dev'));
  const gateway = orNull(f['gateway'], (x) => address(x, 'via'));
  const metric = orNull(f['metric'], (x) => integer(x, 'metric', 0, 0xffffffff));
  const fits = d.routes
    .values()
    .filter(
      (x) =>
        x.destination === p.address &&
        x.prefixLength === p.prefixLength &&
        (on === null || x.device === on) &&
        (gateway === null || x.gateway === gateway) &&
        (metric === null || x.metric === metric),
    );
  const [first, another] = fits;
  const gone =
    first ?? refuse(`there is no such route to ${prefixText(p)} that was added by a command`);
  if (another !== undefined)
    refuse(
      `several routes to ${prefixText(p)}: say which by via, dev or metric: ${fits.map(routeName).join('; ')}`,
    );
  d.routes.delete(routeKey(gone));
};

export const flushRoutes = (config: Config, d: Draft, f: Fields): void => {
  const takes = flushed(config, f);
  for (const x of d.routes.values())
    if (takes(x.device, x.destination)) d.routes.delete(routeKey(x));
};

// ---- neighbours

const neighbourOf = (config: Config, f: Fields): NeighbourEntry => {
  onlyFields(f, ['op', 'device', 'address', 'mac'], text(f['op'], 'op'));
  return {
    device: device(config, f['device'], 'dev'),
    address: host(f['address'], 'neighbour'),
    mac: mac(f['mac'], 'lladdr'),
  };
};

export const addNeighbour = (config: Config, d: Draft, f: Fields): void => {
  const n = neighbourOf(config, f);
  if (d.neighbours.has(neighbourKey(n)))
    refuse(`the neighbour ${n.address} is there already; change it by \`dpip neigh set\``);
  d.neighbours.set(neighbourKey(n), n);
};

export const setNeighbour = (config: Config, d: Draft, f: Fields): void => {
  const n = neighbourOf(config, f);
  d.neighbours.set(neighbourKey(n), n);
};

export const deleteNeighbour = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'device', 'address'], 'neighbour.delete');
  const a = address(f['address'], 'neighbour');
  const on = device(config, f['device'], 'dev');
  if (!d.neighbours.delete(`${on} ${a}`))
    refuse(`there is no neighbour ${a} on ${on} that was added by a command`);
};

// ---- timeouts

export const setTimeouts = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'tcp', 'tcpFin', 'udp'], 'timeouts.set');
  const file = config.keepalived.globalDefs.lvsTimeouts;
  const one = (name: 'tcp' | 'tcpFin' | 'udp', ofFile: number | null): number | null => {
    const s = integer(f[name], `timeout ${name} (seconds)`, 0, 31_535_999);
    if (s === 0) return d.timeouts[name];
    if (ofFile !== null)
      refuse(
        `${name}: lvs_timeouts in global_defs decides it; change it there and \`keelson reload\``,
      );
    return s * 1000;
  };
  d.timeouts = {
    tcp: one('tcp', file.tcpMs),
    tcpFin: one('tcpFin', file.tcpFinMs),
    udp: one('udp', file.udpMs),
  };
};

/** Fields of something that is read whole. */
export const commandFields = (x: unknown): Fields => fieldsOf(x, 'command');
