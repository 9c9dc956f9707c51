/** The Active state: RFC 9568 §6.4.3, and its gratuitous ARP (§8.2.2 here by the data plane). */
import { after, type Millis } from '../kernel/machine.js';
import { formatIpv4 } from '../net/ipv4.js';
import { complain, inPhase, learnInterval } from './adverts.js';
import type { Advert } from './receive.js';
import { type Effect, log, type Next, type PhaseOf, priorityOf, type State } from './state.js';
import { advertise, becomeBackup, chain, stay } from './transitions.js';

/** RFC 9568 §6.4.3 (720): the sender and the switches between learn who is active. */
const activeHearsLower = (s: State, phase: PhaseOf<'active'>, a: Advert, now: Millis): Next => {
  const { config } = s;
  const heard = stay(
    s,
    log(
      'info',
      s,
      `Received advert from ${formatIpv4(a.source)} with lower priority ${a.priority}, ours ${priorityOf(s)}`,
    ),
  );
  const answered = chain(heard, (t) =>
    config.lowerPrioNoAdvert
      ? stay(t)
      : advertise(inPhase(t, { ...phase, advertAt: after(now, config.advertMs) })),
  );
  const { lowerPrioRepeat: repeat, lowerPrioDelayMs } = config.garp;
  // While a second burst is due, another advert does not add a burst: two routers must not make an ARP storm.
  if (repeat === 0 || phase.vips === 'asked' || phase.lowerPrioGarpAt !== null) return answered;
  return chain(answered, (t) => {
    if (t.phase.tag !== 'active') return stay(t);
    const lowerPrioGarpAt = lowerPrioDelayMs > 0 ? after(now, lowerPrioDelayMs) : null;
    return stay(inPhase(t, { ...t.phase, lowerPrioGarpAt }), {
      type: 'garp',
      repeat,
      cause: 'lowerPriority',
    });
  });
};

/** RFC 9568 §6.4.3 */
export const activeHears = (s: State, phase: PhaseOf<'active'>, a: Advert, now: Millis): Next => {
  const mine = priorityOf(s);
  if (a.priority === 0)
    return advertise(inPhase(s, { ...phase, advertAt: after(now, s.config.advertMs) }));
  if (a.priority === mine && a.source === s.source)
    return complain(
      s,
      `an advert with our own address ${formatIpv4(a.source)} and priority: loop or duplicate address`,
    );
  const outranked =
    a.priority > mine || (a.priority === mine && s.source !== null && a.source > s.source);
  if (!outranked) return activeHearsLower(s, phase, a, now);
  const from = formatIpv4(a.source);
  const reason = `${from} has ${a.priority === mine ? 'the same priority and a higher address' : `higher priority ${a.priority}`}`;
  const word = a.priority === mine ? 'same' : 'higher';
  return chain(
    stay(
      s,
      log(
        'info',
        s,
        `Master received advert from ${from} with ${word} priority ${a.priority}, ours ${mine}`,
      ),
    ),
    (t) => (s.config.higherPrioSendAdvert ? advertise(t) : stay(t)),
    (t) => learnInterval({ ...t, peer: { address: a.source, priority: a.priority } }, a),
    (t) => becomeBackup(t, reason, now),
  );
};

const due = (at: Millis | null, now: Millis): at is Millis => at !== null && now >= at;

/** The advert first: everything else can wait. */
export const activeTick = (s: State, phase: PhaseOf<'active'>, now: Millis): Next => {
  const { garp, advertMs } = s.config;
  let next = phase;
  const garps: Effect[] = [];
  if (due(phase.secondGarpAt, now)) {
    next = { ...next, secondGarpAt: null };
    garps.push({ type: 'garp', repeat: garp.repeat, cause: 'second' });
  }
  if (due(phase.lowerPrioGarpAt, now)) {
    next = { ...next, lowerPrioGarpAt: null };
    garps.push({ type: 'garp', repeat: garp.lowerPrioRepeat, cause: 'lowerPriority' });
  }
  if (due(phase.refreshAt, now)) {
    next = { ...next, refreshAt: after(now, garp.refreshMs) };
    garps.push({ type: 'garp', repeat: garp.refreshRepeat, cause: 'refresh' });
  }
  if (!due(phase.advertAt, now)) return stay(inPhase(s, next), ...garps);
  // From the deadline rather than from now, so that a late timer does not stretch every later advert.
  const onTime = after(phase.advertAt, advertMs);
  const advertAt = onTime > now ? onTime : after(now, advertMs);
  return chain(advertise(inPhase(s, { ...next, advertAt })), (t) => stay(t, ...garps));
};

/** The addresses answer: now the neighbours may learn it. */
export const vipsTaken = (s: State, now: Millis): Next => {
  if (s.phase.tag !== 'active' || s.phase.vips === 'taken') return stay(s);
  const { repeat, delayMs, refreshMs } = s.config.garp;
  return stay(
    inPhase(s, {
      ...s.phase,
      vips: 'taken',
      secondGarpAt: repeat > 0 && delayMs > 0 ? after(now, delayMs) : null,
      refreshAt: refreshMs > 0 ? after(now, refreshMs) : null,
    }),
    ...(repeat > 0 ? [{ type: 'garp', repeat, cause: 'taken' } as const] : []),
  );
};
