/**
 * One virtual router (RFC 9568 §6, RFC 3768 §6; keepalived's rules where the RFCs are silent).
 *
 * In flow packets as a raw socket gives them, ticks, and what the interface monitor, the data plane and the operator
 * report; out flow adverts, the taking and giving up of the addresses, gratuitous ARP, log lines and transitions, as
 * data in the order in which they must happen. The caller owns time: deadlines stand in the state.
 */
import { after, type Machine, type Millis, type Tick, unreachable } from '../kernel/machine.js';
import { activeHears, activeTick, vipsTaken } from './active.js';
import { complain, inPhase } from './adverts.js';
import { backupHears, backupTick } from './backup.js';
import type { InstanceConfig } from './messages.js';
import { type Advert, receive } from './receive.js';
import {
  count,
  type Effect,
  type Input,
  type Next,
  type State,
  timingOf,
  withConfig,
} from './state.js';
import { activeDownMs } from './timers.js';
import {
  advertise,
  becomeActive,
  becomeBackup,
  becomeStopped,
  chain,
  settle,
  stay,
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

const tick = (s: State, now: Millis): Next => {
  if (s.lease !== null && !s.lease.expired && now >= s.lease.until)
    return settle({ ...s, lease: { ...s.lease, expired: true } }, now);
  switch (s.phase.tag) {
    case 'backup':
      return backupTick(s, s.phase, now);
    case 'active':
      return activeTick(s, s.phase, now);
    default:
      return stay(s);
  }
};

/** A reload keeps the state; an active router says at once what is new, a backup waits by the new timing. */
const configure = (s: State, config: InstanceConfig, now: Millis): Next => {
  if (JSON.stringify(config) === JSON.stringify(s.config)) return stay(s);
  const next: State = { ...s, ...withConfig(config) };
  if (s.phase.tag === 'backup') {
    const activeIntervalMs = config.version === 2 ? config.advertMs : s.activeIntervalMs;
    const timed: State = { ...next, activeIntervalMs };
    const activeDownAt = after(now, activeDownMs(timingOf(timed), activeIntervalMs));
    return chain(
      stay(inPhase(timed, { ...s.phase, activeDownAt, preemptAt: null }), { type: 'changed' }),
      (t) => settle(t, now),
    );
  }
  if (s.phase.tag !== 'active')
    return chain(stay(next, { type: 'changed' }), (t) => settle(t, now));
  const list = (c: InstanceConfig): string =>
    [...c.addresses, '', ...c.excludedAddresses].join(' ');
  const moved = list(s.config) !== list(config);
  const phase = { ...s.phase, advertAt: after(now, config.advertMs) };
  return chain(
    advertise(
      inPhase(
        { ...next, activeIntervalMs: config.advertMs },
        moved ? { ...phase, vips: 'asked' } : phase,
      ),
    ),
    (t) => stay(t, ...(moved ? [{ type: 'takeVips' } as const] : []), { type: 'changed' }),
    (t) => settle(t, now),
  );
};

const sourceAddress = (s: State, address: State['source'], now: Millis): Next => {
  if (address === null) return settle({ ...s, sourceLost: true }, now);
  if (address === s.source && !s.sourceLost) return stay(s);
  const next: State = { ...s, source: address, sourceLost: false };
  // Still active, under another address: the backups should know whom they follow.
  if (next.phase.tag === 'active')
    return chain(advertise(next), (t) => stay(t, { type: 'changed' }));
  return settle(next, now);
};

const followGroup = (s: State, to: 'active' | 'backup', reason: string, now: Millis): Next => {
  if (to === 'active') return s.phase.tag === 'backup' ? becomeActive(s, reason, now) : stay(s);
  return s.phase.tag === 'active' ? becomeBackup(s, reason, now) : stay(s);
};

function step(s: State, input: Input | Tick, now: Millis): Next {
  if (s.phase.tag === 'stopped') return stay(s);
  switch (input.type) {
    case 'tick':
      return tick(s, now);
    case 'packet':
      return packetArrived(s, input.bytes, now);
    case 'startup':
      return settle({ ...s, started: true }, now);
    case 'shutdown':
      return becomeStopped(s, input.reason);
    case 'interface':
      return settle({ ...s, link: { up: input.up, reason: input.reason } }, now);
    case 'sourceAddress':
      return sourceAddress(s, input.address, now);
    case 'serviceable':
      return settle({ ...s, service: { ok: input.ok, reason: input.reason } }, now);
    case 'groupObstacle':
      return settle({ ...s, groupObstacle: input.obstacle }, now);
    case 'follow':
      return followGroup(s, input.to, input.reason, now);
    case 'priorityDelta':
      if (input.delta === s.delta) return stay(s);
      return stay({ ...s, delta: input.delta }, { type: 'changed' });
    case 'configure':
      return configure(s, input.config, now);
    case 'alive':
      return settle({ ...s, lease: { until: after(now, input.leaseMs), expired: false } }, now);
    case 'vipsTaken':
      return vipsTaken(s, now);
    case 'sendFailed':
      return complain(count(s, 'sendErrors'), `cannot send: ${input.reason}`);
    default:
      return unreachable(input);
  }
}

const soonest = (...times: readonly (Millis | null)[]): Millis | null =>
  times.reduce((a, b) => (a === null || (b !== null && b < a) ? b : a), null);

function deadline(s: State): Millis | null {
  const { phase } = s;
  if (phase.tag === 'stopped') return null;
  const lease = s.lease === null || s.lease.expired ? null : s.lease.until;
  if (phase.tag === 'backup') return soonest(lease, phase.activeDownAt);
  if (phase.tag !== 'active') return lease;
  return soonest(lease, phase.advertAt, phase.secondGarpAt, phase.refreshAt, phase.lowerPrioGarpAt);
}

export const virtualRouter: Machine<State, Input, Effect> = { step, deadline };
