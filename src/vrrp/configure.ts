/** A reload of one virtual router. It keeps its state; what is new is advertised at once. */
import { after, type Millis } from '../kernel/machine.js';
import { inPhase } from './adverts.js';
import { release, renewAndAdvertise } from './leases.js';
import type { InstanceConfig } from './messages.js';
import { type Next, type PhaseOf, type State, timingOf, vipKey, withConfig } from './state.js';
import { activeDownMs } from './timers.js';
import { chain, settle, stay } from './transitions.js';

/** Another timing starts the timer anew; a reload that leaves it alone does not delay a takeover. */
const configureBackup = (s: State, phase: PhaseOf<'backup'>, next: State, now: Millis): State => {
  const { config } = next;
  const activeIntervalMs = config.version === 2 ? config.advertMs : s.activeIntervalMs;
  const timed: State = { ...next, activeIntervalMs };
  const down = activeDownMs(timingOf(timed), activeIntervalMs);
  const same = down === activeDownMs(timingOf(s), s.activeIntervalMs);
  const preemptAt = config.preemptDelayMs > 0 ? phase.preemptAt : null;
  const activeDownAt = same ? phase.activeDownAt : after(now, down);
  return inPhase(timed, { ...phase, preemptAt, activeDownAt });
};

/** Addresses that are gone are released, those that stay are not touched, new ones get a lease. */
const configureActive = (s: State, phase: PhaseOf<'active'>, next: State, now: Millis): Next => {
  const { config } = next;
  const kept = new Set(config.vips.map(vipKey));
  const gone = s.config.vips.filter((v) => !kept.has(vipKey(v)));
  const own: State = { ...next, activeIntervalMs: config.advertMs };
  const announced = phase.announced.filter((key) => kept.has(key));
  const second =
    phase.second === null
      ? null
      : { ...phase.second, vips: phase.second.vips.filter((key) => kept.has(key)) };
  const active = { ...phase, announced, second };
  const released = release(gone);
  if (phase.quiet !== null) return stay(inPhase(own, active), ...released);
  return chain(stay(own, ...released), (t) => renewAndAdvertise(t, active, now));
};

export const configure = (s: State, config: InstanceConfig, now: Millis): Next => {
  if (JSON.stringify(config) === JSON.stringify(s.config)) return stay(s);
  const next: State = { ...s, ...withConfig(config) };
  const { phase } = s;
  const applied: Next =
    phase.tag === 'active'
      ? configureActive(s, phase, next, now)
      : stay(phase.tag === 'backup' ? configureBackup(s, phase, next, now) : next);
  return chain(
    applied,
    (t) => stay(t, { type: 'changed' }),
    (t) => settle(t, now),
  );
};
