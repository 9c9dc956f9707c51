/**
 * What a file as a whole must fulfil: names that must exist, things that must not be there twice,
 * forms that are not supported yet. What names a device of dpvs.conf is looked at only with that file.
 * Names are looked up in an index; nothing here is quadratic.
 */
import { endpoint } from '../net/endpoint.js';
import type { Place } from './diagnostics.js';
import type { Device, DpvsConfig } from './dpvs/types.js';
import { matchFamily } from './keepalived/match.js';
import type {
  KeepalivedConfig,
  LocalAddressGroup,
  VirtualServer,
  VirtualServerGroup,
  VrrpInstance,
} from './keepalived/types.js';
import type { Report } from './text.js';

const isIpv6 = (address: string): boolean => address.includes(':');

type Endpoint = { readonly address: string; readonly port: number };
type Say = (place: Place, message: string, hint?: string) => void;

/** A local_address_group by the families it can lead to. */
interface Locals {
  readonly name: string;
  readonly has4: boolean;
  readonly has6: boolean;
}

/** A configuration, or keepalived.conf alone. */
export interface Files {
  readonly keepalived: KeepalivedConfig;
  readonly dpvs: DpvsConfig | null;
}

interface Index {
  /** null: dpvs.conf is not there, so no name of a device can be judged. */
  readonly devices: ReadonlyMap<string, Device> | null;
  readonly kernelNames: ReadonlySet<string>;
  readonly locals: ReadonlyMap<string, Locals>;
  readonly localAddresses: ReadonlySet<string>;
  readonly groups: ReadonlyMap<string, VirtualServerGroup>;
  /** Addresses the files give to the node: SNAT lets packets out with these. */
  readonly own: ReadonlySet<string>;
}

const indexOf = ({ dpvs, keepalived }: Files): Index => {
  const { localAddressGroups, virtualServerGroups, staticAddresses, vrrpInstances } = keepalived;
  const own = new Set(staticAddresses.map((a) => a.address));
  for (const i of vrrpInstances)
    for (const list of [i.virtualAddresses, i.excludedAddresses])
      for (const a of list) own.add(a.address);
  const locals = (g: LocalAddressGroup): Locals => ({
    name: g.name,
    has4: g.addresses.some((a) => !isIpv6(a.address)),
    has6: g.addresses.some((a) => isIpv6(a.address)),
  });
  return {
    devices: dpvs === null ? null : new Map(dpvs.devices.map((d) => [d.name, d])),
    kernelNames: new Set(dpvs?.devices.map((d) => d.kniName)),
    locals: new Map(localAddressGroups.map((g) => [g.name, locals(g)])),
    localAddresses: new Set(localAddressGroups.flatMap((g) => g.addresses.map((a) => a.address))),
    groups: new Map(virtualServerGroups.map((g) => [g.name, g])),
    own,
  };
};

const listed = (devices: ReadonlyMap<string, Device>): string =>
  devices.size === 0 ? 'it has no device' : `it has ${[...devices.keys()].join(', ')}`;

const checkDevices = (x: Index, i: VrrpInstance, error: Say, warn: Say): void => {
  if (x.devices === null) return;
  if (i.dpdkInterface !== null && !x.devices.has(i.dpdkInterface))
    error(
      i.place,
      `dpdk_interface ${i.dpdkInterface} is no device of dpvs.conf`,
      listed(x.devices),
    );
  if (i.dpdkInterface === null && !x.kernelNames.has(i.interface))
    warn(
      i.place,
      `${i.name}: ${i.interface} belongs to no device and there is no dpdk_interface`,
      `the data plane will not take its addresses; name a device by dpdk_interface, ${listed(x.devices)}`,
    );
};

const checkInstance = (x: Index, i: VrrpInstance, error: Say, warn: Say): void => {
  checkDevices(x, i, error, warn);
  const six = i.virtualAddresses.find((a) => isIpv6(a.address));
  if (six !== undefined)
    error(
      six.place,
      `${six.address}: VRRP over IPv6 is not supported yet`,
      'an instance of IPv4 can hold it as virtual_ipaddress_excluded',
    );
  const peer = six === undefined ? i.unicastPeers.find(isIpv6) : undefined;
  if (peer !== undefined)
    error(i.place, `unicast_peer ${peer}: VRRP over IPv6 is not supported yet`);
};

/** Forms that are read but not built yet; each with what to do instead. */
const unsupported = (v: VirtualServer): readonly (readonly [string, string | undefined])[] => [
  ...(v.protocol.startsWith('ICMP') && v.target.kind !== 'match'
    ? [[`protocol ${v.protocol} without a match`, 'use TCP, UDP or SCTP'] as const]
    : []),
  ...(v.synProxy
    ? [['syn_proxy', 'servers would meet every SYN; take it out if that is meant'] as const]
    : []),
];

/** Each real server of FNAT needs a local address of its family to be reached from. */
const checkLocalFamilies = (v: VirtualServer, group: Locals | undefined, error: Say): void => {
  if (v.forwarding !== 'FNAT' || group === undefined) return;
  for (const r of v.realServers)
    if (isIpv6(r.address) ? !group.has6 : !group.has4)
      error(
        r.place,
        `${r.address}: no local address of its family`,
        `local_address_group ${group.name} needs an IPv${isIpv6(r.address) ? 6 : 4} one`,
      );
};

const checkForwarding = (x: Index, v: VirtualServer, error: Say): void => {
  const group = v.localAddressGroup === null ? undefined : x.locals.get(v.localAddressGroup);
  for (const [what, hint] of unsupported(v)) error(v.place, `${what} is not supported yet`, hint);
  if (v.localAddressGroup !== null && group === undefined)
    error(v.place, `there is no local_address_group ${v.localAddressGroup}`);
  else if (v.forwarding === 'FNAT' && (group === undefined || !(group.has4 || group.has6)))
    error(v.place, 'FNAT needs local addresses', 'name a local_address_group by laddr_group_name');
  else checkLocalFamilies(v, group, error);
};

/** FNAT translates between families, a tunnel carries IPv6 over IPv4; the others do neither. */
const checkFamilies = (v: VirtualServer, address: string, error: Say): void => {
  const servers = v.sorryServer === null ? v.realServers : [...v.realServers, v.sorryServer];
  for (const r of servers) {
    const same = isIpv6(address) === isIpv6(r.address);
    if (same || v.forwarding === 'FNAT' || (v.forwarding === 'TUN' && isIpv6(address))) continue;
    error(
      'place' in r ? r.place : v.place,
      `${r.address}: lb_kind ${v.forwarding} does not lead there from ${address}`,
      'use FNAT between IPv4 and IPv6',
    );
  }
};

/** DR and TUN leave the port as it is: a real server is reached at the virtual server's. */
const checkPorts = (v: VirtualServer, port: number, warn: Say): void => {
  if (v.forwarding !== 'DR' && v.forwarding !== 'TUN') return;
  for (const r of v.realServers)
    if (r.port !== port)
      warn(
        r.place,
        `${r.address} ${r.port}: lb_kind ${v.forwarding} leaves the port as it is, clients come to port ${port}`,
        'checks without connect_port go to the port named here; NAT and FNAT translate',
      );
};

/** What the data plane would refuse with the whole generation: not an address of a host. */
const isHost = (address: string): boolean => {
  const first = Number(address.split('.')[0]);
  if (isIpv6(address)) return !/^(ff|::$|::1$|::ffff:)/.test(address);
  return first !== 0 && first !== 127 && first < 224;
};

const checkMatchEnds = (v: VirtualServer, family: 4 | 6, error: Say): void => {
  const ends = [v.match.source, v.match.destination].flatMap((r) => (r === null ? [] : [r]));
  const icmp = v.protocol.startsWith('ICMP');
  if (ends.length === 0)
    error(v.place, 'a match needs src-range or dst-range', 'src-range 0.0.0.0/0 takes everything');
  for (const r of ends) {
    if (isIpv6(r.first) !== (family === 6))
      error(v.place, `${r.first}-${r.last} is not of the family of the match, IPv${family}`);
    if (icmp && r.lastPort !== 0) error(v.place, `protocol ${v.protocol} has no ports`);
  }
  if (icmp && (v.protocol === 'ICMPV6') !== (family === 6))
    error(v.place, `protocol ${v.protocol} is not that of IPv${family}`);
};

/** The "real servers" of a match: addresses of ours to leave with. */
const checkWayOut = (x: Index, v: VirtualServer, family: 4 | 6, error: Say, warn: Say): void => {
  for (const r of v.realServers) {
    if (isIpv6(r.address) !== (family === 6))
      error(r.place, `${r.address} is not of the family of the match, IPv${family}`);
    if (!isHost(r.address)) error(r.place, `${r.address} cannot be an address to leave with`);
    if (r.port !== 0)
      error(r.place, `${r.address}: an address to leave with has no port`, 'write 0');
    if (!x.own.has(r.address))
      warn(
        r.place,
        `${r.address} is in no virtual_ipaddress and no static_ipaddress`,
        'until the kernel interface has it nothing leaves with it',
      );
  }
};

const checkMatch = (x: Index, v: VirtualServer, error: Say, warn: Say): void => {
  const family = matchFamily(v);
  if (v.forwarding !== 'SNAT')
    error(v.place, `lb_kind ${v.forwarding} does not go with a match`, 'use SNAT');
  if (v.persistenceTimeoutMs !== null)
    error(v.place, 'persistence_timeout does not go with a match');
  for (const device of [v.match.iif, v.match.oif])
    if (device !== null && x.devices?.has(device) === false)
      error(v.place, `${device} is no device of dpvs.conf`);
  checkMatchEnds(v, family, error);
  checkWayOut(x, v, family, error, warn);
};

const checkTarget = (x: Index, v: VirtualServer, error: Say, warn: Say): readonly Endpoint[] => {
  const { target } = v;
  switch (target.kind) {
    case 'address':
      return [target];
    case 'group': {
      const group = x.groups.get(target.name);
      if (group === undefined) error(v.place, `there is no virtual_server_group ${target.name}`);
      return group?.entries ?? [];
    }
    case 'match':
      checkMatch(x, v, error, warn);
      return [];
    case 'fwmark':
      error(v.place, `virtual_server ${target.kind} is not supported yet`);
      return [];
  }
};

const checkHosts = (v: VirtualServer, address: string, locals: ReadonlySet<string>, error: Say) => {
  if (!isHost(address)) error(v.place, `${address} cannot be the address of a service`);
  if (locals.has(address))
    error(v.place, `${address} is a local address, and cannot be the address of a service as well`);
  for (const r of v.realServers)
    if (!isHost(r.address)) error(r.place, `${r.address} cannot be the address of a real server`);
};

/** A local address has one device. */
const checkLocalDevices = (config: Files, error: Say): ReadonlyMap<string, string> => {
  const devices = new Map<string, string>();
  for (const g of config.keepalived.localAddressGroups)
    for (const a of g.addresses) {
      const before = devices.get(a.address);
      if (before !== undefined && before !== a.device)
        error(g.place, `${a.address} is wanted on ${before} and on ${a.device}`);
      devices.set(a.address, a.device);
      if (!isHost(a.address)) error(g.place, `${a.address} cannot be a local address`);
    }
  return devices;
};

const checkVirtualAddresses = (config: Files, error: Say): void => {
  const locals = checkLocalDevices(config, error);
  for (const i of config.keepalived.vrrpInstances)
    for (const a of [...i.virtualAddresses, ...i.excludedAddresses])
      if (locals.has(a.address))
        error(a.place, `${a.address} is a local address, and cannot be a virtual one as well`);
};

const checkTwice = (key: string, v: VirtualServer, seen: Map<string, Place>, error: Say): void => {
  const other = seen.get(key);
  if (other !== undefined)
    error(v.place, `${key} is served twice`, `first at ${other.file}:${other.line}`);
  seen.set(key, v.place);
};

/** What goes with one protocol only. */
const checkProtocol = (v: VirtualServer, error: Say): void => {
  if (v.quic !== null && v.protocol !== 'UDP')
    error(v.place, 'quic and quic_lb are for protocol UDP');
  if (v.onePacket && v.protocol !== 'UDP') error(v.place, 'ops is for protocol UDP');
};

const checkVirtualServers = (config: Files, x: Index, error: Say, warn: Say): void => {
  const seen = new Map<string, Place>();
  for (const v of config.keepalived.virtualServers) {
    checkForwarding(x, v, error);
    if (v.target.kind === 'match')
      checkTwice(`match ${v.target.name} ${v.protocol}`, v, seen, error);
    checkProtocol(v, error);
    if (v.forwarding === 'SNAT' && v.target.kind !== 'match')
      error(v.place, 'lb_kind SNAT needs a virtual_server match', 'it takes what passes through');
    for (const { address, port } of checkTarget(x, v, error, warn)) {
      checkTwice(`${v.protocol} ${endpoint(address, port)}`, v, seen, error);
      if (port === 0) error(v.place, 'a virtual server on all ports is not supported yet');
      checkFamilies(v, address, error);
      checkPorts(v, port, warn);
      checkHosts(v, address, x.localAddresses, error);
    }
  }
};

const checkInstances = (config: Files, x: Index, error: Say, warn: Say): void => {
  const names = new Set(config.keepalived.vrrpInstances.map((i) => i.name));
  for (const i of config.keepalived.vrrpInstances) checkInstance(x, i, error, warn);
  const groupOf = new Map<string, string>();
  for (const g of config.keepalived.vrrpSyncGroups)
    for (const m of g.members) {
      if (!names.has(m))
        error(g.place, `vrrp_sync_group ${g.name}: there is no vrrp_instance ${m}`);
      const other = groupOf.get(m);
      if (other !== undefined) error(g.place, `${m} is in vrrp_sync_group ${other} already`);
      groupOf.set(m, g.name);
    }
};

/** One error for each name that is no device, at the first group that uses it. */
const checkLocalAddresses = (config: Files, x: Index, error: Say): void => {
  if (x.devices === null) return;
  const known = new Set(x.devices.keys());
  for (const g of config.keepalived.localAddressGroups)
    for (const a of g.addresses) {
      if (!known.has(a.device))
        error(
          g.place,
          `local address ${a.address}: ${a.device} is no device of dpvs.conf`,
          listed(x.devices),
        );
      known.add(a.device);
    }
};

export const crossChecks = (config: Files, report: Report): void => {
  const error: Say = (place, message, hint) =>
    report.add('error', 'KS_CONF_CHECK', { ...place, length: 1 }, message, { hint });
  const warn: Say = (place, message, hint) =>
    report.add('warning', 'KS_CONF_CHECK', { ...place, length: 1 }, message, { hint });
  const x = indexOf(config);
  checkInstances(config, x, error, warn);
  checkLocalAddresses(config, x, error);
  checkVirtualAddresses(config, error);
  checkVirtualServers(config, x, error, warn);
};
