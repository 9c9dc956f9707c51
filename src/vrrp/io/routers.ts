/**
 * All virtual routers of the process: one driver for each group. Packets, link changes and the data
 * plane's answers go to the members they concern; effects go to the outbox, reports to the clients.
 */
import { type Clock, type Driver, drive } from '../../kernel/driver.js';
import type { JournalHook } from '../../kernel/journal.js';
import { decodeIpv4, parseIpv4 } from '../../net/ipv4.js';
import { sendError } from '../advice.js';
import { groupState, type PlannedGroup, planGroups, sameMembers } from '../groups.js';
import { heardLog } from '../heard-log.js';
import { type RouterId, routerId } from '../identity.js';
import type { LeaseAnswer, LeaseRequest } from '../lease-batch.js';
import type {
  FromVrrp,
  InstanceConfig,
  InstanceCounters,
  InstanceState,
  LogFields,
  LogLevel,
  SyncGroupConfig,
  ToVrrp,
  Vip,
  VrrpState,
} from '../messages.js';
import { peekVrid } from '../packet.js';
import { advertDatagrams } from '../send.js';
import {
  type Effect,
  type Input,
  initial,
  restore,
  type Service,
  type State,
  view,
  vipKey,
} from '../state.js';
import type { Saved } from '../state-file.js';
import { type GroupState, type MemberEffect, type MemberInput, syncGroup } from '../syncgroup.js';
import type { Link, LinkWatch } from './links.js';
import { outbox } from './outbox.js';
import { type Sockets, sockets } from './sockets.js';
import type { TransportFactory } from './transport.js';

export type Log = (level: LogLevel, msg: string, fields: LogFields) => void;

export interface RoutersOptions {
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  readonly factory: TransportFactory;
  readonly watchLinks: (onChange: (name: string, link: Link) => void) => LinkWatch;
  readonly leases: (requests: readonly LeaseRequest[]) => void;
  readonly garp: (vip: Vip, repeat: number) => void;
  readonly report: (message: FromVrrp) => void;
  readonly log: Log;
  /** A packet was read. */
  readonly onInput: () => void;
  /** The state file is out of date. */
  readonly onChange: () => void;
  /** The journal of one group. */
  readonly journal: (unit: RouterId) => JournalHook<GroupState, MemberInput>;
}

export interface Routers {
  readonly configure: (m: Extract<ToVrrp, { type: 'configure' }>) => void;
  readonly serviceable: (m: Extract<ToVrrp, { type: 'serviceable' }>) => void;
  readonly priorityDelta: (id: RouterId, delta: number) => void;
  /** Connected to the data plane with that boot id; null: it is away. */
  readonly dataplane: (bootId: string | null, reason: string) => void;
  readonly answer: (a: LeaseAnswer) => void;
  readonly slept: (ms: number) => void;
  /** Goes on where another process ended. */
  readonly restore: (saved: Saved) => void;
  readonly saved: () => Saved;
  readonly states: () => FromVrrp;
  readonly counters: () => Readonly<Record<RouterId, InstanceCounters>>;
  /** The shortest interval of an active router: how long the data plane's answer may take. */
  readonly patienceMs: () => number;
  /** Yields everything; resolves when nothing is held any more. */
  readonly stop: (reason: string) => Promise<void>;
  /** Sends what waits to be sent. */
  readonly flush: () => void;
}

interface Unit {
  readonly plan: PlannedGroup;
  readonly driver: Driver<GroupState, MemberInput>;
}

const leastPatienceMs = 100;

/** The configured source, or the first address that is not virtual; an owner's is both. */
function sourceOf(c: InstanceConfig, link: Link): ReturnType<typeof parseIpv4> {
  if (c.sourceAddress !== null) return parseIpv4(c.sourceAddress);
  const virtual = new Set([...c.addresses, ...c.excludedAddresses]);
  const first = link.addresses.find((a) => c.priority === 255 || !virtual.has(a));
  return first === undefined ? null : parseIpv4(first);
}

export function routers(o: RoutersOptions): Routers {
  const units = new Map<RouterId, Unit>();
  /** Where a router lives now. */
  const homes = new Map<RouterId, Unit>();
  /** Removed from the configuration; they yield first. */
  const leaving = new Map<RouterId, Unit>();
  /** Of the last transition: wall clock, and the state before it. */
  const since = new Map<RouterId, { readonly at: number; readonly previous: VrrpState }>();
  const services = new Map<RouterId, Service>();
  const deltas = new Map<RouterId, number>();
  const troubles = new Map<string, string>();
  const dirty = new Set<RouterId>();
  let reporting = false;
  let dataplane: { readonly bootId: string | null; readonly reason: string } | null = null;
  let current: { revision: number; syncGroups: readonly SyncGroupConfig[] } = {
    revision: 0,
    syncGroups: [],
  };
  let stopped = false;

  const unitOf = (id: RouterId): Unit | undefined => homes.get(id) ?? leaving.get(id);
  const memberOf = (id: RouterId): State | undefined => unitOf(id)?.driver.state().members[id];
  const feed = (id: RouterId, input: Input): void =>
    unitOf(id)?.driver.feed({ type: 'member', member: id, input });
  const everywhere = (input: Input): void => {
    for (const id of [...homes.keys(), ...leaving.keys()]) feed(id, input);
  };

  const heard = heardLog(o.clock, (_key, line) =>
    o.log('info', line.msg, line.repeated === 0 ? {} : { repeated: line.repeated }),
  );

  /** Each trouble of an interface once, until it is over or another. */
  const complain = (name: string, msg: string | null): void => {
    const before = troubles.get(name);
    if (msg === null) troubles.delete(name);
    else troubles.set(name, msg);
    if (msg !== null && msg !== before) o.log('error', msg, {});
  };

  const net: Sockets = sockets(
    o.factory,
    (name, packet) => {
      o.onInput();
      const ip = decodeIpv4(packet);
      const vrid = ip.ok ? peekVrid(ip.value.payload) : null;
      // Not one of ours: another VRRP domain may share the link.
      if (vrid !== null)
        feed(routerId({ interface: name, vrid, family: 'inet' }), {
          type: 'packet',
          bytes: packet,
        });
    },
    (name, reason) => {
      complain(name, `socket on ${name}: ${reason}`);
      links.again(name);
    },
  );

  const box = outbox({
    leases: o.leases,
    garp: o.garp,
    send: net.send,
    onSendFailed: (id, error) => feed(id, { type: 'sendFailed', reason: sendError(error) }),
    held: () => {
      const keys = new Set<string>();
      for (const id of homes.keys()) {
        const s = memberOf(id);
        if (s?.phase.tag === 'active') for (const v of s.config.vips) keys.add(vipKey(v));
      }
      return keys;
    },
    onReleased: (id) => feed(id, { type: 'leaseReleased' }),
  });

  const stateOf = (id: RouterId, s: State): InstanceState => {
    const { state, ...shown } = view(s);
    const { interface: name, vrid, family } = s.config;
    const last = since.get(id) ?? { at: o.wallClock(), previous: 'initialize' };
    return {
      id,
      interface: name,
      vrid,
      family,
      name: s.config.name,
      state,
      previous: last.previous,
      since: last.at,
      ...shown,
    };
  };
  const reportDirty = (): void => {
    reporting = false;
    const instances = [...dirty].flatMap((id) => {
      const s = homes.has(id) ? memberOf(id) : undefined;
      return s === undefined ? [] : [stateOf(id, s)];
    });
    dirty.clear();
    if (instances.length > 0) o.report({ type: 'states', whole: false, instances });
  };
  /** As the state file has it. */
  const wasActive = new Map<RouterId, boolean>();
  const isToResume = (s: State | undefined): boolean =>
    s !== undefined && (s.phase.tag === 'active' || s.resume !== null);
  const markChanged = (id: RouterId, isMove: boolean): void => {
    dirty.add(id);
    // What adverts change is none of its business: it is not written at a peer's pace.
    const isActive = isToResume(memberOf(id));
    if (isMove || wasActive.get(id) !== isActive) {
      wasActive.set(id, isActive);
      o.onChange();
    }
    if (stopped || leaving.has(id)) setImmediate(() => afterYield(id));
    if (reporting) return;
    reporting = true;
    setImmediate(reportDirty);
  };

  const perform = (id: RouterId, s: State, effect: Effect): void => {
    switch (effect.type) {
      case 'advertise':
        box.advert(id, s.config.interface, advertDatagrams(s, effect.priority));
        break;
      case 'renewLease':
        box.lease({ kind: 'renew', id, vips: effect.vips, ms: effect.ms });
        break;
      case 'releaseLease':
        box.lease({ kind: 'release', id, vips: effect.vips, ms: 0 });
        break;
      case 'queryLease':
        box.lease({ kind: 'query', id, vips: effect.vips, ms: 0 });
        break;
      case 'garp':
        box.garp(effect.vips, effect.repeat);
        break;
      case 'transition':
        since.set(id, { at: o.wallClock(), previous: effect.from });
        markChanged(id, true);
        break;
      case 'changed':
        markChanged(id, false);
        break;
      case 'log':
        if (effect.heard === null) o.log(effect.level, effect.msg, effect.fields);
        else heard(`${id} ${effect.heard}`, effect.msg);
        break;
    }
  };

  const start = (plan: PlannedGroup, group: GroupState): Unit => {
    const driver = drive<GroupState, MemberInput, MemberEffect>({
      machine: syncGroup,
      initial: group,
      clock: o.clock,
      perform: ({ member, effect }, state) => {
        const s = state.members[member];
        if (s !== undefined) perform(member, s, effect);
      },
      journal: o.journal(plan.key),
    });
    return { plan, driver };
  };

  /** The socket first, so that a router that begins can listen. */
  const surroundings = (name: string, link: Link): void => {
    const all = [...homes.values(), ...leaving.values()];
    const here = [...new Set(all)]
      .flatMap((u) => u.plan.instances)
      .filter((c) => c.interface === name);
    const groups = new Set(
      here.filter((c) => c.unicastPeers.length === 0).map((c) => c.multicastGroup),
    );
    const failure = net.ensure(name, link, [...groups].sort());
    const trouble = failure === null ? null : `cannot open a socket on ${name}: ${failure}`;
    complain(name, trouble);
    if (trouble !== null) links.again(name);
    for (const c of here) {
      const id = routerId(c);
      feed(id, { type: 'sourceAddress', address: sourceOf(c, link) });
      feed(id, {
        type: 'interface',
        up: link.up && trouble === null,
        reason: trouble ?? link.reason,
      });
    }
  };
  const links = o.watchLinks(surroundings);

  const closeUnused = (): void => {
    const used = new Set(
      [...homes.keys(), ...leaving.keys()].flatMap((id) => memberOf(id)?.config.interface ?? []),
    );
    for (const name of net.names()) if (!used.has(name)) net.drop(name);
    links.watch(used);
  };

  /** Gone once it has yielded. */
  const dismiss = (id: RouterId): void => {
    const unit = leaving.get(id);
    if (unit === undefined || unit.driver.state().members[id]?.phase.tag !== 'stopped') return;
    box.flush();
    unit.driver.stop();
    leaving.delete(id);
    closeUnused();
  };

  const isHeld = (id: RouterId): boolean => (memberOf(id)?.phase.tag ?? 'stopped') !== 'stopped';
  let allYielded: () => void = () => undefined;
  const afterYield = (id: RouterId): void => {
    dismiss(id);
    if (stopped && ![...homes.keys(), ...leaving.keys()].some(isHeld)) allYielded();
  };

  /** Alone, so that its former sync group does not follow it. */
  const remove = (c: InstanceConfig, state: State): void => {
    const id = routerId(c);
    const plan: PlannedGroup = { key: id, name: c.name, instances: [c] };
    leaving.set(
      id,
      start(
        plan,
        groupState(plan, () => state),
      ),
    );
    homes.delete(id);
    since.delete(id);
    wasActive.delete(id);
    services.delete(id);
    deltas.delete(id);
    feed(id, { type: 'shutdown', reason: 'removed from the configuration' });
  };

  /** A router that comes back while it yields ends its yield at once and begins anew. */
  const finishLeaving = (wanted: ReadonlySet<RouterId>): void => {
    for (const id of [...leaving.keys()]) {
      if (!wanted.has(id)) continue;
      feed(id, { type: 'leaseReleased' });
      dismiss(id);
    }
  };

  /** Groups whose members stay keep their driver; members that moved take their state along. */
  const regroup = (
    planned: readonly PlannedGroup[],
    fresh: (c: InstanceConfig) => State,
    known: (id: RouterId) => State | undefined,
  ): void => {
    const next = planned.map((plan): Unit => {
      const old = units.get(plan.key);
      return old !== undefined && sameMembers(old.driver.state(), plan)
        ? { plan, driver: old.driver }
        : start(plan, groupState(plan, known, fresh));
    });
    const kept = new Set(next.map((u) => u.driver));
    for (const u of units.values()) if (!kept.has(u.driver)) u.driver.stop();
    units.clear();
    homes.clear();
    for (const u of next) {
      units.set(u.plan.key, u);
      for (const c of u.plan.instances) homes.set(routerId(c), u);
    }
  };

  /** What a new router has missed. */
  const brief = (id: RouterId): void => {
    const service = services.get(id) ?? null;
    const delta = deltas.get(id);
    if (delta !== undefined) feed(id, { type: 'priorityDelta', delta });
    feed(id, { type: 'serviceable', service });
    if (dataplane !== null) feed(id, { type: 'dataplane', ...dataplane });
  };

  const apply = (
    instances: readonly InstanceConfig[],
    syncGroups: readonly SyncGroupConfig[],
    fresh: (c: InstanceConfig) => State,
  ): void => {
    const wanted = new Set(instances.map(routerId));
    finishLeaving(wanted);
    const before = new Map([...homes.keys()].map((id) => [id, memberOf(id)]));
    // Drivers stop before a member goes on elsewhere; the removed ones go on alone.
    for (const [id, state] of before)
      if (!wanted.has(id) && state !== undefined) remove(state.config, state);
    regroup(planGroups(instances, syncGroups), fresh, (id) => before.get(id));
    for (const c of instances) {
      const id = routerId(c);
      feed(id, { type: 'configure', config: c });
      if (!before.has(id)) brief(id);
      feed(id, { type: 'startup' });
    }
    closeUnused();
    // An instance that is new on a known interface has missed what was reported of it.
    for (const name of new Set(instances.map((c) => c.interface)))
      surroundings(name, links.get(name));
    o.onChange();
  };

  const states = (): FromVrrp => ({
    type: 'states',
    whole: true,
    instances: [...homes.keys()].flatMap((id) => {
      const s = memberOf(id);
      return s === undefined ? [] : [stateOf(id, s)];
    }),
  });

  return {
    configure: ({ revision, instances, syncGroups }) => {
      if (stopped) return;
      current = { revision, syncGroups };
      apply(instances, syncGroups, initial);
      o.report(states());
      o.report({ type: 'configured', revision });
    },
    serviceable: ({ bootId, whole, instances }) => {
      // The controller has no data plane; that is no news about ours.
      if (bootId === null) return;
      // Of what is not named nothing is known: what was reported last holds, for its data plane.
      const named = new Set(instances.map((i) => i.id));
      if (whole)
        for (const id of [...services.keys()])
          if (!named.has(id) && !homes.has(id)) services.delete(id);
      for (const { id, ok, reason } of instances) {
        const service = { bootId, ok, reason };
        services.set(id, service);
        feed(id, { type: 'serviceable', service });
      }
      o.onChange();
    },
    priorityDelta: (id, delta) => {
      deltas.set(id, delta);
      feed(id, { type: 'priorityDelta', delta });
      o.onChange();
    },
    dataplane: (bootId, reason) => {
      dataplane = { bootId, reason };
      everywhere({ type: 'dataplane', bootId, reason });
    },
    answer: ({ id, input }) => feed(id, input),
    slept: (ms) => everywhere({ type: 'slept', ms }),
    restore: (saved) => {
      const known = new Map(saved.routers.map((r) => [r.id, r]));
      current = { revision: saved.revision, syncGroups: saved.syncGroups };
      for (const r of saved.routers) {
        if (r.service !== null) services.set(r.id, r.service);
        deltas.set(r.id, r.delta);
        if (r.wasActive) since.set(r.id, { at: r.since, previous: 'backup' });
      }
      const now = o.clock.now();
      apply(saved.instances, saved.syncGroups, (c) => {
        const r = known.get(routerId(c));
        return r === undefined ? initial(c) : restore(c, r, now);
      });
    },
    saved: () => ({
      revision: current.revision,
      syncGroups: current.syncGroups,
      instances: [...homes.keys()].flatMap((id) => memberOf(id)?.config ?? []),
      routers: [...homes.keys()].flatMap((id) => {
        const s = memberOf(id);
        if (s === undefined) return [];
        const at = since.get(id)?.at ?? o.wallClock();
        return [
          {
            id,
            wasActive: isToResume(s),
            since: at,
            delta: s.delta,
            service: services.get(id) ?? null,
          },
        ];
      }),
    }),
    states,
    counters: () =>
      Object.fromEntries(
        [...homes.keys()].flatMap((id) => {
          const s = memberOf(id);
          return s === undefined ? [] : [[id, s.counters]];
        }),
      ),
    patienceMs: () => {
      let shortest = Number.POSITIVE_INFINITY;
      for (const id of homes.keys()) {
        const s = memberOf(id);
        if (s?.phase.tag === 'active') shortest = Math.min(shortest, s.config.advertMs);
      }
      return Math.max(leastPatienceMs, shortest);
    },
    stop: async (reason) => {
      stopped = true;
      everywhere({ type: 'shutdown', reason });
      await new Promise<void>((resolve) => {
        allYielded = resolve;
        setImmediate(afterYield, '');
      });
      box.flush();
      links.stop();
      for (const u of [...units.values(), ...leaving.values()]) u.driver.stop();
      for (const name of net.names()) net.drop(name);
    },
    flush: box.flush,
  };
}
