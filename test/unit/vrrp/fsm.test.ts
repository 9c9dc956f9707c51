import test from 'ava';
import fc from 'fast-check';
import { millis } from '../../../src/kernel/machine.js';
import { virtualRouter } from '../../../src/vrrp/fsm.js';
import type { InstanceConfig } from '../../../src/vrrp/messages.js';
import {
  type Effect,
  type Input,
  initial,
  leaseSpanMs,
  priorityOf,
  restore,
  type State,
  view,
} from '../../../src/vrrp/state.js';
import { activeDownMs } from '../../../src/vrrp/timers.js';
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
    if (e.type === 'renewLease') return [`lease ${e.ms}`];
    return e.type === 'releaseLease' || e.type === 'queryLease' ? [e.type] : [];
  });
const key = (a: string): string => `dpdk0 ${a}`;
/** The data plane answers for the addresses. */
const granted = (...addresses: readonly string[]): Input => ({
  type: 'leaseAnswer',
  granted: (addresses.length === 0 ? ['10.9.0.100'] : addresses).map(key),
  missing: [],
});
const released: Input = { type: 'leaseReleased' };
const service = (ok: boolean, reason: string, bootId = '1'): Input => ({
  type: 'serviceable',
  service: { bootId, ok, reason },
});
const away: Input = { type: 'dataplane', bootId: null, reason: 'the data plane is gone' };
const back = (bootId = '1'): Input => ({ type: 'dataplane', bootId, reason: 'connected' });
const tickAt = (r: Run): Run => feed(r, deadline(r), { type: 'tick' });
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

test('backup takes over when Active_Down_Timer fires: lease, then advert (RFC 9568 §6.4.2)', (t) => {
  const early = feed(started(), 3609, { type: 'tick' });
  t.deepEqual(deeds(early), []);
  const r = active();
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100', 'backup -> active']);
  t.regex(logged(r), /Entering MASTER STATE/);
  t.is(view(r.s).activeAddress, '10.9.0.5');
});

test('priority 255 alone is no head start, with state MASTER it is', (t) => {
  t.is(started({ priority: 255 }).s.phase.tag, 'backup');
  const owner = started({ priority: 255, initialState: 'active' });
  t.deepEqual(deeds(owner), ['lease 2000', 'advertise 255', 'initialize -> active']);
});

/** Runs on tick by tick until `at`. */
const runTo = (r: Run, at: number): Run => {
  let next: Run = { s: r.s, effects: [] };
  const all: Effect[] = [];
  while (deadline(next) <= at) {
    next = tickAt(next);
    all.push(...next.effects);
  }
  return { s: next.s, effects: all };
};
const garps = (r: Run): readonly string[] => deeds(r).filter((d) => d.startsWith('garp'));

test('gratuitous ARP waits for the lease: a burst, a second one after the delay', (t) => {
  const r = active();
  const at = 3609.375;
  t.deepEqual(garps(r), []);
  const taken = feed(r, at + 3, granted());
  t.deepEqual(deeds(taken), ['garp taken x5']);
  t.deepEqual(deeds(feed(taken, at + 4, granted())), []);
  const second = runTo(taken, at + 5003);
  t.deepEqual(garps(second), ['garp second x5']);
  t.deepEqual(garps(runTo(second, at + 12_000)), []);
});

test('a VIP the data plane does not know yet is asked for until it does, then announced', (t) => {
  const config = { addresses: ['10.9.0.100', '10.9.0.101'] };
  let r = active(config);
  r = feed(r, 3610, {
    type: 'leaseAnswer',
    granted: [key('10.9.0.100')],
    missing: [key('10.9.0.101')],
  });
  t.deepEqual(garps(r), ['garp taken x5']);
  t.is(deadline(r), 3710);
  t.regex(logged(r), /does not have dpdk0 10\.9\.0\.101 yet/);
  r = tickAt(r);
  const asked = r.effects.flatMap((e) => (e.type === 'renewLease' ? e.vips : []));
  t.deepEqual(asked, [{ device: 'dpdk0', address: '10.9.0.101' }]);
  r = feed(r, 3711, granted('10.9.0.101'));
  const announced = r.effects.flatMap((e) => (e.type === 'garp' ? e.vips : []));
  t.deepEqual(announced, [{ device: 'dpdk0', address: '10.9.0.101' }]);
  t.is(deadline(r), 4609.375);
});

test('garp_master_refresh repeats', (t) => {
  const garp = { ...instance().garp, refreshMs: 10_000, refreshRepeat: 2, delayMs: 0 };
  let r = feed(active({ garp }), 4000, granted());
  r = runTo(r, 14_000);
  t.deepEqual(garps(r), ['garp refresh x2']);
  r = runTo(r, 24_000);
  t.deepEqual(garps(r), ['garp refresh x2']);
});

test('active adverts keep to their grid when a timer is late', (t) => {
  let r = active();
  t.is(deadline(r), 4609.375);
  r = feed(r, 4800, { type: 'tick' });
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
  t.is(deadline(r), 5609.375);
  r = feed(r, 7000, { type: 'tick' });
  t.is(deadline(r), 8000);
});

test('a lease ends before a peer may take over', (t) => {
  const spans = ([3, 2] as const).flatMap((version) =>
    [1000, 100, 10].map((advertMs) => leaseSpanMs(instance({ version, advertMs }))),
  );
  t.deepEqual(spans.slice(0, 3), [2000, 250, 25]);
  t.is(leaseSpanMs(instance({ advertMs: 1000, leaseMs: 60_000 })), 2900);
});

test('law: a lease outlasts the interval until it is renewed, and ends before a peer takes over', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        version: fc.constantFrom(2 as const, 3 as const),
        advertMs: fc.integer({ min: 1, max: 4095 }).map((n) => n * 10),
        priority: fc.integer({ min: 1, max: 254 }),
        downTimerAdverts: fc.integer({ min: 1, max: 10 }),
        leaseMs: fc.integer({ min: 200, max: 600_000 }),
      }),
      (c) => {
        const config = instance(c);
        const span = leaseSpanMs(config);
        t.true(span > c.advertMs, JSON.stringify(c));
        t.true(span < activeDownMs(c, c.advertMs), JSON.stringify(c));
      },
    ),
  );
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
  // The last advert shows the other one that there was a second: it announces its addresses again.
  t.deepEqual(deeds(r), ['releaseLease', 'advertise 100', 'active -> backup']);
  t.is(deadline(r), 4000 + 3609.375);
  t.is(view(r.s).activeAddress, '10.9.0.2');
  t.regex(logged(r), /Master received advert from 10\.9\.0\.2 with higher priority 150, ours 100/);
});

test('equal priorities: the higher address stays active (RFC 9568 §6.4.3)', (t) => {
  t.is(feed(active(), 4000, advert(100, '10.9.0.9')).s.phase.tag, 'backup');
  const stays = feed(active(), 4000, advert(100, '10.9.0.2'));
  t.is(stays.s.phase.tag, 'active');
  t.deepEqual(deeds(stays), ['lease 2000', 'advertise 100']);
});

test('addresses compare as unsigned numbers', (t) => {
  t.is(feed(active(), 4000, advert(100, '192.0.2.1')).s.phase.tag, 'backup');
});

test('our own address and priority is a loop: one warning, no move', (t) => {
  const r = feed(active(), 4000, advert(100, '10.9.0.5'));
  t.is(r.s.phase.tag, 'active');
  t.regex(logged(r), /a loop in the network/);
  t.is(logged(feed(r, 4100, advert(100, '10.9.0.5'))), '');
});

test('active answers a lower priority at once, with one ARP burst for many adverts', (t) => {
  let r = feed(active(), 3700, granted());
  r = feed(r, 4100, advert(50));
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100', 'garp lowerPriority x5']);
  r = feed(r, 4110, advert(50));
  t.deepEqual(deeds(r), []);
  r = feed(r, 4250, advert(50));
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
  t.deepEqual(garps(runTo(r, 9200)), ['garp second x5', 'garp lowerPriority x5']);
});

test('a flood of adverts is not answered by a flood', (t) => {
  let r = feed(active(), 3700, granted());
  let sent = 0;
  for (let at = 4000; at < 4500; at += 0.5) {
    r = feed(r, at, advert(50));
    sent += deeds(r).filter((d) => d.startsWith('advertise')).length;
  }
  t.true(sent <= 6, `${sent} adverts`);
});

test('lower_prio_no_advert keeps silent', (t) => {
  t.deepEqual(deeds(feed(active({ lowerPrioNoAdvert: true }), 4000, advert(50))), []);
});

test('active answers priority 0 at once (RFC 9568 §6.4.3)', (t) => {
  const r = feed(active(), 4000, advert(0));
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
  t.is(deadline(r), 5000);
});

test('a yield: the data plane has stopped answering, then priority 0; nothing moves it again', (t) => {
  let r = feed(active(), 4000, { type: 'shutdown', reason: 'stop' });
  t.deepEqual(deeds(r), ['releaseLease']);
  t.true(view(r.s).holds);
  t.is(view(r.s).state, 'active');
  r = feed(r, 4002, released);
  t.deepEqual(deeds(r), ['advertise 0', 'active -> initialize']);
  r = feed(r, 9000, ...startInputs('10.9.0.5'), advert(0), { type: 'tick' });
  t.deepEqual(deeds(r), []);
  t.true(Number.isNaN(deadline(r)));
  t.deepEqual(deeds(feed(started(), 1, { type: 'shutdown', reason: 'x' })), [
    'backup -> initialize',
  ]);
});

test('a data plane that does not answer is waited for until its lease has run out by itself', (t) => {
  const r = feed(active(), 4000, { type: 'shutdown', reason: 'stop' });
  t.is(deadline(r), 3609.375 + 2000 + 20);
  t.deepEqual(deeds(tickAt(r)), ['advertise 0', 'active -> initialize']);
});

const down: Input = { type: 'interface', up: false, reason: 'interface eth0 is down' };
const noAddress: Input = { type: 'sourceAddress', address: null };
const faults: readonly (readonly [RegExp, Input, Input, number])[] = [
  [/eth0 is down/, down, { type: 'interface', up: true, reason: 'x' }, 100],
  [/no IPv4 address/, noAddress, { type: 'sourceAddress', address: address('10.9.0.5') }, 100],
  [/quorum lost/, service(false, 'quorum lost'), service(true, 'generation 7'), 0],
];
for (const [reason, broken, mended, holdMs] of faults)
  test(`active yields and stays in fault: ${reason.source}`, (t) => {
    let r = feed(active(), 4000, broken);
    if (holdMs > 0) {
      // A moment to see whether the data plane went with the interface.
      t.deepEqual(deeds(r), []);
      t.is(deadline(r), 4000 + holdMs);
      r = tickAt(r);
    }
    t.deepEqual(deeds(r), ['releaseLease']);
    r = feed(r, 4101, released);
    t.deepEqual(deeds(r), ['advertise 0', 'active -> fault']);
    t.regex(view(r.s).reason, reason);
    t.deepEqual(deeds(feed(r, 4200, broken)), []);
    t.deepEqual(deeds(feed(r, 4300, advert(0), { type: 'tick' })), []);
    r = feed(r, 5000, mended);
    t.deepEqual(deeds(r), ['fault -> backup']);
    t.is(deadline(r), 5000 + 3609.375);
  });

test('a data plane that is back in time costs nothing; no adverts meanwhile', (t) => {
  let r = feed(active(), 4000, away, down);
  t.deepEqual(deeds(r), []);
  t.is(r.s.phase.tag, 'active');
  t.is(deadline(r), 3609.375 + 3000);
  t.deepEqual(deeds(feed(r, 5000, { type: 'tick' })), []);
  // A new one has to be configured first, and its interface has to be there.
  r = feed(r, 5000, back('2'));
  t.deepEqual(deeds(r), []);
  r = feed(r, 5100, service(true, 'generation 1', '2'));
  t.deepEqual(deeds(r), []);
  r = feed(r, 5200, { type: 'interface', up: true, reason: 'x' });
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
  t.deepEqual(garps(feed(r, 5201, granted())), ['garp taken x5']);
});

test('the interface that goes a moment before the data plane is no reason to yield', (t) => {
  const r = feed(active(), 4000, down, noAddress);
  t.deepEqual(deeds(feed(r, 4050, away)), []);
  t.is(deadline(feed(r, 4050, away)), 3609.375 + 3000);
});

test('a data plane that stays away ends in fault without a farewell: a peer has taken over', (t) => {
  let r = feed(active(), 4000, away);
  r = tickAt(r);
  t.deepEqual(deeds(r), ['releaseLease', 'active -> fault']);
  t.is(view(r.s).reason, 'the data plane is gone');
  t.deepEqual(deeds(feed(r, 9000, back())), ['fault -> backup']);
});

test('serviceable for one data plane says nothing about the next', (t) => {
  const r = feed(started(), 100, away, back('2'));
  t.is(r.s.phase.tag, 'backup');
  const late = feed(r, 3609.375, { type: 'tick' });
  t.is(late.s.phase.tag, 'fault');
  t.regex(view(late.s).reason, /restarted and is not configured yet/);
});

test('a pause of the process: silence for three intervals ends the active state unheard', (t) => {
  const r = feed(active(), 3700, granted());
  const short = feed(r, 3609 + 2900, { type: 'tick' });
  t.is(short.s.phase.tag, 'active');
  for (const first of [{ type: 'tick' } as const, advert(50), advert(0), granted()]) {
    const long = feed(r, 3609.375 + 3000, first);
    t.deepEqual(deeds(long), ['releaseLease', 'active -> backup']);
    t.is(deadline(long) >= 3609.375 + 3000 + 600, true);
  }
  const heard = feed(r, 9000, advert(150));
  t.is(view(heard.s).activeAddress, '10.9.0.2');
});

test('a suspended machine counts as paused, though its clock stood still', (t) => {
  const r = feed(active(), 3700, granted());
  t.is(feed(r, 3800, { type: 'slept', ms: 1000 }).s.phase.tag, 'active');
  t.deepEqual(deeds(feed(r, 3800, { type: 'slept', ms: 5000 })), [
    'releaseLease',
    'active -> backup',
  ]);
  t.is(deadline(feed(started(), 1000, { type: 'slept', ms: 5000 })), 4609.375);
});

const restarted = (wasActive = true): Run =>
  feed(
    {
      s: restore(
        instance(),
        { service: { bootId: '1', ok: true, reason: 'x' }, delta: 0, wasActive },
        millis(0),
      ),
      effects: [],
    },
    0,
    ...startInputs('10.9.0.5').filter((i) => i.type !== 'serviceable'),
  );

test('a process that replaces an active one goes on when the leases are fresh enough', (t) => {
  let r = restarted();
  t.deepEqual(
    deeds(r).filter((d) => d !== 'initialize -> initialize'),
    ['queryLease'],
  );
  r = feed(r, 1, { type: 'leaseQueried', renewedAgoMs: 2500 });
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
  t.is(r.s.phase.tag, 'active');
  // The neighbours know the address: nothing is announced.
  t.deepEqual(deeds(feed(r, 2, granted())), []);
});

test('it begins as backup when the leases are old, unknown, or nobody answers', (t) => {
  for (const renewedAgoMs of [3000, 9999, null]) {
    const r = feed(restarted(), 1, { type: 'leaseQueried', renewedAgoMs });
    t.deepEqual(deeds(r), ['initialize -> backup']);
  }
  t.deepEqual(deeds(tickAt(restarted())), ['initialize -> backup']);
  t.deepEqual(deeds(restarted(false)), ['initialize -> backup']);
});

test('an answer that waited while the process was paused is as old as its question', (t) => {
  const r = feed(restarted(), 2400, { type: 'leaseQueried', renewedAgoMs: 700 });
  t.deepEqual(deeds(r), ['initialize -> backup']);
});

test('what is missing at the restart may come until the time is over', (t) => {
  let r = restarted();
  r = feed(r, 1, down, { type: 'leaseQueried', renewedAgoMs: 1000 });
  t.deepEqual(
    deeds(r).filter((d) => !d.includes('->')),
    [],
  );
  const up: Input = { type: 'interface', up: true, reason: 'x' };
  t.deepEqual(deeds(feed(r, 1500, up)), ['lease 2000', 'advertise 100']);
  t.is(feed(r, 2500, { type: 'tick' }, up).s.phase.tag, 'backup');
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
  let r = feed(active(), 4000, service(false, 'quorum lost'), released);
  r = feed(r, 4100, { type: 'interface', up: false, reason: 'interface eth0 is down' });
  t.deepEqual(deeds(r), []);
  t.is(view(r.s).reason, 'interface eth0 is down');
  t.true(r.effects.some((e) => e.type === 'changed'));
});

test('a new source address is advertised at once', (t) => {
  const r = feed(active(), 4000, { type: 'sourceAddress', address: address('10.9.0.6') });
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 100']);
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
  t.deepEqual(deeds(r), ['lease 2000', 'advertise 120']);
});

test('a reload that adds and removes addresses yields nothing and announces the new one', (t) => {
  const base = feed(active({ addresses: ['10.9.0.100', '10.9.0.99'] }), 3700, granted(), {
    ...granted('10.9.0.99'),
  });
  const config = instance({ addresses: ['10.9.0.100', '10.9.0.101'] });
  let r = feed(base, 4000, { type: 'configure', config });
  t.deepEqual(deeds(r), ['releaseLease', 'lease 2000', 'advertise 100']);
  const vips = r.effects.flatMap((e) => ('vips' in e ? [e.vips.map((v) => v.address)] : []));
  t.deepEqual(vips, [['10.9.0.99'], ['10.9.0.100', '10.9.0.101']]);
  t.is(r.s.phase.tag, 'active');
  r = feed(r, 4001, granted('10.9.0.100', '10.9.0.101'));
  const announced = r.effects.flatMap((e) => (e.type === 'garp' ? e.vips : []));
  t.deepEqual(announced, [{ device: 'dpdk0', address: '10.9.0.101' }]);
});

test('a reload restarts the timer of a backup by its new parameters', (t) => {
  const config = instance({ priority: 200, advertMs: 2000 });
  t.is(deadline(feed(started(), 1000, { type: 'configure', config })), 1000 + 6000 + 218.75);
  const renamed = instance({ name: 'other' });
  t.is(deadline(feed(started(), 1000, { type: 'configure', config: renamed })), 3609.375);
});

test('a timer that fires very late listens once more instead of making two active routers', (t) => {
  let r = feed(started(), 9000, { type: 'tick' });
  t.is(r.s.phase.tag, 'backup');
  t.regex(logged(r), /5391 ms late/);
  t.is(deadline(r), 9000 + 3609.375);
  r = feed(r, 12_610, { type: 'tick' });
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
  r = feed(r, 5100, { type: 'shutdown', reason: 'x' }, released);
  t.like(r.s.counters, {
    advertsReceived: 2,
    advertsSent: 3,
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

test('a router that was paused before it could resume does not, whatever comes first', (t) => {
  const service: Input = {
    type: 'serviceable',
    service: { bootId: '1', ok: true, reason: 'again' },
  };
  for (const input of [{ type: 'interface', up: true, reason: 'x' }, service] as const) {
    const r = feed(restarted(), 1, down, { type: 'leaseQueried', renewedAgoMs: 500 });
    t.false(deeds(feed(r, 9000, input)).some((d) => /^(lease|advertise)/.test(d)));
    t.not(feed(r, 9000, input).s.phase.tag, 'active');
  }
});

test('in whatever order and however late its surroundings are reported, a resume is in time', (t) => {
  const inputs = [...startInputs('10.9.0.5'), { type: 'leaseQueried', renewedAgoMs: 500 } as const];
  const schedule = fc.tuple(
    fc.shuffledSubarray([...inputs.keys()], { minLength: inputs.length }),
    fc.array(fc.constantFrom(0, 10, 500, 2000, 9000), { minLength: 6, maxLength: 6 }),
  );
  fc.assert(
    fc.property(schedule, ([order, gaps]) => {
      const service = { bootId: '1', ok: true, reason: 'x' };
      let s = restore(instance(), { service, delta: 0, wasActive: true }, millis(0));
      let now = 0;
      for (const [i, which] of order.entries()) {
        now += gaps[i] ?? 0;
        const input = inputs[which];
        if (input === undefined) continue;
        const [next, effects] = virtualRouter.step(s, input, millis(now));
        s = next;
        // The leases were renewed at the earliest 500 ms before the start.
        if (effects.some((e) => e.type === 'renewLease') && now >= 3000) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('a router without addresses has nothing to ask for', (t) => {
  const service = { bootId: '1', ok: true, reason: 'x' };
  const bare = restore(
    { ...instance(), vips: [] },
    { service, delta: 0, wasActive: true },
    millis(0),
  );
  const r = feed({ s: bare, effects: [] }, 0, ...startInputs('10.9.0.5'));
  t.is(r.s.phase.tag, 'backup');
});

test('an answer in pieces does not end the search for the address that is missing', (t) => {
  const [one, two] = ['dpdk0 10.9.0.100', 'dpdk0 10.9.0.101'];
  if (one === undefined || two === undefined) return t.fail();
  const r = feed(active({ addresses: ['10.9.0.100', '10.9.0.101'] }), 3700, {
    type: 'leaseAnswer',
    granted: [],
    missing: [one],
  });
  const after = feed(r, 3701, { type: 'leaseAnswer', granted: [two], missing: [] });
  t.is(after.s.phase.tag === 'active' ? after.s.phase.retryAt : null, millis(3800));
  const whole = feed(after, 3702, { type: 'leaseAnswer', granted: [one], missing: [] });
  t.is(whole.s.phase.tag === 'active' ? whole.s.phase.retryAt : 0, null);
  return undefined;
});
