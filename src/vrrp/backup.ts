/** The Backup state: RFC 9568 §6.4.2, with preempt_delay. */
import { after, type Millis } from '../kernel/machine.js';
import { formatIpv4 } from '../net/ipv4.js';
import { follow, inPhase, learnInterval } from './adverts.js';
import { obstacle } from './obstacles.js';
import type { Advert } from './receive.js';
import {
  heardLog,
  log,
  type Next,
  type PhaseOf,
  priorityOf,
  type State,
  timingOf,
} from './state.js';
import { activeDownMs, skewMs } from './timers.js';
import { becomeActive, chain, restInstead, stay } from './transitions.js';

/** Accepts the sender as active: Active_Down_Timer starts anew. */
const obey = (s: State, phase: PhaseOf<'backup'>, a: Advert, now: Millis): Next =>
  chain(
    follow(s, a),
    (t) => learnInterval(t, a),
    (t) => {
      const activeDownAt = after(now, activeDownMs(timingOf(t), t.activeIntervalMs));
      return stay(inPhase(t, { ...phase, activeDownAt }));
    },
  );

/** A lower priority while backup: preempt it, at once or after preempt_delay, or leave it alone. */
const backupHearsLower = (s: State, phase: PhaseOf<'backup'>, a: Advert, now: Millis): Next => {
  if (!s.config.preempt) return obey(s, phase, a, now);
  if (s.config.preemptDelayMs > 0) {
    const preemptAt = phase.preemptAt ?? after(now, s.config.preemptDelayMs);
    if (now < preemptAt) return obey(s, { ...phase, preemptAt }, a, now);
  }
  // RFC 9568 §6.4.2 (450): discarded, and the timer runs on.
  const msg = `received lower priority (${a.priority}) advert from ${formatIpv4(a.source)} - discarding`;
  return stay(inPhase(s, { ...phase, lowerHeardAt: now }), heardLog(s, 'lower', msg));
};

/** RFC 9568 §6.4.2 */
export const backupHears = (s: State, phase: PhaseOf<'backup'>, a: Advert, now: Millis): Next => {
  if (a.priority === 0) {
    const activeDownAt = after(now, skewMs(timingOf(s), s.activeIntervalMs));
    return stay(
      inPhase(
        { ...s, peer: { address: a.source, priority: 0 } },
        { ...phase, activeDownAt, lowerHeardAt: null },
      ),
      heardLog(s, 'zero', 'Backup received priority 0 advertisement', {
        from: formatIpv4(a.source),
      }),
      { type: 'changed' },
    );
  }
  if (a.priority < priorityOf(s)) return backupHearsLower(s, phase, a, now);
  return obey(s, { ...phase, preemptAt: null, lowerHeardAt: null }, a, now);
};

const whyActive = ({ peer }: State): string => {
  if (peer === null) return 'no active router heard';
  const address = formatIpv4(peer.address);
  return peer.priority === 0 ? `${address} yielded (priority 0)` : `${address} is silent`;
};

/** After a pause: a full Active_Down_Interval, so that no stalled backup makes a second active. */
export const listenAgain = (s: State, phase: PhaseOf<'backup'>, why: string, now: Millis): Next => {
  const activeDownAt = after(now, activeDownMs(timingOf(s), s.activeIntervalMs));
  return stay(
    inPhase(s, { ...phase, activeDownAt }),
    log('warn', s, `${why}, listening once more`),
  );
};

export const backupTick = (s: State, phase: PhaseOf<'backup'>, now: Millis): Next => {
  if (now < phase.activeDownAt) return stay(s);
  const late = now - phase.activeDownAt;
  // A process that did not run did not listen either, and what was sent meanwhile may be lost.
  if (late > s.activeIntervalMs)
    return listenAgain(s, phase, `the timer fired ${Math.round(late)} ms late`, now);
  const found = obstacle(s);
  if (found !== null) return restInstead(s, found);
  return chain(stay(s, log('info', s, 'Receive advertisement timeout')), (t) =>
    becomeActive(t, whyActive(s), now),
  );
};
