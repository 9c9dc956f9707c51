/**
 * Entry into each state, written once (RFC 9568 §6.4). A move is pure data: the new state and, in the order in which they
 * must happen, the effects of leaving the old one and entering the new one. Every move carries its reason.
 */
import { after, type Millis } from '../kernel/machine.js';
import {
  count,
  type Effect,
  log,
  type Next,
  type Obstacle,
  type Phase,
  priorityOf,
  type State,
  shownState,
  timingOf,
} from './state.js';
import { activeDownMs } from './timers.js';

export const stay = (s: State, ...effects: readonly Effect[]): Next => [s, effects];

/** Runs the steps on what `first` left, effects one after the other. */
export const chain = (first: Next, ...steps: readonly ((s: State) => Next)[]): Next =>
  steps.reduce<Next>(([s, effects], step) => {
    const [next, more] = step(s);
    return [next, [...effects, ...more]];
  }, first);

export const advertise = (s: State, priority: number = priorityOf(s)): Next => [
  count(s, 'advertsSent', priority === 0 ? 'priorityZeroSent' : undefined),
  [{ type: 'advertise', priority }],
];

/** keepalived's word for each state, which its users' tools look for in the log. */
const entering = {
  initialize: 'INIT',
  backup: 'BACKUP',
  active: 'MASTER',
  fault: 'FAULT',
} as const;

const enter =
  (phase: Phase) =>
  (s: State): Next => {
    const from = shownState(s.phase);
    const to = shownState(phase);
    const next = { ...s, phase, complaints: [] };
    if (from === to) return [next, [{ type: 'changed' }]];
    return [
      next,
      [
        { type: 'transition', from, to, reason: phase.reason },
        log('info', s, `Entering ${entering[to]} STATE`, { reason: phase.reason }),
      ],
    ];
  };

/** Gives the addresses up; a yield says so on the wire first (priority 0), losing to a better router does not. */
const leaveActive =
  (how: 'yield' | 'silently') =>
  (s: State): Next => {
    if (s.phase.tag !== 'active') return stay(s);
    const last: Next =
      how === 'yield'
        ? chain(advertise(s, 0), (t) => stay(t, log('info', t, 'sent 0 priority')))
        : stay(s);
    return chain(last, (t) =>
      stay(count(t, 'releasedActive'), log('info', t, 'removing VIPs.'), { type: 'releaseVips' }),
    );
  };

/** RFC 9568 §6.4.2 (130): the advert goes first, then the addresses; ARP follows their acknowledgement. */
export const becomeActive = (s: State, reason: string, now: Millis): Next => {
  const own: State = { ...s, activeIntervalMs: s.config.advertMs, peer: null };
  return chain(
    advertise(own),
    (t) => stay(count(t, 'becameActive'), log('info', t, 'setting VIPs.'), { type: 'takeVips' }),
    enter({
      tag: 'active',
      reason,
      advertAt: after(now, s.config.advertMs),
      vips: 'asked',
      secondGarpAt: null,
      refreshAt: null,
      lowerPrioGarpAt: null,
    }),
  );
};

/** RFC 9568 §6.4.1 (110), §6.4.3 (710): with a full Active_Down_Timer on the interval known so far. */
export const becomeBackup = (s: State, reason: string, now: Millis): Next =>
  chain(
    leaveActive('silently')(s),
    enter({
      tag: 'backup',
      reason,
      activeDownAt: after(now, activeDownMs(timingOf(s), s.activeIntervalMs)),
      preemptAt: null,
    }),
  );

export const becomeFault = (s: State, reason: string): Next =>
  chain(leaveActive('yield')(s), (t) => enter({ tag: 'fault', reason })({ ...t, peer: null }));

export const becomeInitialize = (s: State, reason: string): Next =>
  chain(leaveActive('yield')(s), (t) => enter({ tag: 'initialize', reason })({ ...t, peer: null }));

/** RFC 9568 §6.4.3 (605): yields, and nothing moves the router again. */
export const becomeStopped = (s: State, reason: string): Next =>
  chain(leaveActive('yield')(s), (t) => enter({ tag: 'stopped', reason })({ ...t, peer: null }));

/** The member's own; a sync group passes it on to the others. */
export const ownObstacle = (s: State): Obstacle | null => {
  const { config } = s;
  if (!s.started) return { kind: 'wait', reason: 'not started' };
  if (s.link === null)
    return { kind: 'wait', reason: `state of interface ${config.interface} not known yet` };
  if (!s.link.up && !config.dontTrackPrimary) return { kind: 'fault', reason: s.link.reason };
  if (s.source === null || s.sourceLost)
    return { kind: 'fault', reason: `interface ${config.interface} has no IPv4 address` };
  if (s.service === null) return { kind: 'wait', reason: 'the data plane has not answered yet' };
  if (!s.service.ok) return { kind: 'fault', reason: s.service.reason };
  return s.lease?.expired === true
    ? { kind: 'fault', reason: 'the controller does not answer' }
    : null;
};

const obstacle = (s: State): Obstacle | null => ownObstacle(s) ?? s.groupObstacle;

/** RFC 9568 §6.4.1, once nothing stands in the way. */
const begin = (s: State, now: Millis): Next => {
  const fresh: State = { ...s, activeIntervalMs: s.config.advertMs };
  // The RFC makes an owner active at once; keepalived's users also have to say `state MASTER`.
  if (s.config.priority === 255 && s.config.initialState === 'active')
    return becomeActive(fresh, 'address owner', now);
  return becomeBackup(fresh, 'started', now);
};

/** After any change of the surroundings: into fault, out of it, or on as before. */
export const settle = (s: State, now: Millis): Next => {
  const { phase } = s;
  if (phase.tag === 'stopped') return stay(s);
  const found = obstacle(s);
  if (found === null)
    return phase.tag === 'initialize' || phase.tag === 'fault' ? begin(s, now) : stay(s);
  const tag = found.kind === 'wait' ? 'initialize' : 'fault';
  if (phase.tag === tag && phase.reason === found.reason) return stay(s);
  return tag === 'fault' ? becomeFault(s, found.reason) : becomeInitialize(s, found.reason);
};
