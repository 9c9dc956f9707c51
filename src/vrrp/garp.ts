/**
 * Gratuitous ARP of an active router: a burst for each VIP when the data plane has begun to answer
 * for it, a second burst later, refreshes, and a burst when a second active router was heard.
 */
import { after, type Millis } from '../kernel/machine.js';
import { complain, inPhase } from './adverts.js';
import type { InstanceConfig, Vip } from './messages.js';
import {
  type Effect,
  type GarpCause,
  type Next,
  type PhaseOf,
  type State,
  vipKey,
} from './state.js';
import { chain, stay } from './transitions.js';

export const isDue = (at: Millis | null, now: Millis): at is Millis => at !== null && now >= at;

const garp = (
  config: InstanceConfig,
  keys: readonly string[],
  repeat: number,
  cause: GarpCause,
): readonly Effect[] => {
  const vips: readonly Vip[] = config.vips.filter((v) => keys.includes(vipKey(v)));
  return vips.length === 0 || repeat === 0 ? [] : [{ type: 'garp', vips, repeat, cause }];
};

/** The bursts whose time has come, and the phase without them. */
export const dueGarps = (
  config: InstanceConfig,
  phase: PhaseOf<'active'>,
  now: Millis,
): readonly [PhaseOf<'active'>, readonly Effect[]] => {
  let next = phase;
  const out: Effect[] = [];
  if (next.second !== null && isDue(next.second.at, now)) {
    out.push(...garp(config, next.second.vips, config.garp.repeat, 'second'));
    next = { ...next, second: null };
  }
  if (isDue(next.lowerPrioGarpAt, now)) {
    out.push(...garp(config, next.announced, config.garp.lowerPrioRepeat, 'lowerPriority'));
    next = { ...next, lowerPrioGarpAt: null };
  }
  if (isDue(next.refreshAt, now)) {
    out.push(...garp(config, next.announced, config.garp.refreshRepeat, 'refresh'));
    next = { ...next, refreshAt: after(now, config.garp.refreshMs) };
  }
  return [next, out];
};

/** While a later burst is due, another advert adds none: two routers must not make an ARP storm. */
export const lowerPriorityGarp = (s: State, now: Millis): Next => {
  const { phase, config } = s;
  const { lowerPrioRepeat: repeat, lowerPrioDelayMs } = config.garp;
  if (phase.tag !== 'active' || repeat === 0 || phase.lowerPrioGarpAt !== null) return stay(s);
  const lowerPrioGarpAt = after(now, Math.max(lowerPrioDelayMs, config.advertMs));
  return stay(
    inPhase(s, { ...phase, lowerPrioGarpAt }),
    ...garp(config, phase.announced, repeat, 'lowerPriority'),
  );
};

const minus = (list: readonly string[], gone: readonly string[]): readonly string[] =>
  list.filter((key) => !gone.includes(key));

/** The data plane's answer to a renewal: VIPs that it newly answers for are announced. */
export const leaseAnswer = (
  s: State,
  granted: readonly string[],
  missing: readonly string[],
  retryAt: Millis,
  now: Millis,
): Next => {
  const { phase, config } = s;
  if (phase.tag !== 'active') return stay(s);
  const own = new Set(config.vips.map(vipKey));
  const fresh = minus(granted, phase.announced).filter((key) => own.has(key));
  const absent = missing.filter((key) => own.has(key));
  const known = absent.length === 0 ? phase.announced : minus(phase.announced, absent);
  const isWhole = config.vips.every(
    (v) => granted.includes(vipKey(v)) || known.includes(vipKey(v)),
  );
  // Part of an answer says nothing about the rest.
  const keptRetryAt = isWhole ? null : phase.retryAt;
  if (fresh.length === 0 && absent.length === 0)
    return phase.retryAt === keptRetryAt
      ? stay(s)
      : stay(inPhase(s, { ...phase, retryAt: keptRetryAt }));
  const { repeat, delayMs, refreshMs } = config.garp;
  const later = [...(phase.second?.vips ?? []), ...fresh];
  const next: State = inPhase(s, {
    ...phase,
    announced: [...known, ...fresh],
    retryAt: absent.length === 0 ? keptRetryAt : (phase.retryAt ?? retryAt),
    second:
      fresh.length > 0 && repeat > 0 && delayMs > 0
        ? { at: after(now, delayMs), vips: later }
        : phase.second,
    refreshAt: phase.refreshAt ?? (refreshMs > 0 ? after(now, refreshMs) : null),
  });
  return chain(stay(next, ...garp(config, fresh, repeat, 'taken')), (t) =>
    absent.length === 0
      ? stay(t)
      : complain(t, `the data plane does not have ${absent.join(', ')} yet; asking again`),
  );
};
