/**
 * From facts to everything that is desired: one pure function. First start, reload, a server that
 * fails and a reconnect all go through here; diff.ts turns two plans into effects.
 *
 * Planning costs what changed. What follows from the configuration alone is kept with it
 * (config-index.ts); of the services only those are made anew whose health is another value than in
 * the facts before, and all others are the same references, so that nothing later looks at them.
 */
import type { StaticAddress, StaticRoute } from '../config/keepalived/types.js';
import { stateNames } from '../dataplane/codec.js';
import {
  digestAfter,
  type ParamName,
  type ServiceEntry,
  type Snapshot,
} from '../dataplane/snapshot.js';
import { changedKeys } from '../kernel/persistent-map.js';
import type { RouterId } from '../vrrp/identity.js';
import { type ConfigIndex, type IndexedInstance, indexOf } from './config-index.js';
import { type Facts, settledConfig } from './facts.js';
import { type HealthPlan, healthPlan } from './health-input.js';
import { type LiveRuntime, liveRuntime, withRuntime } from './runtime/merge.js';
import { hasQuorum, servicesOf } from './services.js';
import { type VrrpPlan, vrrpPlan } from './vrrp-input.js';

export interface Serviceable {
  readonly ok: boolean;
  readonly reason: string;
}

export interface KernelPlan {
  readonly addresses: readonly StaticAddress[];
  readonly routes: readonly StaticRoute[];
}

export interface Plan {
  /** Of the newest configuration; all else is of the one that was accepted last. */
  readonly snapshot: Snapshot;
  readonly vrrp: VrrpPlan;
  readonly health: HealthPlan;
  /**
   * By instance: whether the data plane serves its addresses (law 4). null: unknown, because nothing
   * was acknowledged or refused yet by the data plane that is there.
   */
  readonly serviceable: ReadonlyMap<RouterId, Serviceable | null>;
  /**
   * Addresses and routes for the kernel interfaces; null while these do not exist, or nothing was
   * accepted yet: what an earlier controller set must not go for files that are refused.
   */
  readonly kernel: KernelPlan | null;
  /** Parts of the snapshot, for the next plan. */
  readonly files: readonly ServiceEntry[];
  readonly runtime: LiveRuntime;
}

/** The facts and the plan before; what they share with the new facts is not planned again. */
export interface Before {
  readonly facts: Facts;
  readonly plan: Plan;
}

// ---- may an instance hold its addresses?

const no = (reason: string): Serviceable => ({ ok: false, reason });

/** Only where the file says so (track_quorum): a quorum is the affair of its service. */
const tracksQuorum = ({ instance }: IndexedInstance): boolean => instance.trackQuorum;

/** Why the quorum forbids an address: every virtual server on it has lost its own. */
const lostQuorum = (f: Facts, index: ConfigIndex, address: string): string | null => {
  const here = index.onAddress.get(address) ?? [];
  if (here.length === 0) return null;
  if (here.some(({ v }) => v.sorryServer !== null || hasQuorum(f, v))) return null;
  return `every virtual server on ${address} has lost its quorum`;
};

const lostOf = (f: Facts, index: ConfigIndex, x: IndexedInstance): string | null => {
  for (const { address } of x.vips) {
    const lost = lostQuorum(f, index, address);
    if (lost !== null) return lost;
  }
  return null;
};

/**
 * Of an instance that no acknowledged generation has served yet. Nothing is reported of it until the
 * data plane has refused one that had it: an active router waits for that within its grace, and the
 * others of its sync group are not taken along.
 */
const notServed = ({ dataplane: d }: Facts): Serviceable | null =>
  d.state !== 'up' || d.acked !== null || d.found > 0 || d.rejected === null
    ? null
    : no(`the data plane refuses the configuration: ${d.rejected}`);

/** What is held stays held: an instance that was served once stays so while it is changed. */
const serviceableOf = (f: Facts, index: ConfigIndex, x: IndexedInstance): Serviceable | null => {
  const { interface: name } = x.instance;
  if (x.device === null)
    return no(`${name} belongs to no device of dpvs.conf and there is no dpdk_interface`);
  if (!f.served.instances.has(x.id)) return notServed(f);
  const lost = tracksQuorum(x) ? lostOf(f, index, x) : null;
  return lost === null
    ? { ok: true, reason: `generation ${f.served.generation} serves its addresses` }
    : no(lost);
};

const sameVerdict = (a: Serviceable | null | undefined, b: Serviceable | null): boolean =>
  a === b || (a != null && b !== null && a.ok === b.ok && (b.ok || a.reason === b.reason));

const serviceable = (f: Facts, index: ConfigIndex, before: Before | null): Plan['serviceable'] => {
  const old = before?.plan.serviceable;
  const next = new Map<RouterId, Serviceable | null>();
  let same = old !== undefined && old.size === index.routers.size;
  for (const [id, x] of index.routers) {
    const verdict = serviceableOf(f, index, x);
    const kept = old?.get(id);
    const isKept = kept !== undefined && sameVerdict(kept, verdict);
    same = same && isKept;
    next.set(id, isKept ? kept : verdict);
  }
  return same && old !== undefined ? old : next;
};

// ---- the snapshot

const params = ({ dpvs, keepalived }: Facts['config']): Snapshot['params'] => {
  const { tcpMs, tcpFinMs, udpMs } = keepalived.globalDefs.lvsTimeouts;
  const all: Partial<Record<ParamName, number>> = {
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
  return all;
};

/** Services of the files; those of unchanged virtual servers are the references of before. */
const fileServices = (
  f: Facts,
  index: ConfigIndex,
  before: Before | null,
): readonly ServiceEntry[] => {
  if (before === null || before.facts.config !== f.config)
    return index.virtualServers.flatMap((x) => servicesOf(f, x));
  const old = before.plan.files;
  let services: ServiceEntry[] | null = null;
  for (const id of changedKeys(before.facts.health, f.health)) {
    const x = index.virtualServer.get(id);
    for (const [i, s] of x === undefined ? [] : servicesOf(f, x).entries()) {
      const at = (x?.offset ?? 0) + i;
      if (old[at] === s) continue;
      services ??= old.slice();
      services[at] = s;
    }
  }
  return services ?? old;
};

const snapshotOf = (
  f: Facts,
  index: ConfigIndex,
  files: readonly ServiceEntry[],
  runtime: LiveRuntime,
  before: Before | null,
): Snapshot => {
  const sameConfig = before !== null && before.facts.config === f.config;
  if (sameConfig && before.plan.files === files && before.plan.runtime === runtime)
    return before.plan.snapshot;
  const own: Snapshot = {
    addresses: index.vips,
    routes: [],
    neighbours: [],
    services: files,
    params: params(f.config),
  };
  const snapshot = withRuntime(own, f.config, runtime);
  if (before !== null) digestAfter(before.plan.snapshot, snapshot);
  return snapshot;
};

export const plan = (f: Facts, before: Before | null): Plan => {
  const settled = settledConfig(f);
  const sameSettled = before !== null && settledConfig(before.facts) === settled;
  const sameConfig = before !== null && before.facts.config === f.config;
  const files = fileServices(f, indexOf(f.config), before);
  const runtime = liveRuntime(f.config, f.runtime, sameConfig ? before.plan.runtime : null);
  const isUp = f.dataplane.state === 'up';
  const { staticAddresses: addresses, staticRoutes: routes } = settled.keepalived;
  return {
    snapshot: snapshotOf(f, indexOf(f.config), files, runtime, before),
    vrrp: sameSettled ? before.plan.vrrp : vrrpPlan(settled),
    health: healthPlan(f, before?.plan.health ?? null),
    serviceable: serviceable(f, indexOf(settled), before),
    kernel:
      !isUp || f.accepted === null
        ? null
        : sameSettled && before.plan.kernel !== null
          ? before.plan.kernel
          : { addresses, routes },
    files,
    runtime,
  };
};
