/** The Active state: RFC 9568 §6.4.3. Its gratuitous ARP (§8.2.2) is in garp.ts. */
import { after, type Millis } from '../kernel/machine.js';
import { formatIpv4 } from '../net/ipv4.js';
import { complain, inPhase, learnInterval } from './adverts.js';
import { dueGarps, isDue, lowerPriorityGarp } from './garp.js';
import { askAgain, endHandover, renewAndAdvertise } from './leases.js';
import type { Advert } from './receive.js';
import { heardLog, type Next, type PhaseOf, priorityOf, type State } from './state.js';
import { chain, loseToBetter, stay } from './transitions.js';

/** Adverts that answer others, per interval: whoever floods us with adverts gets no flood back. */
const answersPerInterval = 10;
/** VIPs that the data plane did not know are asked for again this often. */
export const retryMs = 100;

/** Answers an advert at once, unless the last one has only just left. */
const answer = (s: State, phase: PhaseOf<'active'>, now: Millis): Next =>
  phase.quiet !== null || now - phase.lastAdvertAt < s.config.advertMs / answersPerInterval
    ? stay(s)
    : renewAndAdvertise(s, phase, now);

/** RFC 9568 §6.4.3 (720): the sender and the switches between learn who is active. */
const activeHearsLower = (s: State, phase: PhaseOf<'active'>, a: Advert, now: Millis): Next => {
  const from = formatIpv4(a.source);
  const msg = `Received advert from ${from} with lower priority ${a.priority}, ours ${priorityOf(s)}`;
  const heard = stay(s, heardLog(s, 'lower', msg));
  return chain(
    heard,
    // Its last advert: it has heard us, and its data plane does not answer any more.
    (t) => (phase.handoverUntil === null ? stay(t) : endHandover(t, phase, now)),
    (t) =>
      s.config.lowerPrioNoAdvert || t.phase.tag !== 'active' ? stay(t) : answer(t, t.phase, now),
    (t) => lowerPriorityGarp(t, now),
  );
};

/** RFC 9568 §6.4.3 */
export const activeHears = (s: State, phase: PhaseOf<'active'>, a: Advert, now: Millis): Next => {
  const mine = priorityOf(s);
  if (a.priority === 0)
    return chain(phase.handoverUntil === null ? stay(s) : endHandover(s, phase, now), (t) =>
      t.phase.tag === 'active' ? answer(t, t.phase, now) : stay(t),
    );
  if (a.priority === mine && a.source === s.source)
    return complain(
      s,
      `an advert with our own address ${formatIpv4(a.source)} and priority: a loop in the network, or another machine has this address`,
    );
  const outranked =
    a.priority > mine || (a.priority === mine && s.source !== null && a.source > s.source);
  if (!outranked) return activeHearsLower(s, phase, a, now);
  const from = formatIpv4(a.source);
  const reason = `${from} has ${a.priority === mine ? 'the same priority and a higher address' : `higher priority ${a.priority}`}`;
  const word = a.priority === mine ? 'same' : 'higher';
  const msg = `Master received advert from ${from} with ${word} priority ${a.priority}, ours ${mine}`;
  return chain(
    stay(s, heardLog(s, 'better', msg)),
    (t) => learnInterval({ ...t, peer: { address: a.source, priority: a.priority } }, a),
    (t) => loseToBetter(t, reason, now),
  );
};

/** Lease and advert first: everything else can wait. */
export const activeTick = (s: State, phase: PhaseOf<'active'>, now: Millis): Next => {
  if (phase.quiet !== null) return stay(s);
  if (isDue(phase.handoverUntil, now)) return endHandover(s, phase, now);
  const [next, garps] = dueGarps(s.config, phase, now);
  if (isDue(phase.advertAt, now)) {
    const [sent, effects] = renewAndAdvertise(s, { ...next, retryAt: null }, now);
    // From the deadline rather than from now, so that a late timer does not shift later adverts.
    const onTime = after(phase.advertAt, s.config.advertMs);
    const kept =
      sent.phase.tag === 'active' && onTime > now
        ? inPhase(sent, { ...sent.phase, advertAt: onTime })
        : sent;
    return [kept, [...effects, ...garps]];
  }
  if (!isDue(phase.retryAt, now)) return stay(inPhase(s, next), ...garps);
  const retryAt = after(now, retryMs);
  return stay(inPhase(s, { ...next, retryAt }), ...askAgain(s, next, now), ...garps);
};
