import test from 'ava';
import { millis } from '../../../src/kernel/machine.js';
import { virtualRouter } from '../../../src/vrrp/fsm.js';
import type { InstanceConfig } from '../../../src/vrrp/messages.js';
import {
  type Effect,
  type Input,
  initial,
  priorityOf,
  type State,
  view,
} from '../../../src/vrrp/state.js';
import { address, instance, packetsOf, startInputs } from '../../support/vrrp/simulation.js';

/** A router and what it did last; every call answers a new one. */
interface Run {
  readonly s: State;
  readonly effects: readonly Effect[];
}

const feed = (r: Run, at: number, ...inputs: readonly (Input | { readonly type: 'tick' })[]): Run =>
  inputs.reduce<Run>(
    ({ s, effects }, input) => {
      const [next, more] = virtualRouter.step(s, input, millis(at));
      return { s: next, effects: [...effects, ...more] };
    },
    { s: r.s, effects: [] },
  );

const created = (o: Partial<InstanceConfig> = {}): Run => ({
  s: initial(instance(o)),
  effects: [],
});
const started = (o: Partial<InstanceConfig> = {}, source = '10.9.0.5'): Run =>
  feed(created(o), 0, ...startInputs(source));

/** The moment of the first deadline, ticked. */
const active = (o: Partial<InstanceConfig> = {}): Run => {
  const r = started(o);
  return feed(r, deadline(r), { type: 'tick' });
};
const deadline = (r: Run): number => virtualRouter.deadline(r.s) ?? Number.NaN;

const advert = (priority: number, source = '10.9.0.2', o: Partial<InstanceConfig> = {}): Input => ({
  type: 'packet',
  bytes:
    packetsOf({ ...initial(instance(o)), source: address(source) }, priority)[0] ??
    new Uint8Array(0),
});

/** The effects that are seen outside, in order. */
const deeds = (r: Run): readonly string[] =>
  r.effects.flatMap((e) => {
    if (e.type === 'advertise') return [`advertise ${e.priority}`];
    if (e.type === 'transition') return [`${e.from} -> ${e.to}`];
    if (e.type === 'garp') return [`garp ${e.cause} x${e.repeat}`];
    return e.type === 'takeVips' || e.type === 'releaseVips' ? [e.type] : [];
  });
const logged = (r: Run): string =>
  r.effects.flatMap((e) => (e.type === 'log' ? [e.msg] : [])).join('\n');

test('nothing happens before the surroundings are known', (t) => {
  const r = feed(created(), 0, { type: 'startup' });
  t.is(r.s.phase.tag, 'initialize');
  t.true(Number.isNaN(deadline(r)));
  t.regex(view(r.s).reason, /eth0 not known/);
});

test('starts as backup with a full Active_Down_Timer; version 2 skew in seconds (RFC 3768 §6.1)', (t) => {
  const r = started();
  t.deepEqual(deeds(r), ['initialize -> backup']);
  t.is(deadline(r), 3609.375);
});

test('version 2 skew does not follow the interval, version 3 skew does (RFC 9568 §6.1)', (t) => {
  t.is(deadline(started({ version: 2, advertMs: 2000 })), 6000 + 609.375);
  t.is(deadline(started({ version: 3, advertMs: 100 })), 300 + 60.9375);
  t.is(deadline(started({ downTimerAdverts: 5 })), 5609.375);
});

test('backup takes over when Active_Down_Timer fires: advert, then addresses (RFC 9568 §6.4.2)', (t) => {
  const early = feed(started(), 3609, { type: 'tick' });
  t.deepEqual(deeds(early), []);
  const r = active();
  t.deepEqual(deeds(r), ['advertise 100', 'takeVips', 'backup -> active']);
  t.regex(logged(r), /Entering MASTER STATE/);
  t.is(view(r.s).activeAddress, '10.9.0.5');
});

test('priority 255 alone is no head start, with state MASTER it is', (t) => {
  t.is(started({ priority: 255 }).s.phase.tag, 'backup');
  const owner = started({ priority: 255, initialState: 'active' });
  t.deepEqual(deeds(owner), ['advertise 255', 'takeVips', 'initialize -> active']);
});

test('gratuitous ARP waits for the data plane: a burst, a second one after the delay', (t) => {
  const r = active();
  const at = 3609.375;
  t.false(deeds(r).some((d) => d.startsWith('garp')));
  const taken = feed(r, at + 3, { type: 'vipsTaken' });
  t.deepEqual(deeds(taken), ['garp taken x5']);
  t.deepEqual(deeds(feed(taken, at + 4, { type: 'vipsTaken' })), []);
  const second = feed(taken, at + 5003, { type: 'tick' });
  t.deepEqual(deeds(second), ['advertise 100', 'garp second x5']);
  t.deepEqual(deeds(feed(second, at + 5003, { type: 'tick' })), []);
});

test('garp_master_refresh repeats', (t) => {
  const garp = { ...instance().garp, refreshMs: 10_000, refreshRepeat: 2, delayMs: 0 };
  let r = feed(active({ garp }), 4000, { type: 'vipsTaken' });
  r = feed(r, 14_000, { type: 'tick' });
  t.true(deeds(r).includes('garp refresh x2'));
  r = feed(r, 24_000, { type: 'tick' });
  t.true(deeds(r).includes('garp refresh x2'));
});

test('active adverts keep to their grid when a timer is late', (t) => {
  let r = active();
  t.is(deadline(r), 4609.375);
  r = feed(r, 4800, { type: 'tick' });
  t.deepEqual(deeds(r), ['advertise 100']);
  t.is(deadline(r), 5609.375);
  r = feed(r, 9000, { type: 'tick' });
  t.is(deadline(r), 10_000);
});

test('an advert of the active router restarts the timer and is remembered', (t) => {
  const r = feed(started(), 1000, advert(150));
  t.is(deadline(r), 4609.375);
  t.is(view(r.s).activeAddress, '10.9.0.2');
  t.regex(logged(r), /master set to 10\.9\.0\.2/);
  t.is(logged(feed(r, 2000, advert(150))), '');
});

test('equal priority leaves the active router alone', (t) => {
  t.is(deadline(feed(started(), 1000, advert(100))), 4609.375);
});

test('a lower priority is discarded and the timer runs on (RFC 9568 §6.4.2)', (t) => {
  const r = feed(started(), 1000, advert(50));
  t.is(deadline(r), 3609.375);
  t.regex(logged(r), /received lower priority \(50\) advert from 10\.9\.0\.2 - discarding/);
});

test('nopreempt follows a lower priority', (t) => {
  t.is(deadline(feed(started({ preempt: false }), 1000, advert(50))), 4609.375);
});

test('preempt_delay follows a lower priority until it has passed', (t) => {
  let r = feed(started({ preemptDelayMs: 10_000 }), 1000, advert(50));
  t.is(deadline(r), 4609.375);
  r = feed(r, 4000, advert(50));
  r = feed(r, 7000, advert(50));
  r = feed(r, 10_000, advert(50));
  const last = deadline(r);
  r = feed(r, 11_500, advert(50));
  t.is(deadline(r), last);
});

test('preempt_delay begins anew after a higher router showed up', (t) => {
  let r = feed(started({ preemptDelayMs: 2000 }), 1000, advert(50));
  r = feed(r, 2500, advert(200));
  r = feed(r, 3500, advert(50));
  t.is(deadline(r), 3500 + 3609.375);
});

test('priority 0 leaves one skew time, even with nopreempt (RFC 9568 §6.4.2)', (t) => {
  for (const preempt of [true, false]) {
    let r = feed(started({ preempt }), 1000, advert(150));
    r = feed(r, 1500, advert(0));
    t.is(deadline(r), 1500 + 609.375);
    t.is(view(r.s).activeAddress, null);
    r = feed(r, 2200, { type: 'tick' });
    t.is(r.s.phase.tag, 'active');
    t.regex(view(r.s).reason, /10\.9\.0\.2 yielded/);
  }
});

test('version 3 learns the active interval (RFC 9568 §6.4.2)', (t) => {
  const v3 = { version: 3 } as const;
  const r = feed(started(v3), 1000, advert(150, '10.9.0.2', { ...v3, advertMs: 100 }));
  t.is(deadline(r), 1000 + 300 + (156 / 256) * 100);
  t.regex(logged(r), /advertisement interval updated from 1000ms to 100ms by master/);
  t.is(view(r.s).intervalMs, 100);
  const zero = feed(r, 1050, advert(0, '10.9.0.2', { ...v3, advertMs: 100 }));
  t.is(deadline(zero), 1050 + (156 / 256) * 100);
});

test('active yields to a higher priority: addresses go, no priority 0', (t) => {
  const r = feed(active(), 4000, advert(150));
  t.deepEqual(deeds(r), ['releaseVips', 'active -> backup']);
  t.is(deadline(r), 4000 + 3609.375);
  t.is(view(r.s).activeAddress, '10.9.0.2');
  t.regex(logged(r), /Master received advert from 10\.9\.0\.2 with higher priority 150, ours 100/);
});

test('higher_prio_send_advert sends one last advert', (t) => {
  const r = feed(active({ higherPrioSendAdvert: true }), 4000, advert(150));
  t.deepEqual(deeds(r), ['advertise 100', 'releaseVips', 'active -> backup']);
});

test('equal priorities: the higher address stays active (RFC 9568 §6.4.3)', (t) => {
  t.is(feed(active(), 4000, advert(100, '10.9.0.9')).s.phase.tag, 'backup');
  const stays = feed(active(), 4000, advert(100, '10.9.0.2'));
  t.is(stays.s.phase.tag, 'active');
  t.deepEqual(deeds(stays), ['advertise 100']);
});

test('addresses compare as unsigned numbers', (t) => {
  t.is(feed(active(), 4000, advert(100, '192.0.2.1')).s.phase.tag, 'backup');
});

test('our own address and priority is a loop: one warning, no move', (t) => {
  const r = feed(active(), 4000, advert(100, '10.9.0.5'));
  t.is(r.s.phase.tag, 'active');
  t.regex(logged(r), /loop or duplicate/);
  t.is(logged(feed(r, 4100, advert(100, '10.9.0.5'))), '');
});

test('active answers a lower priority at once, with one ARP burst for many adverts', (t) => {
  let r = feed(active(), 4000, { type: 'vipsTaken' });
  r = feed(r, 4100, advert(50));
  t.deepEqual(deeds(r), ['advertise 100', 'garp lowerPriority x5']);
  r = feed(r, 4200, advert(50));
  t.deepEqual(deeds(r), ['advertise 100']);
});

test('lower_prio_no_advert keeps silent', (t) => {
  t.deepEqual(deeds(feed(active({ lowerPrioNoAdvert: true }), 4000, advert(50))), []);
});

test('active answers priority 0 at once (RFC 9568 §6.4.3)', (t) => {
  const r = feed(active(), 4000, advert(0));
  t.deepEqual(deeds(r), ['advertise 100']);
  t.is(deadline(r), 5000);
});

test('shutdown yields with priority 0, then gives up the addresses; nothing moves it again', (t) => {
  let r = feed(active(), 4000, { type: 'shutdown', reason: 'SIGTERM' });
  t.deepEqual(deeds(r), ['advertise 0', 'releaseVips', 'active -> initialize']);
  r = feed(r, 9000, ...startInputs('10.9.0.5'), advert(0), { type: 'tick' });
  t.deepEqual(deeds(r), []);
  t.true(Number.isNaN(deadline(r)));
  t.deepEqual(deeds(feed(started(), 1, { type: 'shutdown', reason: 'x' })), [
    'backup -> initialize',
  ]);
});

const faults: readonly (readonly [string, Input, Input])[] = [
  [
    'interface eth0 is down',
    { type: 'interface', up: false, reason: 'interface eth0 is down' },
    { type: 'interface', up: true, reason: 'x' },
  ],
  [
    'interface eth0 has no IPv4 address',
    { type: 'sourceAddress', address: null },
    { type: 'sourceAddress', address: address('10.9.0.5') },
  ],
  [
    'the data plane is gone',
    { type: 'serviceable', ok: false, reason: 'the data plane is gone' },
    { type: 'serviceable', ok: true, reason: 'generation 7' },
  ],
];
for (const [reason, broken, mended] of faults)
  test(`active yields with priority 0 and stays in fault: ${reason}`, (t) => {
    let r = feed(active(), 4000, broken);
    t.deepEqual(deeds(r), ['advertise 0', 'releaseVips', 'active -> fault']);
    t.is(view(r.s).reason, reason);
    t.deepEqual(deeds(feed(r, 4000, broken)), []);
    t.deepEqual(deeds(feed(r, 4100, advert(0), { type: 'tick' })), []);
    r = feed(r, 5000, mended);
    t.deepEqual(deeds(r), ['fault -> backup']);
    t.is(deadline(r), 5000 + 3609.375);
  });

test('a controller that hangs costs the addresses until it speaks again', (t) => {
  let r = feed(active(), 4000, { type: 'alive', leaseMs: 500 });
  t.is(deadline(r), 4500);
  r = feed(r, 4400, { type: 'alive', leaseMs: 500 });
  t.is(deadline(feed(r, 4700, { type: 'tick' })), 4900);
  r = feed(r, 4900, { type: 'tick' });
  t.deepEqual(deeds(r), ['advertise 0', 'releaseVips', 'active -> fault']);
  t.is(view(r.s).reason, 'the controller does not answer');
  t.true(Number.isNaN(deadline(r)));
  t.deepEqual(deeds(feed(r, 6000, { type: 'alive', leaseMs: 500 })), ['fault -> backup']);
});

test('dont_track_primary ignores the interface', (t) => {
  const r = feed(active({ dontTrackPrimary: true }), 4000, {
    type: 'interface',
    up: false,
    reason: 'interface eth0 is down',
  });
  t.is(r.s.phase.tag, 'active');
});

test('another reason for a fault is shown without a transition', (t) => {
  let r = feed(active(), 4000, { type: 'serviceable', ok: false, reason: 'quorum lost' });
  r = feed(r, 4100, { type: 'interface', up: false, reason: 'interface eth0 is down' });
  t.deepEqual(deeds(r), []);
  t.is(view(r.s).reason, 'interface eth0 is down');
  t.true(r.effects.some((e) => e.type === 'changed'));
});

test('a new source address is advertised at once', (t) => {
  const r = feed(active(), 4000, { type: 'sourceAddress', address: address('10.9.0.6') });
  t.deepEqual(deeds(r), ['advertise 100']);
  t.is(view(r.s).activeAddress, '10.9.0.6');
});

test('weighted trackers move the priority within 1..254, never an owner', (t) => {
  const delta = (o: Partial<InstanceConfig>, d: number): number =>
    priorityOf(feed(started(o), 1, { type: 'priorityDelta', delta: d }).s);
  t.is(delta({ priority: 100 }, -20), 80);
  t.is(delta({ priority: 100 }, -200), 1);
  t.is(delta({ priority: 200 }, 100), 254);
  t.is(delta({ priority: 255 }, -100), 255);
});

test('a reload of the same parameters does nothing', (t) => {
  t.deepEqual(feed(active(), 4000, { type: 'configure', config: instance() }).effects, []);
});

test('a reload keeps an active router active and tells its new priority', (t) => {
  const r = feed(active(), 4000, { type: 'configure', config: instance({ priority: 120 }) });
  t.deepEqual(deeds(r), ['advertise 120']);
});

test('a reload with other addresses takes them and announces them again', (t) => {
  const base = feed(active(), 3700, { type: 'vipsTaken' });
  const config = instance({ addresses: ['10.9.0.100', '10.9.0.101'] });
  let r = feed(base, 4000, { type: 'configure', config });
  t.deepEqual(deeds(r), ['advertise 100', 'takeVips']);
  r = feed(r, 4001, { type: 'vipsTaken' });
  t.deepEqual(deeds(r), ['garp taken x5']);
});

test('a reload restarts the timer of a backup by its new parameters', (t) => {
  const config = instance({ priority: 200, advertMs: 2000 });
  t.is(deadline(feed(started(), 1000, { type: 'configure', config })), 1000 + 6000 + 218.75);
});

test('a timer that fires very late listens once more instead of making two active routers', (t) => {
  let r = feed(started(), 9000, { type: 'tick' });
  t.is(r.s.phase.tag, 'backup');
  t.regex(logged(r), /5391 ms late/);
  t.is(deadline(r), 9609.375);
  r = feed(r, 9610, { type: 'tick' });
  t.is(r.s.phase.tag, 'active');
});

test('bad adverts are counted, each complaint is logged once', (t) => {
  const wrong = advert(150, '10.9.0.2', { advertMs: 2000 });
  let r = feed(started(), 1000, wrong);
  t.regex(logged(r), /interval mismatch/);
  r = feed(r, 2000, wrong);
  t.is(logged(r), '');
  t.is(r.s.counters.advertIntervalErrors, 2);
  t.is(deadline(r), 3609.375);
});

test('counters tell what was sent and received', (t) => {
  let r = feed(active(), 4000, advert(0), advert(50));
  r = feed(r, 5100, { type: 'shutdown', reason: 'x' });
  t.like(r.s.counters, {
    advertsReceived: 2,
    advertsSent: 4,
    becameActive: 1,
    releasedActive: 1,
    priorityZeroReceived: 1,
    priorityZeroSent: 1,
  });
});

test('a failed send is counted and told once', (t) => {
  const failed: Input = { type: 'sendFailed', reason: 'ENETDOWN' };
  const r = feed(active(), 4000, failed, failed);
  t.is(r.s.counters.sendErrors, 2);
  t.is(r.effects.filter((e) => e.type === 'log').length, 1);
});
