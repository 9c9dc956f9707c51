/**
 * Entry into each state, written once (RFC 9568 §6.4). A move is pure data: the new state and, in the
 * order in which they must happen, the effects of leaving the old one and entering the new one.
 * Every move carries its reason.
 */
import { after, type Millis } from '../kernel/machine.js';
import { advertise, overdueAt, release, renewAndAdvertise } from './leases.js';
import { obstacle } from './obstacles.js';
import {
  count,
  type Effect,
  log,
  type Next,
  type Obstacle,
  type Phase,
  type PhaseOf,
  type Rest,
  type State,
  shownState,
  timingOf,
  vipKey,
} from './state.js';
import { activeDownMs } from './timers.js';

/** A link that is lost together with the data plane is seen a moment before the data plane is. */
const linkHoldMs = 100;
/** Covers the way of the last renewal to the data plane. */
const leaseMarginMs = 20;

export const stay = (s: State, ...effects: readonly Effect[]): Next => [s, effects];

/** Runs the steps on what `first` left, effects one after the other. */
export const chain = (first: Next, ...steps: readonly ((s: State) => Next)[]): Next =>
  steps.reduce<Next>(([s, effects], step) => {
    const [next, more] = step(s);
    return [next, [...effects, ...more]];
  }, first);

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
    const hasTakenPart = s.hasTakenPart || phase.tag === 'backup' || phase.tag === 'active';
    const next = { ...s, phase, hasTakenPart, complaints: [], resume: null };
    if (from === to) return [next, [{ type: 'changed' }]];
    return [
      next,
      [
        { type: 'transition', from, to, reason: phase.reason },
        log('info', s, `Entering ${entering[to]} STATE`, { reason: phase.reason }),
      ],
    ];
  };

/** How long a lower router that is active has to hear our advert and to stop answering. */
const handoverMs = (s: State): number => Math.min(100, s.config.advertMs / 2);

const handoverUntil = (s: State, now: Millis): Millis | null => {
  const { phase } = s;
  if (phase.tag !== 'backup' || phase.lowerHeardAt === null) return null;
  const isActive = now - phase.lowerHeardAt <= activeDownMs(timingOf(s), s.activeIntervalMs);
  return isActive ? after(now, handoverMs(s)) : null;
};

const noTimers = { retryAt: null, quiet: null, second: null, lowerPrioGarpAt: null } as const;

/** RFC 9568 §6.4.2 (130): lease and advert; ARP follows the data plane's answer. */
export const becomeActive = (s: State, reason: string, now: Millis): Next => {
  const own: State = { ...s, activeIntervalMs: s.config.advertMs, peer: null };
  const phase: PhaseOf<'active'> = {
    tag: 'active',
    reason,
    advertAt: now,
    lastAdvertAt: now,
    handoverUntil: handoverUntil(s, now),
    leaseUntil: now,
    announced: [],
    refreshAt: null,
    ...noTimers,
  };
  const [sent, effects] = renewAndAdvertise(own, phase, now);
  return chain(
    [{ ...sent, phase: s.phase }, effects],
    (t) => stay(count(t, 'becameActive'), log('info', t, 'setting VIPs.')),
    enter(sent.phase),
  );
};

/** Goes on where the process before this one ended: the neighbours know the addresses already. */
const resumeActive = (s: State, reason: string, now: Millis): Next => {
  const { refreshMs } = s.config.garp;
  const phase: PhaseOf<'active'> = {
    tag: 'active',
    reason,
    advertAt: now,
    lastAdvertAt: now,
    handoverUntil: null,
    leaseUntil: now,
    announced: s.config.vips.map(vipKey),
    refreshAt: refreshMs > 0 ? after(now, refreshMs) : null,
    ...noTimers,
  };
  return chain(
    renewAndAdvertise({ ...s, resume: null, activeIntervalMs: s.config.advertMs }, phase, now),
    (t) => stay(t, log('info', t, `goes on as MASTER: ${reason}`), { type: 'changed' }),
  );
};

/** The data plane stops answering; nobody is waited for. */
const leaveSilently =
  (lastAdvert: boolean) =>
  (s: State): Next => {
    if (s.phase.tag !== 'active') return stay(s);
    return chain(
      stay(count(s, 'releasedActive'), log('info', s, 'removing VIPs.'), ...release(s.config.vips)),
      (t) => (lastAdvert ? advertise(t) : stay(t)),
    );
  };

const enterBackup = (s: State, reason: string, now: Millis): Next =>
  enter({
    tag: 'backup',
    reason,
    activeDownAt: after(now, activeDownMs(timingOf(s), s.activeIntervalMs)),
    preemptAt: null,
    lowerHeardAt: null,
  })(s);

/** RFC 9568 §6.4.1 (110), §6.4.3 (710): with a full Active_Down_Timer on the interval known so far. */
export const becomeBackup = (s: State, reason: string, now: Millis): Next =>
  chain(leaveSilently(false)(s), (t) => enterBackup(t, reason, now));

/**
 * A better router is active. One more advert shows it that there was a second one, so that it
 * announces its addresses once more: neighbours may still have ours.
 */
export const loseToBetter = (s: State, reason: string, now: Millis): Next =>
  chain(leaveSilently(true)(s), (t) => enterBackup(t, reason, now));

const enterRest = (s: State, rest: Rest): Next => enter(rest)({ ...s, peer: null });

/** The order of a yield: the data plane has stopped answering, then priority 0, then the next state. */
export const finishYield = (s: State, phase: PhaseOf<'yielding'>): Next =>
  chain(
    advertise(s, 0),
    (t) => stay(count(t, 'releasedActive'), log('info', t, 'sent 0 priority')),
    (t) => enterRest(t, phase.rest),
  );

/** RFC 9568 §6.4.3 (605) for an active router; others have nothing to give up. */
export const yieldTo = (s: State, rest: Rest, now: Millis): Next => {
  if (s.phase.tag === 'yielding') return stay({ ...s, phase: { ...s.phase, rest } });
  if (s.phase.tag !== 'active') return enterRest(s, rest);
  const phase: PhaseOf<'yielding'> = {
    tag: 'yielding',
    reason: `yields: ${rest.reason}`,
    until: after(s.phase.leaseUntil > now ? s.phase.leaseUntil : now, leaseMarginMs),
    rest,
  };
  const next: State = { ...s, phase };
  if (s.config.vips.length === 0) return finishYield(next, phase);
  return stay(next, log('info', s, 'removing VIPs.'), ...release(s.config.vips), {
    type: 'changed',
  });
};

/** RFC 9568 §6.4.1, once nothing stands in the way. */
const begin = (s: State, now: Millis): Next => {
  const fresh: State = { ...s, activeIntervalMs: s.config.advertMs };
  // The RFC makes an owner active at once; keepalived's users also have to set `state MASTER`.
  if (s.config.priority === 255 && s.config.initialState === 'active')
    return becomeActive(fresh, 'address owner', now);
  return becomeBackup(fresh, 'started', now);
};

export const restFor = (o: Obstacle): Rest => ({
  tag: o.kind === 'wait' ? 'initialize' : 'fault',
  reason: o.reason,
});

/** Silent for so long that a peer has taken over: nothing is sent or renewed before it has listened. */
export const expire = (s: State, phase: PhaseOf<'active'>, now: Millis): Next => {
  const found = obstacle(s);
  if (found !== null) return chain(leaveSilently(false)(s), (t) => enterRest(t, restFor(found)));
  const silent = Math.round(now - phase.lastAdvertAt);
  const reason = `has not run for ${silent} ms: listens before it is active again`;
  return chain(stay(s, log('warn', s, reason)), (t) => becomeBackup(t, reason, now));
};

/** Back in time: on as before. */
const endQuiet = (s: State, phase: PhaseOf<'active'>, now: Millis): Next =>
  chain(renewAndAdvertise(s, { ...phase, quiet: null }, now), (t) =>
    stay(t, log('info', t, 'advertises again'), { type: 'changed' }),
  );

const settleActive = (
  s: State,
  phase: PhaseOf<'active'>,
  found: Obstacle | null,
  now: Millis,
): Next => {
  if (found === null) return phase.quiet === null ? stay(s) : endQuiet(s, phase, now);
  if (found.kind === 'fault') return yieldTo(s, restFor(found), now);
  const end = overdueAt(s, phase);
  const held = now + linkHoldMs < end ? after(now, linkHoldMs) : end;
  const until = found.kind === 'link' ? (phase.quiet?.until ?? held) : end;
  if (now >= until) return yieldTo(s, restFor(found), now);
  if (phase.quiet?.until === until && phase.quiet.reason === found.reason) return stay(s);
  const quiet = { until, reason: found.reason };
  const next: State = { ...s, phase: { ...phase, quiet } };
  return stay(next, log('warn', s, `no adverts for now: ${found.reason}`), { type: 'changed' });
};

const settleResting = (s: State, found: Obstacle | null, now: Millis): Next => {
  if (found === null && s.resume !== null && s.resume.renewedAt !== null) {
    const ago = Math.round(now - s.resume.renewedAt);
    return resumeActive(s, `its leases were renewed ${ago} ms ago`, now);
  }
  if (found === null) return begin(s, now);
  const rest = restFor(found);
  if (s.phase.tag === rest.tag && s.phase.reason === rest.reason) return stay(s);
  // A router that waits to resume stays so until its time is over.
  const next = s.resume;
  const [t, effects] = enterRest(s, rest);
  return [{ ...t, resume: found.kind === 'fault' ? null : next }, effects];
};

/** After any change of the surroundings: into fault, out of it, or on as before. */
export const settle = (s: State, now: Millis): Next => {
  const { phase } = s;
  const found = obstacle(s);
  switch (phase.tag) {
    case 'stopped':
    case 'yielding':
      return stay(s);
    case 'active':
      return settleActive(s, phase, found, now);
    case 'backup':
      // What may be back in a moment is looked at again when the timer fires.
      if (found === null || found.kind === 'away' || found.kind === 'wait') return stay(s);
      return enterRest(s, restFor(found));
    default:
      return settleResting(s, found, now);
  }
};

/** A backup whose time has come, but who may not be active. */
export const restInstead = (s: State, found: Obstacle): Next => enterRest(s, restFor(found));
