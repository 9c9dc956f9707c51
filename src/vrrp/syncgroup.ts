/**
 * Virtual routers that move together, all or none. A group of one is a plain router, so the shell
 * drives groups only.
 *
 * A member's input goes to that member; what its step did to it is then passed on: a fault of its own
 * keeps the others down, and the others follow when it becomes active or is active no more. No member
 * takes over while another one still hears a better router.
 */
import type { Machine, Millis, Tick } from '../kernel/machine.js';
import { virtualRouter } from './fsm.js';
import type { RouterId } from './identity.js';
import { ownObstacle } from './obstacles.js';
import type { Effect, Input, Obstacle, State } from './state.js';

export interface GroupState {
  /** A label. */
  readonly name: string;
  readonly members: Readonly<Record<RouterId, State>>;
}

export interface MemberInput {
  readonly type: 'member';
  readonly member: RouterId;
  readonly input: Input;
}

export interface MemberEffect {
  readonly member: RouterId;
  readonly effect: Effect;
}

type Next = readonly [GroupState, readonly MemberEffect[]];

const feed = (g: GroupState, member: string, input: Input | Tick, now: Millis): Next => {
  const before = g.members[member];
  if (before === undefined) return [g, []];
  const [state, effects] = virtualRouter.step(before, input, now);
  if (state === before) return [g, []];
  return [
    { ...g, members: { ...g.members, [member]: state } },
    effects.map((effect) => ({ member, effect })),
  ];
};

const feedOthers = (from: Next, except: string, input: Input, now: Millis): Next =>
  Object.keys(from[0].members)
    .filter((name) => name !== except)
    .reduce<Next>(([g, effects], name) => {
      const [next, more] = feed(g, name, input, now);
      return [next, [...effects, ...more]];
    }, from);

/** Active, or was so in the process before this one. */
const holds = (s: State | undefined): boolean =>
  s?.phase.tag === 'active' || (s?.resume ?? null) !== null;

/**
 * The first other member that may not take part keeps this one out too. One that is new in the group
 * takes nothing from those who are active: it joins them when it can.
 */
const obstacleFor = (g: GroupState, member: string): Obstacle | null => {
  const isHeld = holds(g.members[member]);
  for (const [other, s] of Object.entries(g.members)) {
    const counts = other !== member && (s.hasTakenPart || !isHeld);
    const found = counts ? ownObstacle(s) : null;
    if (found !== null)
      return { ...found, reason: `sync group ${g.name}: ${s.config.name}: ${found.reason}` };
  }
  return null;
};

const spreadObstacles = (from: Next, now: Millis): Next =>
  Object.keys(from[0].members).reduce<Next>((next, name) => {
    const [g, effects] = next;
    const obstacle = obstacleFor(g, name);
    const before = g.members[name]?.groupObstacle;
    if (before?.reason === obstacle?.reason && before?.kind === obstacle?.kind) return next;
    const [changed, more] = feed(g, name, { type: 'groupObstacle', obstacle }, now);
    return [changed, [...effects, ...more]];
  }, from);

const isStopping = (s: State | undefined): boolean =>
  s?.phase.tag === 'stopped' || (s?.phase.tag === 'yielding' && s.phase.rest.tag === 'stopped');

/** What a member's own move means for the others. */
const spreadMove = (from: Next, member: RouterId, before: State | undefined, now: Millis): Next => {
  const [g, effects] = from;
  const was = before?.phase.tag;
  const is = g.members[member]?.phase.tag;
  const reason = `sync group ${g.name} follows ${g.members[member]?.config.name ?? member}`;
  if (was !== 'active' && is === 'active')
    return feedOthers(from, member, { type: 'follow', to: 'active', reason }, now);
  if (was === 'active' && is !== 'active' && !isStopping(g.members[member]))
    return feedOthers(from, member, { type: 'follow', to: 'backup', reason }, now);
  const leader = Object.values(g.members).find((s) => s.phase.tag === 'active');
  if (was === is || is !== 'backup' || leader === undefined) return from;
  // New in a group that is active already.
  const joins = `sync group ${g.name} follows ${leader.config.name}`;
  const [next, more] = feed(g, member, { type: 'follow', to: 'active', reason: joins }, now);
  return [next, [...effects, ...more]];
};

/** A reload has put an active router and a backup into one group: a better router may be there. */
const level = (from: Next, now: Millis): Next => {
  const members = Object.entries(from[0].members);
  const backup = members.find(([, s]) => s.phase.tag === 'backup')?.[1];
  if (backup === undefined) return from;
  const reason = `sync group ${from[0].name} follows ${backup.config.name}`;
  return members
    .filter(([, s]) => s.phase.tag === 'active')
    .reduce<Next>(([g, effects], [name]) => {
      const [next, more] = feed(g, name, { type: 'follow', to: 'backup', reason }, now);
      return [next, [...effects, ...more]];
    }, from);
};

const take = (g: GroupState, member: string, input: Input | Tick, now: Millis): Next => {
  const before = g.members[member];
  const own = feed(g, member, input, now);
  if (Object.keys(g.members).length === 1) return own;
  const spread = own[0] === g ? own : spreadMove(spreadObstacles(own, now), member, before, now);
  return input.type === 'configure' ? level(spread, now) : spread;
};

/** Until when a better router that another member heard is not taken for silent. */
const heldUntil = (g: GroupState, member: string, now: Millis): Millis | null => {
  let until: Millis | null = null;
  for (const [name, s] of Object.entries(g.members)) {
    const { phase, peer } = s;
    if (name === member || phase.tag !== 'backup' || phase.activeDownAt <= now) continue;
    // Only adverts that it obeys are remembered.
    const isBetter = peer !== null && peer.priority !== 0;
    if (isBetter && (until === null || phase.activeDownAt > until)) until = phase.activeDownAt;
  }
  return until;
};

const tickMember = (g: GroupState, member: string, now: Millis): Next => {
  const s = g.members[member];
  const isDue = s?.phase.tag === 'backup' && now >= s.phase.activeDownAt;
  const until = isDue ? heldUntil(g, member, now) : null;
  if (s?.phase.tag !== 'backup' || until === null) return take(g, member, { type: 'tick' }, now);
  const waits: State = { ...s, phase: { ...s.phase, activeDownAt: until } };
  return [{ ...g, members: { ...g.members, [member]: waits } }, []];
};

const dueMembers = (g: GroupState, now: Millis): readonly string[] =>
  Object.entries(g.members)
    .filter(([, s]) => {
      const at = virtualRouter.deadline(s);
      return at !== null && at <= now;
    })
    .map(([name]) => name);

const step = (g: GroupState, input: MemberInput | Tick, now: Millis): Next => {
  if (input.type === 'member') return take(g, input.member, input.input, now);
  return dueMembers(g, now).reduce<Next>(
    ([next, effects], name) => {
      const [changed, more] = tickMember(next, name, now);
      return [changed, [...effects, ...more]];
    },
    [g, []],
  );
};

const deadline = (g: GroupState): Millis | null =>
  Object.values(g.members).reduce<Millis | null>((soonest, s) => {
    const at = virtualRouter.deadline(s);
    return at !== null && (soonest === null || at < soonest) ? at : soonest;
  }, null);

export const syncGroup: Machine<GroupState, MemberInput, MemberEffect> = { step, deadline };
