/**
 * From facts to everything that shall be: one pure function. First start, reload, a server that fails, a reconnect and the end of the node
 * all go through here; diff.ts turns two plans into what must be done.
 */

import type { StaticAddress, StaticRoute, VrrpInstance } from '../config/keepalived/types.js';
import { stateNames } from '../dataplane/codec.js';
import {
  type AddressEntry,
  addressKey,
  type ParamName,
  type Snapshot,
  serviceKey,
} from '../dataplane/snapshot.js';
import type { VirtualServerConfig } from '../healthcheck/types.js';
import { endpoint } from '../net/endpoint.js';
import type { Facts } from './facts.js';
import { healthPlan } from './health-input.js';
import { withRuntime } from './runtime/merge.js';
import { endpoints, hasQuorum, servicesOf } from './services.js';
import { deviceOf, type VrrpPlan, vrrpPlan } from './vrrp-input.js';

export interface Serviceable {
  readonly ok: boolean;
  readonly reason: string;
}

export interface KernelPlan {
  readonly addresses: readonly StaticAddress[];
  readonly routes: readonly StaticRoute[];
}

export interface Plan {
  readonly snapshot: Snapshot;
  readonly vrrp: VrrpPlan;
  readonly health: readonly VirtualServerConfig[];
  /** Checks go through the data plane's kernel interfaces; without it they would say nothing about the servers. */
  readonly checksRest: boolean;
  /** By instance: may it hold its addresses (law 4)? */
  readonly serviceable: ReadonlyMap<string, Serviceable>;
  /** By instance which holds its addresses: the generation that has them all, once acknowledged. */
  readonly taken: ReadonlyMap<string, number>;
  /** Some instance holds addresses: the lease must run. */
  readonly lease: boolean;
  /** Addresses and routes for the kernel interfaces; null while they do not exist. */
  readonly kernel: KernelPlan | null;
}

const vipsOf = (f: Facts, i: VrrpInstance): readonly AddressEntry[] => {
  const own = deviceOf(f.config, i);
  const isDevice = (name: string): boolean => f.config.dpvs.devices.some((d) => d.name === name);
  const kniOwner = (name: string): string | undefined =>
    f.config.dpvs.devices.find((d) => d.kniName === name)?.name;
  return [...i.virtualAddresses, ...i.excludedAddresses].flatMap((a) => {
    const named = a.dev === null ? own : isDevice(a.dev) ? a.dev : (kniOwner(a.dev) ?? own);
    if (named === null) return [];
    const { address, prefixLength } = a;
    return [{ device: named, address, prefixLength, leased: true, local: false }];
  });
};

/** Why the quorum forbids an address: every virtual server on it has lost its own. */
const lostQuorum = (f: Facts, address: string): string | null => {
  const here = f.config.keepalived.virtualServers.filter((v) =>
    endpoints(f.config, v).some((e) => e.address === address),
  );
  if (here.length === 0 || here.some((v) => hasQuorum(f, v) || v.sorryServer !== null)) return null;
  return `every virtual server on ${address} has lost its quorum`;
};

const serviceable = (f: Facts, i: VrrpInstance, wanted: Snapshot): Serviceable => {
  const no = (reason: string): Serviceable => ({ ok: false, reason });
  if (f.stopping) return no('the node is stopping');
  if (deviceOf(f.config, i) === null)
    return no(`${i.interface} belongs to no device of dpvs.conf and there is no dpdk_interface`);
  if (f.dataplane.state !== 'up') return no(`data plane: ${f.dataplane.reason}`);
  const { acked, rejected } = f.dataplane;
  if (acked === null)
    return no(
      rejected === null
        ? 'the data plane has not acknowledged a generation yet'
        : `the data plane refuses the configuration: ${rejected}`,
    );
  const addresses = new Set(vipsOf(f, i).map((a) => a.address));
  const served = new Set(acked.snapshot.services.map(serviceKey));
  const missing = wanted.services.find(
    (s) => addresses.has(s.address) && !served.has(serviceKey(s)),
  );
  if (missing !== undefined)
    return no(
      `${missing.protocol} ${endpoint(missing.address, missing.port)} is in no acknowledged generation`,
    );
  for (const address of addresses) {
    const lost = lostQuorum(f, address);
    if (lost !== null) return no(lost);
  }
  return { ok: true, reason: `generation ${acked.generation} serves its addresses` };
};

const params = (f: Facts): Readonly<Partial<Record<ParamName, number>>> => {
  const { dpvs, keepalived } = f.config;
  const { tcpMs, tcpFinMs, udpMs } = keepalived.globalDefs.lvsTimeouts;
  return {
    ...dpvs.timeoutsMs,
    defaultTtl: dpvs.defaultTtl,
    neighbourTimeout: dpvs.neighbourTimeoutMs,
    maglevSize: dpvs.maglevSize,
    reuseStates: dpvs.reuseStates.reduce((bits, s) => bits | (1 << stateNames.indexOf(s)), 0),
    resetExpired: dpvs.resetExpired ? 1 : 0,
    ...(tcpMs === null ? {} : { tcpEstablished: tcpMs }),
    ...(tcpFinMs === null ? {} : { tcpFinWait: tcpFinMs }),
    ...(udpMs === null ? {} : { udpNormal: udpMs, udpOneway: udpMs }),
  };
};

const holds = (f: Facts, i: VrrpInstance): boolean =>
  !f.stopping && f.vrrp.get(i.name)?.holds === true;

const takenIn = (f: Facts, i: VrrpInstance): number | null => {
  if (f.dataplane.state !== 'up' || f.dataplane.acked === null || !holds(f, i)) return null;
  const { generation, snapshot } = f.dataplane.acked;
  const there = new Set(snapshot.addresses.map(addressKey));
  return vipsOf(f, i).every((a) => there.has(addressKey(a))) ? generation : null;
};

/** `before` spares work: what follows from the configuration alone is taken over while that is the same. */
export const plan = (
  f: Facts,
  before: { readonly facts: Facts; readonly plan: Plan } | null,
): Plan => {
  const { keepalived } = f.config;
  const instances = keepalived.vrrpInstances;
  const sameConfig = before !== null && before.facts.config === f.config;
  const files: Snapshot = {
    addresses: instances.filter((i) => holds(f, i)).flatMap((i) => vipsOf(f, i)),
    routes: [],
    neighbours: [],
    services: keepalived.virtualServers.flatMap((v) => servicesOf(f, v)),
    params: params(f),
  };
  const snapshot = withRuntime(files, f.config, f.runtime);
  const taken = instances.flatMap((i) => {
    const generation = takenIn(f, i);
    return generation === null ? [] : [[i.name, generation] as const];
  });
  return {
    snapshot,
    vrrp: sameConfig ? before.plan.vrrp : vrrpPlan(f.config),
    health:
      sameConfig && before.facts.adopted === f.adopted
        ? before.plan.health
        : healthPlan(f.config, f.adopted),
    checksRest: f.dataplane.state !== 'up',
    serviceable: new Map(instances.map((i) => [i.name, serviceable(f, i, files)])),
    taken: new Map(taken),
    lease: instances.some((i) => holds(f, i)),
    kernel:
      f.dataplane.state === 'up'
        ? sameConfig && before.plan.kernel !== null
          ? before.plan.kernel
          : { addresses: keepalived.staticAddresses, routes: keepalived.staticRoutes }
        : null,
  };
};
