/** What the files own. A command that would touch it is refused with the place, so that a reload never finds two authors of one object. */
import type { Config } from '../../config/config.js';
import type { Place } from '../../config/diagnostics.js';
import { serviceKey } from '../../dataplane/snapshot.js';
import { deviceOf, indexOf } from '../config-index.js';

export interface OwnedAddress {
  readonly device: string | null;
  /** `virtual_ipaddress of wan`, `local_address_group lips` */
  readonly what: string;
  readonly where: string;
}

export interface Owners {
  /** By `serviceKey`: FILE:LINE. */
  readonly services: ReadonlyMap<string, string>;
  readonly addresses: ReadonlyMap<string, OwnedAddress>;
}

const where = (p: Place): string => `${p.file}:${p.line}`;

const reckon = (config: Config): Owners => {
  const { vrrpInstances, localAddressGroups } = config.keepalived;
  const services = new Map<string, string>();
  for (const { v, endpoints } of indexOf(config).virtualServers)
    for (const { address, port } of endpoints)
      services.set(serviceKey({ protocol: v.protocol, address, port }), where(v.place));
  const addresses = new Map<string, OwnedAddress>();
  for (const i of vrrpInstances)
    for (const a of [...i.virtualAddresses, ...i.excludedAddresses])
      addresses.set(a.address, {
        device: a.dev ?? deviceOf(config, i),
        what: `a virtual_ipaddress of ${i.name}`,
        where: where(a.place),
      });
  for (const g of localAddressGroups)
    for (const a of g.addresses)
      addresses.set(a.address, {
        device: a.device,
        what: `in local_address_group ${g.name}`,
        where: where(g.place),
      });
  return { services, addresses };
};

const known = new WeakMap<Config, Owners>();

/** A configuration never changes, so it is reckoned once. */
export const ownersOf = (config: Config): Owners => {
  const before = known.get(config);
  if (before !== undefined) return before;
  const owners = reckon(config);
  known.set(config, owners);
  return owners;
};
