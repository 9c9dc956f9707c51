/** What only both files together can tell: names that must exist, things that must not be there twice, forms not supported yet. */
import type { Config } from './config.js';
import type { Place } from './diagnostics.js';
import type { VirtualServer, VrrpInstance } from './keepalived/types.js';
import type { Report } from './text.js';

const supportedSchedulers = ['rr', 'wrr', 'wlc', 'lc', 'sed', 'nq', 'sh', 'dh', 'fo'];

type Say = (place: Place, message: string, hint?: string) => void;

const checkInstance = (config: Config, i: VrrpInstance, error: Say, warn: Say): void => {
  const devices = config.dpvs.devices;
  const names = devices.map((d) => d.name).join(', ');
  if (i.dpdkInterface !== null && !devices.some((d) => d.name === i.dpdkInterface))
    error(
      i.place,
      `dpdk_interface ${i.dpdkInterface} is no device of dpvs.conf`,
      `it has ${names}`,
    );
  if (i.dpdkInterface === null && !devices.some((d) => d.kniName === i.interface))
    warn(
      i.place,
      `${i.name}: ${i.interface} belongs to no device and there is no dpdk_interface`,
      'the data plane will not take its addresses',
    );
  for (const a of [...i.virtualAddresses, ...i.excludedAddresses])
    if (a.address.includes(':')) error(a.place, `${a.address}: IPv6 is not supported yet`);
  if (i.virtualAddresses.length + i.excludedAddresses.length === 0)
    warn(i.place, `${i.name} has no address`);
};

const checkForwarding = (config: Config, v: VirtualServer, error: Say): void => {
  const group = config.keepalived.localAddressGroups.find((g) => g.name === v.localAddressGroup);
  if (v.forwarding !== 'FNAT')
    error(v.place, `lb_kind ${v.forwarding} is not supported yet`, 'use FNAT');
  if (v.protocol !== 'TCP' && v.protocol !== 'UDP')
    error(v.place, `protocol ${v.protocol} is not supported yet`, 'use TCP or UDP');
  if (!supportedSchedulers.includes(v.scheduler))
    error(
      v.place,
      `lb_algo ${v.scheduler} is not supported yet`,
      `use one of ${supportedSchedulers.join(', ')}`,
    );
  if (v.persistenceTimeoutMs !== null)
    error(
      v.place,
      'persistence_timeout is not supported yet',
      'lb_algo sh keeps a client at its server',
    );
  if (v.synProxy) error(v.place, 'syn_proxy is not supported yet');
  if (v.localAddressGroup !== null && group === undefined)
    error(v.place, `there is no local_address_group ${v.localAddressGroup}`);
  else if (v.forwarding === 'FNAT' && (group === undefined || group.addresses.length === 0))
    error(v.place, 'FNAT needs local addresses', 'name a local_address_group by laddr_group_name');
  for (const r of v.realServers)
    if (r.address.includes(':')) error(r.place, `${r.address}: IPv6 is not supported yet`);
};

const checkVirtualServers = (config: Config, error: Say): void => {
  const { virtualServers, virtualServerGroups } = config.keepalived;
  const seen = new Map<string, Place>();
  for (const v of virtualServers) {
    checkForwarding(config, v, error);
    const { target } = v;
    if (target.kind === 'fwmark' || target.kind === 'match')
      error(v.place, `virtual_server ${target.kind} is not supported yet`);
    const group =
      target.kind === 'group' ? virtualServerGroups.find((g) => g.name === target.name) : undefined;
    if (target.kind === 'group' && group === undefined)
      error(v.place, `there is no virtual_server_group ${target.name}`);
    const here = target.kind === 'address' ? [target] : (group?.entries ?? []);
    for (const { address, port } of here) {
      const key = `${v.protocol} ${address}:${port}`;
      const other = seen.get(key);
      if (other !== undefined)
        error(v.place, `${key} is served twice`, `first at ${other.file}:${other.line}`);
      seen.set(key, v.place);
      if (port === 0) error(v.place, 'a virtual server on all ports is not supported yet');
      if (address.includes(':')) error(v.place, `${address}: IPv6 is not supported yet`);
    }
  }
};

export const crossChecks = (config: Config, report: Report): void => {
  const at = (place: Place) => ({ place, length: 1 });
  const error: Say = (place, message, hint) =>
    report.add('error', 'KS_CONF_CHECK', at(place), message, { hint });
  const warn: Say = (place, message, hint) =>
    report.add('warning', 'KS_CONF_CHECK', at(place), message, { hint });
  const { keepalived, dpvs } = config;
  const vrids = new Map<string, string>();
  const names = new Set<string>();
  for (const i of keepalived.vrrpInstances) {
    checkInstance(config, i, error, warn);
    const key = `${i.interface} ${i.vrid}`;
    const other = vrids.get(key);
    if (other !== undefined)
      error(i.place, `${i.name} and ${other} have virtual_router_id ${i.vrid} on ${i.interface}`);
    vrids.set(key, i.name);
    if (names.has(i.name)) error(i.place, `vrrp_instance ${i.name} is there twice`);
    names.add(i.name);
  }
  for (const g of keepalived.vrrpSyncGroups)
    for (const m of g.members)
      if (!names.has(m))
        error(g.place, `vrrp_sync_group ${g.name}: there is no vrrp_instance ${m}`);
  for (const g of keepalived.localAddressGroups)
    for (const a of g.addresses) {
      if (!dpvs.devices.some((d) => d.name === a.device))
        error(g.place, `local address ${a.address}: ${a.device} is no device of dpvs.conf`);
      if (a.address.includes(':')) error(g.place, `${a.address}: IPv6 is not supported yet`);
    }
  checkVirtualServers(config, error);
};
