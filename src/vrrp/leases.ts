/**
 * Adverts and leases go together: every advert of an active router renews the leases of its
 * addresses first, and none is renewed without being due again before a peer takes over.
 */
import { after, type Millis } from '../kernel/machine.js';
import type { Vip } from './messages.js';
import {
  allowanceMs,
  count,
  type Effect,
  leaseSpanMs,
  type Next,
  type PhaseOf,
  priorityOf,
  type State,
  vipKey,
} from './state.js';

export const advertise = (s: State, priority: number = priorityOf(s)): Next => [
  count(s, 'advertsSent', priority === 0 ? 'priorityZeroSent' : undefined),
  [{ type: 'advertise', priority }],
];

/** Renews the leases and advertises; the next advert is due one interval from `now`. */
export const renewAndAdvertise = (s: State, phase: PhaseOf<'active'>, now: Millis): Next => {
  const { config } = s;
  const ms = phase.handoverUntil === null ? leaseSpanMs(config) : 0;
  const next: State = {
    ...s,
    phase: {
      ...phase,
      lastAdvertAt: now,
      advertAt: after(now, config.advertMs),
      leaseUntil: after(now, ms),
    },
  };
  const [counted, advert] = advertise(next);
  return [counted, [...(ms === 0 ? [] : renewal(config.vips, ms)), ...advert]];
};

const renewal = (vips: readonly Vip[], ms: number): readonly Effect[] =>
  vips.length === 0 ? [] : [{ type: 'renewLease', vips, ms }];

/** The other router has stopped answering, or has had the time to: from now on we do. */
export const endHandover = (s: State, phase: PhaseOf<'active'>, now: Millis): Next => {
  const left = Math.floor(phase.lastAdvertAt + leaseSpanMs(s.config) - now);
  const leaseUntil = after(now, Math.max(0, left));
  const next: State = { ...s, phase: { ...phase, handoverUntil: null, leaseUntil } };
  return [next, left < 1 ? [] : renewal(s.config.vips, left)];
};

/** Asks again for VIPs that no generation had; it must not outlast the last advert's lease. */
export const askAgain = (s: State, phase: PhaseOf<'active'>, now: Millis): readonly Effect[] => {
  const left = Math.floor(phase.lastAdvertAt + leaseSpanMs(s.config) - now);
  const vips = s.config.vips.filter((v) => !phase.announced.includes(vipKey(v)));
  return left < 1 ? [] : renewal(vips, left);
};

export const release = (vips: readonly Vip[]): readonly Effect[] =>
  vips.length === 0 ? [] : [{ type: 'releaseLease', vips }];

/** When a silent active router has to take itself for replaced. */
export const overdueAt = (s: State, phase: PhaseOf<'active'>): Millis =>
  after(phase.lastAdvertAt, allowanceMs(s.config));
