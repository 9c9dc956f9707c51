/**
 * What is well formed and cannot work all the same: a service that nobody reaches, local addresses of
 * a network that is on no device, servers nobody checks, a cpu that is not there. Warnings, each
 * cause once. What depends on the machine comes in as a value; without it nothing is said of it.
 */
import { isIn } from '../net/prefix.js';
import type { Config } from './config.js';
import type { Place } from './diagnostics.js';
import type { VirtualServer } from './keepalived/types.js';
import type { Machine } from './machine.js';
import type { Report } from './text.js';

type Warn = (code: string, place: Place, message: string, hint: string) => void;

interface Prefix {
  readonly address: string;
  readonly prefixLength: number;
}

/** Kernel interfaces of devices by name, with the networks the files and the machine give them. */
const networksOf = (config: Config, machine: Machine | null): ReadonlyMap<string, Prefix[]> => {
  const networks = new Map<string, Prefix[]>(config.dpvs.devices.map((d) => [d.kniName, []]));
  for (const a of config.keepalived.staticAddresses) networks.get(a.dev)?.push(a);
  for (const i of machine?.interfaces ?? [])
    for (const a of i.addresses) networks.get(i.name)?.push(a);
  return networks;
};

/** Every address that the data plane will answer for. */
const heldAddresses = (config: Config, networks: ReadonlyMap<string, readonly Prefix[]>) => {
  const held = new Set<string>();
  for (const list of networks.values()) for (const a of list) held.add(a.address);
  for (const i of config.keepalived.vrrpInstances)
    for (const list of [i.virtualAddresses, i.excludedAddresses])
      for (const a of list) held.add(a.address);
  return held;
};

const targets = (config: Config): ((v: VirtualServer) => readonly string[]) => {
  const groups = new Map(config.keepalived.virtualServerGroups.map((g) => [g.name, g]));
  return ({ target }) => {
    switch (target.kind) {
      case 'address':
        return [target.address];
      case 'group':
        return groups.get(target.name)?.entries.map((e) => e.address) ?? [];
      default:
        return [];
    }
  };
};

const checkServices = (
  config: Config,
  networks: ReadonlyMap<string, readonly Prefix[]>,
  warn: Warn,
): void => {
  const held = heldAddresses(config, networks);
  const elsewhere = new Map(config.keepalived.staticAddresses.map((a) => [a.address, a.dev]));
  const kernel = [...networks.keys()].join(', ');
  const addressesOf = targets(config);
  for (const v of config.keepalived.virtualServers)
    for (const address of addressesOf(v)) {
      if (held.has(address)) continue;
      held.add(address);
      const dev = elsewhere.get(address);
      if (dev === undefined)
        warn(
          'KS_CONF_REACH',
          v.place,
          `nobody reaches ${address}: it is in no virtual_ipaddress and on no interface`,
          `add it to a vrrp_instance, or to static_ipaddress on one of ${kernel}`,
        );
      else
        warn(
          'KS_CONF_REACH',
          v.place,
          `nobody reaches ${address}: it is on ${dev}, which belongs to no device`,
          `move it to one of ${kernel}`,
        );
    }
};

/** Servers that are in service whatever they answer, and those that have no port. */
const checkServers = (config: Config, warn: Warn): void => {
  for (const v of config.keepalived.virtualServers) {
    if (v.target.kind === 'match') continue;
    const unchecked = v.realServers.filter((r) => r.checkers.length === 0);
    const first = unchecked[0];
    if (first !== undefined)
      warn(
        'KS_CONF_UNCHECKED',
        first.place,
        unchecked.length === 1
          ? `${first.address} has no check: it is in service whether it answers or not`
          : `${unchecked.length} real servers have no check: they are in service whether they answer or not`,
        'TCP_CHECK { } asks whether the port is open',
      );
    const portless = v.realServers.find((r) => r.port === 0);
    if (portless !== undefined)
      warn(
        'KS_CONF_REACH',
        portless.place,
        `${portless.address} has no port`,
        'nothing answers on port 0; write ADDRESS PORT',
      );
  }
};

/** One warning for each device of a group, at the first address it does not fit. */
const checkLocals = (
  config: Config,
  networks: ReadonlyMap<string, readonly Prefix[]>,
  warn: Warn,
): void => {
  const kniOf = new Map(config.dpvs.devices.map((d) => [d.name, d.kniName]));
  for (const g of config.keepalived.localAddressGroups) {
    const lost = new Map<string, string>();
    for (const a of g.addresses) {
      const here = networks.get(kniOf.get(a.device) ?? '');
      const fits = here === undefined || here.some((n) => isIn(a.address, n));
      if (!fits && !lost.has(a.device)) lost.set(a.device, a.address);
    }
    for (const [device, address] of lost)
      warn(
        'KS_CONF_REACH',
        g.place,
        `local address ${address} is in no network of ${kniOf.get(device)}`,
        `answers to it may not find their way back; give ${kniOf.get(device)} an address of its network`,
      );
  }
};

const checkMachine = (config: Config, machine: Machine, warn: Warn): void => {
  const cpus = new Set(machine.cpus);
  const names = new Set(machine.interfaces.map((i) => i.name));
  for (const w of config.dpvs.workers)
    if (!cpus.has(w.cpuId))
      warn(
        'KS_CONF_MACHINE',
        w.place,
        `worker ${w.name}: this machine has no cpu ${w.cpuId}`,
        `it has ${machine.cpus.length === 1 ? 'cpu' : 'cpus'} ${rangesOf(machine.cpus)}`,
      );
  for (const d of config.dpvs.devices) {
    const name = /(?:^|,)iface=([^,]+)/.exec(d.devargs ?? '')?.[1];
    if (name !== undefined && !names.has(name))
      warn(
        'KS_CONF_MACHINE',
        d.place,
        `device ${d.name}: this machine has no interface ${name}`,
        `it has ${[...names].join(', ')}`,
      );
  }
};

/** `0-3, 6` */
const rangesOf = (numbers: readonly number[]): string => {
  const out: string[] = [];
  const sorted = [...numbers].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    out.push(end === i ? `${sorted[i]}` : `${sorted[i]}-${sorted[end]}`);
    i = end + 1;
  }
  return out.join(', ');
};

/** `dev` of a virtual address that names no device. */
const checkAddressDevices = (config: Config, machine: Machine | null, warn: Warn): void => {
  const known = new Set([
    ...config.dpvs.devices.flatMap((d) => [d.name, d.kniName]),
    ...(machine?.interfaces ?? []).map((i) => i.name),
    ...config.keepalived.vrrpInstances.map((i) => i.interface),
  ]);
  for (const i of config.keepalived.vrrpInstances)
    for (const list of [i.virtualAddresses, i.excludedAddresses])
      for (const a of list)
        if (a.dev !== null && !known.has(a.dev)) {
          known.add(a.dev);
          warn(
            'KS_CONF_REACH',
            a.place,
            `${a.address}: there is no interface ${a.dev}`,
            'dpvs.conf names the devices; NAME.kni is the kernel interface of device NAME',
          );
        }
};

export const reachability = (config: Config, machine: Machine | null, report: Report): void => {
  const warn: Warn = (code, place, message, hint) =>
    report.add('warning', code, { ...place, length: 1 }, message, { hint });
  const networks = networksOf(config, machine);
  checkServices(config, networks, warn);
  checkServers(config, warn);
  checkLocals(config, networks, warn);
  checkAddressDevices(config, machine, warn);
  if (machine !== null) checkMachine(config, machine, warn);
};
