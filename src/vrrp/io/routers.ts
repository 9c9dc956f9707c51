/**
 * All virtual routers of the process: one driver a group, packets and link changes handed to the members they concern,
 * effects turned into packets and messages.
 */
import { type Clock, type Driver, drive } from '../../kernel/driver.js';
import { decodeIpv4, parseIpv4 } from '../../net/ipv4.js';
import { groupState, identityOf, type PlannedGroup, planGroups, sameMembers } from '../groups.js';
import type { JournalLine } from '../journal.js';
import type { FromVrrp, ToVrrp } from '../legacy-messages.js';
import type { InstanceConfig, InstanceCounters, VrrpState } from '../messages.js';
import { peekVrid } from '../packet.js';
import { advertDatagrams } from '../send.js';
import { type Effect, type Input, type State, view } from '../state.js';
import { type GroupState, type MemberEffect, type MemberInput, syncGroup } from '../syncgroup.js';
import { type Link, watchLinks } from './links.js';
import { type Sockets, sockets } from './sockets.js';
import type { TransportFactory } from './transport.js';

export interface RoutersOptions {
  readonly clock: Clock;
  readonly factory: TransportFactory;
  readonly tell: (message: FromVrrp) => void;
  readonly journal: ((line: JournalLine) => void) | null;
}

export interface Routers {
  readonly configure: (m: Extract<ToVrrp, { type: 'configure' }>) => void;
  /** Hands an input to the instance of that name. */
  readonly feed: (instance: string, input: Input) => void;
  readonly feedAll: (input: Input) => void;
  readonly shutdown: (reason: string) => void;
  readonly counters: () => Readonly<Record<string, InstanceCounters>>;
}

interface Unit {
  readonly plan: PlannedGroup;
  readonly driver: Driver<GroupState, MemberInput>;
}

const allAddresses = (c: InstanceConfig): readonly string[] => [
  ...c.addresses,
  ...c.excludedAddresses,
];

/** The configured source, or the interface's first address that is not a virtual one; an owner's is both. */
function sourceOf(c: InstanceConfig, link: Link): ReturnType<typeof parseIpv4> {
  if (c.sourceAddress !== null) return parseIpv4(c.sourceAddress);
  const virtual = new Set(allAddresses(c));
  const first = link.addresses.find((a) => c.priority === 255 || !virtual.has(a));
  return first === undefined ? null : parseIpv4(first);
}

const why = (up: boolean, failure: string | null, name: string): string => {
  if (up) return `interface ${name} is running`;
  return failure === null ? `interface ${name} is down` : `no socket on ${name}: ${failure}`;
};

export function routers(o: RoutersOptions): Routers {
  const units = new Map<string, Unit>();
  /** Where an identity lives now. */
  const homes = new Map<string, Unit>();
  const byName = new Map<string, string>();
  /** Wall-clock time of the last transition. */
  const since = new Map<string, number>();
  const troubles = new Map<string, string>();
  let stopped = false;

  const memberOf = (identity: string): State | undefined =>
    homes.get(identity)?.driver.state().members[identity];

  const feedMember = (identity: string, input: Input): void =>
    homes.get(identity)?.driver.feed({ type: 'member', member: identity, input });

  /** Each trouble of an interface once, until it is over or another. */
  const complain = (name: string, msg: string | null): void => {
    const before = troubles.get(name);
    if (msg === null) troubles.delete(name);
    else troubles.set(name, msg);
    if (msg !== null && msg !== before)
      o.tell({ type: 'log', level: 'error', instance: null, msg, fields: {} });
  };

  const net: Sockets = sockets(
    o.factory,
    (name, packet) => {
      const ip = decodeIpv4(packet);
      const vrid = ip.ok ? peekVrid(ip.value.payload) : null;
      // Not one of ours: another VRRP domain may share the link.
      if (vrid !== null) feedMember(`${name} ${vrid}`, { type: 'packet', bytes: packet });
    },
    (name, reason) => {
      complain(name, `socket on ${name}: ${reason}`);
      links.again(name);
    },
  );

  const stateMessage = (identity: string, s: State, previous: VrrpState): FromVrrp => ({
    type: 'state',
    instance: s.config.name,
    interface: s.config.interface,
    vrid: s.config.vrid,
    previous,
    since: since.get(identity) ?? Date.now(),
    ...view(s),
  });

  const advertise = (identity: string, s: State, priority: number): void => {
    for (const datagram of advertDatagrams(s, priority)) {
      try {
        net.send(s.config.interface, datagram);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        feedMember(identity, { type: 'sendFailed', reason });
      }
    }
  };

  const perform = (identity: string, s: State, effect: Effect): void => {
    const instance = s.config.name;
    switch (effect.type) {
      case 'advertise':
        advertise(identity, s, effect.priority);
        break;
      case 'takeVips':
      case 'releaseVips':
        o.tell({ type: effect.type, instance, addresses: allAddresses(s.config) });
        break;
      case 'garp':
        o.tell({
          type: 'garp',
          instance,
          addresses: allAddresses(s.config),
          repeat: effect.repeat,
        });
        break;
      case 'transition':
        since.set(identity, Date.now());
        o.tell(stateMessage(identity, s, effect.from));
        break;
      case 'changed':
        o.tell(stateMessage(identity, s, view(s).state));
        break;
      case 'log':
        o.tell({ ...effect, instance });
        break;
    }
  };

  const start = (plan: PlannedGroup): Unit => {
    const initial = groupState(plan, memberOf);
    o.journal?.({ unit: plan.key, initial });
    const driver = drive<GroupState, MemberInput, MemberEffect>({
      machine: syncGroup,
      initial,
      clock: o.clock,
      perform: ({ member, effect }, group) => {
        const s = group.members[member];
        if (s !== undefined) perform(member, s, effect);
      },
      ...(o.journal === null ? {} : { journal: (entry) => o.journal?.({ unit: plan.key, entry }) }),
    });
    return { plan, driver };
  };

  /** The socket first, so that a router that begins can hear. */
  const surroundings = (name: string, link: Link): void => {
    const here = [...homes.values()]
      .flatMap((u) => u.plan.instances)
      .filter((c) => c.interface === name);
    const groups = new Set(
      here.filter((c) => c.unicastPeers.length === 0).map((c) => c.multicastGroup),
    );
    const failure = net.ensure(name, link, [...groups].sort());
    complain(name, failure === null ? null : `cannot open a socket on ${name}: ${failure}`);
    if (failure !== null) links.again(name);
    for (const c of here) {
      const identity = identityOf(c);
      feedMember(identity, { type: 'sourceAddress', address: sourceOf(c, link) });
      const up = link.up && failure === null;
      feedMember(identity, { type: 'interface', up, reason: why(up, failure, name) });
    }
  };

  const links = watchLinks(surroundings);

  const remove = (identity: string): void => {
    feedMember(identity, { type: 'shutdown', reason: 'removed from the configuration' });
    homes.delete(identity);
    since.delete(identity);
  };

  /** Groups whose members stay keep their driver; members that moved take their state along. */
  const regroup = (planned: readonly PlannedGroup[]): void => {
    const fresh = planned.map((plan): Unit => {
      const old = units.get(plan.key);
      return old !== undefined && sameMembers(old.driver.state(), plan)
        ? { plan, driver: old.driver }
        : start(plan);
    });
    const kept = new Set(fresh.map((u) => u.driver));
    for (const u of units.values()) if (!kept.has(u.driver)) u.driver.stop();
    units.clear();
    homes.clear();
    byName.clear();
    for (const u of fresh) {
      units.set(u.plan.key, u);
      for (const c of u.plan.instances) {
        homes.set(identityOf(c), u);
        byName.set(c.name, identityOf(c));
      }
    }
  };

  const listenOn = (names: ReadonlySet<string>): void => {
    for (const name of net.names()) if (!names.has(name)) net.drop(name);
    links.watch(names);
    // An instance that is new on a known interface has missed what was told of it.
    for (const name of names) surroundings(name, links.get(name));
  };

  const configure: Routers['configure'] = ({ instances, syncGroups }) => {
    if (stopped) return;
    const wanted = new Set(instances.map(identityOf));
    for (const identity of [...homes.keys()]) if (!wanted.has(identity)) remove(identity);
    regroup(planGroups(instances, syncGroups));
    for (const c of instances) {
      feedMember(identityOf(c), { type: 'configure', config: c });
      feedMember(identityOf(c), { type: 'startup' });
    }
    listenOn(new Set(instances.map((c) => c.interface)));
  };

  return {
    configure,
    feed: (instance, input) => {
      const identity = byName.get(instance);
      if (identity !== undefined) feedMember(identity, input);
    },
    feedAll: (input) => {
      for (const identity of homes.keys()) feedMember(identity, input);
    },
    shutdown: (reason) => {
      stopped = true;
      links.stop();
      for (const identity of homes.keys()) feedMember(identity, { type: 'shutdown', reason });
      for (const u of units.values()) u.driver.stop();
      for (const name of net.names()) net.drop(name);
    },
    counters: () =>
      Object.fromEntries(
        [...byName].flatMap(([name, identity]) => {
          const s = memberOf(identity);
          return s === undefined ? [] : [[name, s.counters]];
        }),
      ),
  };
}
