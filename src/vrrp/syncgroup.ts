/**
 * Virtual routers that move together, all or none. A group of one is a plain router, so the shell drives groups only.
 *
 * A member's input goes to that member; what its step did to it is then passed on: a fault of its own keeps the others
 * down, becoming active or losing to a better router takes the others along.
 */
import type { Machine, Millis, Tick } from '../kernel/machine.js';
import { virtualRouter } from './fsm.js';
import type { Effect, Input, Obstacle, State } from './state.js';
import { ownObstacle } from './transitions.js';

/** Members by a key that outlives a rename. */
export interface GroupState {
  readonly name: string;
  readonly members: Readonly<Record<string, State>>;
}

export interface MemberInput {
  readonly type: 'member';
  readonly member: string;
  readonly input: Input;
}

export interface MemberEffect {
  readonly member: string;
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

/** The first other member that may not take part keeps this one out too. */
const obstacleFor = (g: GroupState, member: string): Obstacle | null => {
  for (const [other, s] of Object.entries(g.members)) {
    const found = other === member ? null : ownObstacle(s);
    if (found !== null)
      return { ...found, reason: `sync group ${g.name}: ${s.config.name}: ${found.reason}` };
  }
  return null;
};

const spreadObstacles = (from: Next, now: Millis): Next =>
  Object.keys(from[0].members).reduce<Next>((next, name) => {
    const [g, effects] = next;
    const obstacle = obstacleFor(g, name);
    if (g.members[name]?.groupObstacle?.reason === obstacle?.reason) return next;
    const [changed, more] = feed(g, name, { type: 'groupObstacle', obstacle }, now);
    return [changed, [...effects, ...more]];
  }, from);

/** What a member's own move means for the others. */
const spreadMove = (from: Next, member: string, before: State | undefined, now: Millis): Next => {
  const [g] = from;
  const was = before?.phase.tag;
  const is = g.members[member]?.phase.tag;
  const reason = `sync group ${g.name} follows ${g.members[member]?.config.name ?? member}`;
  if (was !== 'active' && is === 'active')
    return feedOthers(from, member, { type: 'follow', to: 'active', reason }, now);
  if (was === 'active' && is === 'backup')
    return feedOthers(from, member, { type: 'follow', to: 'backup', reason }, now);
  return from;
};

const take = (g: GroupState, member: string, input: Input | Tick, now: Millis): Next => {
  const before = g.members[member];
  const own = feed(g, member, input, now);
  if (own[0] === g || Object.keys(g.members).length === 1) return own;
  return spreadMove(spreadObstacles(own, now), member, before, now);
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
      const [changed, more] = take(next, name, { type: 'tick' }, now);
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
