/** Commands about services, their real servers and local addresses (ipvsadm), checked and applied. */

import type { Config } from '../../config/config.js';
import { schedulers } from '../../dataplane/ops.js';
import {
  type Forwarding,
  type LocalAddressEntry,
  type RealServerEntry,
  realServerKey,
  type ServiceEntry,
  serviceKey,
  type Tunnel,
} from '../../dataplane/snapshot.js';
import { endpoint } from '../../net/endpoint.js';
import { type Identity, identity, serviceName } from './identity.js';
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
  oneOf,
  onlyFields,
  orNull,
  text,
} from './read.js';
import { type Draft, refuse } from './types.js';

const forwardings: readonly Forwarding[] = ['FNAT', 'NAT', 'DR', 'TUN', 'SNAT'];
const withPort: readonly string[] = ['sh', 'mh'];
const heaviest = 65_535;
const longestMs = 0x7fffffff;

const owned = (config: Config, s: Identity): void => {
  const where = ownersOf(config).services.get(serviceKey(s));
  if (where !== undefined)
    refuse(
      `${serviceName(s)} is in ${where}, and the file decides what it is; change it there and \`keelson reload\``,
    );
};

const find = (config: Config, d: Draft, x: unknown): ServiceEntry => {
  const id = identity(config, x);
  const service = d.services.get(serviceKey(id));
  if (service !== undefined) return service;
  owned(config, id);
  return refuse(`there is no service ${serviceName(id)}`);
};

/** Sets it in its place. */
const put = (d: Draft, s: ServiceEntry): void => void d.services.set(serviceKey(s), s);

/** One reader a setting: a word the table does not have is refused. */
const settings: {
  readonly [K in keyof ServiceEntry]?: (x: unknown, s: Identity) => ServiceEntry[K];
} = {
  scheduler: (x) => {
    const word = text(x, 'scheduler');
    return (
      schedulers.find((s) => s === word) ??
      refuse(`there is no scheduler '${word}'; there is ${schedulers.join(', ')}`)
    );
  },
  schedulerPort: (x) => flag(x, 'schedulerPort'),
  expireQuiescent: (x) => flag(x, 'expireQuiescent'),
  onePacket: (x, s) => {
    const on = flag(x, 'onePacket');
    if (on && s.protocol !== 'UDP') refuse('--ops is for UDP services (-u)');
    return on;
  },
  quic: (x, s) => {
    const on = flag(x, 'quic');
    if (on && s.protocol !== 'UDP') refuse('--quic is for UDP services (-u)');
    return on ? 'dpvs' : null;
  },
  persistenceMs: (x) => integer(x, 'persistence (ms)', 0, longestMs),
  persistencePrefixLength: (x, s) =>
    integer(x, 'persistence mask (prefix length)', 1, hostLength(s.address)),
  establishedTimeoutMs: (x) => integer(x, 'conn-timeout (ms)', 0, longestMs),
};

const configured = (config: Config, s: ServiceEntry, x: unknown): ServiceEntry => {
  const f = fieldsOf(x, 'settings of a service');
  onlyFields(f, Object.keys(settings), 'a service');
  const read = Object.entries(settings).flatMap(([name, reader]) =>
    f[name] === undefined ? [] : [[name, reader(f[name], s)] as const],
  );
  const next: ServiceEntry = { ...s, ...Object.fromEntries(read) };
  if (next.schedulerPort && !withPort.includes(next.scheduler))
    refuse(`--sched-flags: ${next.scheduler} has no port flag; ${withPort.join(' and ')} have one`);
  if (next.match !== null && next.persistenceMs > 0) refuse('-p does not go with -H');
  return {
    ...next,
    expireTemplate: next.persistenceMs > 0 && config.dpvs.expireTemplate,
  };
};

const blank = (id: Identity): ServiceEntry => ({
  ...id,
  scheduler: 'wlc',
  expireQuiescent: false,
  onePacket: false,
  quic: null,
  schedulerPort: false,
  persistenceMs: 0,
  persistencePrefixLength: hostLength(id.address),
  expireTemplate: false,
  establishedTimeoutMs: 0,
  realServers: [],
  localAddresses: [],
});

export const addService = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'set'], 'service.add');
  const id = identity(config, f['service']);
  owned(config, id);
  if (d.services.has(serviceKey(id)))
    refuse(`${serviceName(id)} is there already; change it by -E`);
  put(d, configured(config, blank(id), f['set'] ?? {}));
};

export const editService = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'set'], 'service.edit');
  put(d, configured(config, find(config, d, f['service']), f['set'] ?? {}));
};

export const deleteService = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service'], 'service.delete');
  d.services.delete(serviceKey(find(config, d, f['service'])));
};

export const clearServices = (_: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op'], 'service.clear');
  d.services.clear();
};

// ---- real servers

interface ServerId {
  readonly address: string;
  readonly port: number;
}

const serverId = (s: ServiceEntry, x: unknown): ServerId => {
  const f = fieldsOf(x, 'real server');
  onlyFields(f, ['address', 'port'], 'real server');
  const at = host(f['address'], 'real server');
  const port = orNull(f['port'], (p) => integer(p, `port of real server ${at}`, 0, 65_535));
  return { address: at, port: port ?? s.port };
};

export const serverName = (s: ServerId): string => endpoint(s.address, s.port);

/** FNAT translates between the families, a tunnel carries IPv6 over IPv4; the rest stays in its own. */
const checkFamilies = (s: ServiceEntry, r: RealServerEntry): void => {
  const from = familyOf(s.address);
  const to = familyOf(r.address);
  if (from === to || r.forwarding === 'FNAT' || (r.forwarding === 'TUN' && from === 6)) return;
  refuse(
    `${serverName(r)}: ${r.forwarding} does not lead there from IPv${from}; FNAT (-b) translates between the families`,
  );
};

const checkPort = (s: ServiceEntry, r: RealServerEntry): void => {
  if (s.match !== null) {
    if (r.port !== 0) refuse(`${serverName(r)}: an address to leave with has port 0`);
    return;
  }
  if (r.port === 0) refuse(`real server ${r.address} needs a port`);
  if ((r.forwarding === 'DR' || r.forwarding === 'TUN') && r.port !== s.port)
    refuse(
      `${serverName(r)}: ${r.forwarding} leaves the port as it is; write port ${s.port}, or use NAT (-m) or FNAT (-b)`,
    );
};

const checkThresholds = (r: RealServerEntry): void => {
  const { upperThreshold: upper = 0, lowerThreshold: lower = 0 } = r;
  if (lower > upper)
    refuse(
      `${serverName(r)}: the lower threshold (-y), ${lower}, is above the upper (-x), ${upper === 0 ? 'which is not set' : upper}`,
    );
};

/** Without what is not set, so that the same state is the same value. */
const plain = (r: RealServerEntry): RealServerEntry =>
  Object.fromEntries(
    Object.entries(r).filter(([, x]) => x !== undefined),
  ) as unknown as RealServerEntry;

const checkServer = (s: ServiceEntry, r: RealServerEntry): RealServerEntry => {
  if ((s.match !== null) !== (r.forwarding === 'SNAT'))
    refuse(
      s.match === null
        ? `${serverName(r)}: SNAT (-J) goes with a match service (-H)`
        : `${serverName(r)}: a match service (-H) forwards by SNAT (-J)`,
    );
  if (r.tunnel !== undefined && r.forwarding !== 'TUN')
    refuse(`${serverName(r)}: a kind of tunnel (--tun-type) goes with -i`);
  checkFamilies(s, r);
  checkPort(s, r);
  checkThresholds(r);
  return plain(r);
};

/** As a command reads it: null is IP in IP, which an entry does not name. */
const tunnel = (x: unknown): Tunnel | undefined => {
  if (x === null) return undefined;
  const f = fieldsOf(x, 'tunnel');
  onlyFields(f, ['type', 'port', 'checksum'], 'tunnel');
  const type = oneOf(f['type'], 'kind of tunnel', ['gre', 'gue'] as const);
  const checksum = flag(f['checksum'], 'checksum of the tunnel');
  if (type === 'gue')
    return { type, port: integer(f['port'], 'port of the tunnel', 1, 65_535), checksum };
  return f['port'] === undefined ? { type, checksum } : refuse('a GRE tunnel has no port');
};

const threshold = (x: unknown): number | undefined =>
  integer(x, 'threshold', 0, 0x7fffffff) || undefined;

const serverSettings: {
  readonly [K in keyof RealServerEntry]?: (x: unknown) => RealServerEntry[K] | undefined;
} = {
  forwarding: (x) => oneOf(x, 'forwarding', forwardings),
  weight: (x) => integer(x, 'weight', 0, heaviest),
  upperThreshold: threshold,
  lowerThreshold: threshold,
  tunnel,
};

const configuredServer = (s: ServiceEntry, r: RealServerEntry, x: unknown): RealServerEntry => {
  const f = fieldsOf(x, 'settings of a real server');
  onlyFields(f, Object.keys(serverSettings), 'a real server');
  const read = Object.entries(serverSettings).flatMap(([name, reader]) =>
    f[name] === undefined ? [] : [[name, reader(f[name])] as const],
  );
  const next: RealServerEntry = { ...r, ...Object.fromEntries(read) };
  // what only meant something together with what is taken back goes with it
  const { tunnel: kind, lowerThreshold: lower, ...other } = next;
  const noTunnel = next.forwarding !== 'TUN' && f['tunnel'] === undefined;
  const noLimit = next.upperThreshold === undefined && f['lowerThreshold'] === undefined;
  return checkServer(s, {
    ...other,
    ...(noTunnel || kind === undefined ? {} : { tunnel: kind }),
    ...(noLimit || lower === undefined ? {} : { lowerThreshold: lower }),
  });
};

const findServer = (s: ServiceEntry, id: ServerId): RealServerEntry =>
  s.realServers.find((r) => r.address === id.address && r.port === id.port) ??
  refuse(`${serviceName(s)} has no real server ${serverName(id)}`);

export const addServer = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'server', 'set'], 'server.add');
  const s = find(config, d, f['service']);
  const id = serverId(s, f['server']);
  if (s.realServers.some((o) => o.address === id.address && o.port === id.port))
    refuse(`${serviceName(s)} has ${serverName(id)} already; change it by -e`);
  const fresh: RealServerEntry = {
    ...id,
    forwarding: s.match === null ? 'DR' : 'SNAT',
    weight: 1,
  };
  const server = configuredServer(s, fresh, f['set'] ?? {});
  put(d, { ...s, realServers: [...s.realServers, server] });
};

export const editServer = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'server', 'set'], 'server.edit');
  const s = find(config, d, f['service']);
  const old = findServer(s, serverId(s, f['server']));
  const next = configuredServer(s, old, f['set'] ?? {});
  put(d, { ...s, realServers: s.realServers.map((o) => (o === old ? next : o)) });
};

export const deleteServer = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'server'], 'server.delete');
  const s = find(config, d, f['service']);
  const gone = findServer(s, serverId(s, f['server']));
  const key = realServerKey(gone);
  put(d, {
    ...s,
    realServers: s.realServers.filter((o) => realServerKey(o) !== key),
  });
};

// ---- local addresses

export const addLocal = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'device', 'address'], 'local.add');
  const s = find(config, d, f['service']);
  if (s.match !== null) refuse(`${serviceName(s)}: a match service has no local addresses`);
  const local: LocalAddressEntry = {
    device: device(config, f['device'], 'device of the local address'),
    address: host(f['address'], 'local address'),
  };
  if (s.localAddresses.some((l) => l.address === local.address))
    refuse(`${serviceName(s)} has the local address ${local.address} already`);
  put(d, { ...s, localAddresses: [...s.localAddresses, local] });
};

export const deleteLocal = (config: Config, d: Draft, f: Fields): void => {
  onlyFields(f, ['op', 'service', 'device', 'address'], 'local.delete');
  const s = find(config, d, f['service']);
  const at = address(f['address'], 'local address');
  const on = device(config, f['device'], 'device of the local address');
  const gone =
    s.localAddresses.find((l) => l.address === at) ??
    refuse(`${serviceName(s)} has no local address ${at}`);
  if (gone.device !== on) refuse(`the local address ${at} is on ${gone.device}, not on ${on}`);
  put(d, { ...s, localAddresses: s.localAddresses.filter((l) => l !== gone) });
};
