/**
 * One virtual router (RFC 9568 §6, RFC 3768 §6; keepalived's rules where the RFCs are silent).
 *
 * In: packets as a raw socket delivers them, ticks, and what the interface monitor, the data plane,
 * the controller and the operator report. Out: leases, adverts, gratuitous ARP, log lines and
 * transitions, as data in the order in which they must happen. The caller owns time: deadlines are in
 * the state.
 */
import {
  after,
  type Machine,
  type Millis,
  millis,
  type Tick,
  unreachable,
} from '../kernel/machine.js';
import { activeHears, activeTick, retryMs } from './active.js';
import { complain, inPhase } from './adverts.js';
import { backupHears, backupTick, listenAgain } from './backup.js';
import { configure } from './configure.js';
import { leaseAnswer } from './garp.js';
import { overdueAt, renewAndAdvertise } from './leases.js';
import { obstacle } from './obstacles.js';
import { type Advert, receive } from './receive.js';
import {
  allowanceMs,
  count,
  type Effect,
  type Input,
  type Next,
  type PhaseOf,
  type State,
} from './state.js';
import {
  becomeActive,
  becomeBackup,
  chain,
  expire,
  finishYield,
  restFor,
  settle,
  stay,
  yieldTo,
} from './transitions.js';

const hear = (s: State, a: Advert, now: Millis): Next => {
  const counted = count(
    s,
    'advertsReceived',
    a.priority === 0 ? 'priorityZeroReceived' : undefined,
  );
  const remarked =
    a.remark === null ? stay(counted) : complain(count(counted, 'addressListErrors'), a.remark);
  return chain(remarked, (t) => {
    switch (t.phase.tag) {
      case 'backup':
        return backupHears(t, t.phase, a, now);
      case 'active':
        return activeHears(t, t.phase, a, now);
      default:
        return stay(t);
    }
  });
};

/** Adverts are ignored, and not even counted, while the router takes no part. */
const packetArrived = (s: State, bytes: Uint8Array, now: Millis): Next => {
  if (s.phase.tag !== 'backup' && s.phase.tag !== 'active') return stay(s);
  const received = receive(s, bytes);
  if (received.ok) return hear(s, received.value, now);
  const { counter, why, level } = received.error;
  const counted = count(s, counter);
  return level === null ? stay(counted) : complain(counted, why);
};

const endYield = (s: State, phase: PhaseOf<'yielding'>, now: Millis): Next =>
  chain(finishYield(s, phase), (t) => settle(t, now));

const tick = (s: State, now: Millis): Next => {
  const { phase } = s;
  switch (phase.tag) {
    case 'backup':
      return backupTick(s, phase, now);
    case 'active':
      return phase.quiet === null ? activeTick(s, phase, now) : settle(s, now);
    case 'yielding':
      return now >= phase.until ? endYield(s, phase, now) : stay(s);
    default:
      return stay(s);
  }
};

const sourceAddress = (s: State, address: State['source'], now: Millis): Next => {
  if (address === null) return s.sourceLost ? stay(s) : settle({ ...s, sourceLost: true }, now);
  if (address === s.source && !s.sourceLost) return stay(s);
  const next: State = { ...s, source: address, sourceLost: false };
  const { phase } = next;
  // Still active, under another address: the backups should know whom they follow.
  if (phase.tag === 'active' && phase.quiet === null)
    return chain(renewAndAdvertise(next, phase, now), (t) => stay(t, { type: 'changed' }));
  return settle(next, now);
};

const followGroup = (s: State, to: 'active' | 'backup', reason: string, now: Millis): Next => {
  const found = obstacle(s);
  if (to === 'active')
    return s.phase.tag === 'backup' && found === null ? becomeActive(s, reason, now) : stay(s);
  if (s.phase.tag !== 'active') return stay(s);
  return found === null ? becomeBackup(s, reason, now) : yieldTo(s, restFor(found), now);
};

/** A data plane that was restarted answers for nothing yet, so all is announced again. */
const dataplane = (s: State, bootId: string | null, reason: string, now: Millis): Next => {
  const lastBootId = bootId ?? s.dataplane?.bootId ?? s.dataplane?.lastBootId ?? null;
  const isNew = bootId !== null && bootId !== s.dataplane?.lastBootId;
  const known: State = { ...s, dataplane: { bootId, reason, lastBootId } };
  const { phase } = known;
  const next =
    phase.tag === 'active' && isNew ? inPhase(known, { ...phase, announced: [] }) : known;
  if (bootId === null || next.resume === null || next.resume.renewedAt !== null)
    return settle(next, now);
  // Nobody else can have taken what it does not have: it follows its sync group, or listens.
  if (s.config.vips.length === 0) return settle({ ...next, resume: null }, now);
  const asking: State = { ...next, resume: { ...next.resume, askedAt: now } };
  return chain(stay(asking, { type: 'queryLease', vips: s.config.vips }), (t) => settle(t, now));
};

/** How long ago the process before this one renewed its leases decides whether we go on as active. */
const leaseQueried = (s: State, renewedAgoMs: number | null, now: Millis): Next => {
  if (s.resume === null) return stay(s);
  const { by, askedAt } = s.resume;
  if (renewedAgoMs === null) return settle({ ...s, resume: null }, now);
  // The answer may have waited for us: it is as old as the question.
  const renewedAt = after(askedAt ?? now, -renewedAgoMs);
  const end = after(renewedAt, allowanceMs(s.config));
  if (now >= end) return settle({ ...s, resume: null }, now);
  return settle({ ...s, resume: { askedAt, renewedAt, by: millis(Math.min(end, by)) } }, now);
};

const slept = (s: State, ms: number, now: Millis): Next => {
  const { phase } = s;
  if (phase.tag === 'backup')
    return listenAgain(s, phase, `the machine was suspended for ${Math.round(ms)} ms`, now);
  if (phase.tag !== 'active')
    return s.resume === null ? stay(s) : settle({ ...s, resume: null }, now);
  return now + ms < overdueAt(s, phase)
    ? stay(s)
    : expire(s, { ...phase, lastAdvertAt: after(phase.lastAdvertAt, -ms) }, now);
};

const serviceable = (s: State, service: State['service'], now: Millis): Next => {
  const same =
    s.service?.ok === service?.ok &&
    s.service?.reason === service?.reason &&
    s.service?.bootId === service?.bootId;
  return same ? stay(s) : settle({ ...s, service }, now);
};

const take = (s: State, input: Input | Tick, now: Millis): Next => {
  switch (input.type) {
    case 'tick':
      return tick(s, now);
    case 'packet':
      return packetArrived(s, input.bytes, now);
    case 'startup':
      return s.started ? stay(s) : settle({ ...s, started: true }, now);
    case 'shutdown':
      return yieldTo(s, { tag: 'stopped', reason: input.reason }, now);
    case 'interface':
      return settle({ ...s, link: { up: input.up, reason: input.reason } }, now);
    case 'sourceAddress':
      return sourceAddress(s, input.address, now);
    case 'serviceable':
      return serviceable(s, input.service, now);
    case 'dataplane':
      return dataplane(s, input.bootId, input.reason, now);
    case 'leaseAnswer':
      return leaseAnswer(s, input.granted, input.missing, after(now, retryMs), now);
    case 'leaseQueried':
      return leaseQueried(s, input.renewedAgoMs, now);
    case 'leaseReleased':
      return s.phase.tag === 'yielding' ? endYield(s, s.phase, now) : stay(s);
    case 'groupObstacle':
      return settle({ ...s, groupObstacle: input.obstacle }, now);
    case 'follow':
      return followGroup(s, input.to, input.reason, now);
    case 'priorityDelta':
      if (input.delta === s.delta) return stay(s);
      return stay({ ...s, delta: input.delta }, { type: 'changed' });
    case 'configure':
      return configure(s, input.config, now);
    case 'slept':
      return slept(s, input.ms, now);
    case 'sendFailed':
      return complain(count(s, 'sendErrors'), `cannot send: ${input.reason}`);
    default:
      return unreachable(input);
  }
};

/**
 * Whatever comes first after a pause finds an active router that was silent for too long, or one
 * that can no longer resume. It has to know before it answers anything.
 */
function step(s: State, input: Input | Tick, now: Millis): Next {
  if (s.phase.tag === 'stopped') return stay(s);
  if (s.resume !== null && now >= s.resume.by)
    return chain(settle({ ...s, resume: null }, now), (t) => take(t, input, now));
  if (s.phase.tag !== 'active' || now < overdueAt(s, s.phase)) return take(s, input, now);
  return chain(expire(s, s.phase, now), (t) => take(t, input, now));
}

const soonest = (...times: readonly (Millis | null)[]): Millis | null =>
  times.reduce((a, b) => (a === null || (b !== null && b < a) ? b : a), null);

function deadline(s: State): Millis | null {
  const { phase } = s;
  switch (phase.tag) {
    case 'stopped':
      return null;
    case 'backup':
      return phase.activeDownAt;
    case 'yielding':
      return phase.until;
    case 'active':
      if (phase.quiet !== null) return phase.quiet.until;
      return soonest(
        phase.advertAt,
        phase.handoverUntil,
        phase.retryAt,
        phase.second?.at ?? null,
        phase.refreshAt,
        phase.lowerPrioGarpAt,
      );
    default:
      return s.resume?.by ?? null;
  }
}

export const virtualRouter: Machine<State, Input, Effect> = { step, deadline };
