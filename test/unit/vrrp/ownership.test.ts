/**
 * Laws of ownership: an address has one owner, and a death of a control process that is shorter than
 * its allowance moves nothing. The owner is whoever's data plane answers, not who believes to be
 * active. Several active routers are possible where adverts are lost, as in VRRP itself.
 */
import test from 'ava';
import fc from 'fast-check';
import { allowanceMs } from '../../../src/vrrp/state.js';
import { instance, type Simulation, simulate } from '../../support/vrrp/simulation.js';

const timing = fc.constantFrom(
  { version: 2, advertMs: 1000 } as const,
  { version: 3, advertMs: 1000 } as const,
  { version: 3, advertMs: 100 } as const,
);
const pair = fc
  .tuple(
    timing,
    // So far apart that the delay of the wire does not decide an election.
    fc.shuffledSubarray([30, 140, 250], { minLength: 2 }),
    fc.boolean(),
    fc.constantFrom(1000, 2000, 60_000),
  )
  .map(([time, priorities, preempt, leaseMs]) =>
    priorities.map((priority) => instance({ ...time, priority, preempt, leaseMs })),
  );

/** Of each packet; adverts of a preemption need twice that and a turn of the data plane. */
const delay = fc.constantFrom(0, 1, 5, 15);

/** What happens to a node, in intervals of its adverts. */
const trouble = fc.record({
  kind: fc.constantFrom(
    'replace',
    'pause',
    'restartDataplane',
    'fault',
    'mend',
    'suspend',
    'reload',
  ),
  node: fc.nat({ max: 2 }),
  after: fc.double({ min: 0, max: 6, noNaN: true }),
  lasts: fc.double({ min: 0, max: 8, noNaN: true }),
});
type Trouble = typeof trouble extends fc.Arbitrary<infer T> ? T : never;

const happen = (wire: Simulation, t: Trouble, node: number, unit: number): void => {
  const ms = t.lasts * unit;
  const link = (up: boolean): void =>
    wire.feed(node, { type: 'interface', up, reason: up ? 'running' : 'down' });
  switch (t.kind) {
    case 'replace':
      wire.replace(node, ms);
      break;
    case 'pause':
      wire.pause(node, ms);
      break;
    case 'restartDataplane':
      wire.restartDataplane(node, ms);
      break;
    case 'fault':
      link(false);
      break;
    case 'mend':
      link(true);
      break;
    case 'suspend':
      // The wire's clock went on; the machine's did not.
      wire.pause(node, ms);
      break;
    case 'reload':
      wire.feed(node, {
        type: 'configure',
        config: { ...wire.router(node).state.config, name: `n${t.after}` },
      });
      break;
  }
};

test('without loss an address never has two owners, whatever is killed, paused or restarted', (t) => {
  fc.assert(
    fc.property(pair, delay, fc.array(trouble, { maxLength: 12 }), (configs, delayMs, troubles) => {
      const unit = configs[0]?.advertMs ?? 1000;
      const wire = simulate(configs, [], { lost: false, delayMs });
      wire.runUntil(6 * unit + 1000);
      for (const e of troubles) {
        wire.runUntil(wire.now() + e.after * unit);
        happen(wire, e, e.node % configs.length, unit);
      }
      wire.runUntil(wire.now() + 30 * unit);
      return wire.contestedMs() === 0;
    }),
    { numRuns: 400 },
  );
  t.pass();
});

const short = fc.record({
  kind: fc.constantFrom('replace', 'pause', 'restartDataplane', 'reload'),
  node: fc.nat({ max: 2 }),
  after: fc.double({ min: 8, max: 12, noNaN: true }),
  /** Of the allowance that is left after the last advert. */
  lasts: fc.double({ min: 0, max: 1.9, noNaN: true }),
});

test('no death shorter than the allowance moves the address', (t) => {
  fc.assert(
    fc.property(pair, fc.array(short, { minLength: 1, maxLength: 6 }), (configs, troubles) => {
      const [first] = configs;
      if (first === undefined) return true;
      const unit = first.advertMs;
      const wire = simulate(configs);
      wire.runUntil(20 * unit + 2000);
      const before = wire.moves();
      for (const e of troubles) {
        wire.runUntil(wire.now() + e.after * unit);
        const [owner = 0] = wire.active();
        const { phase } = wire.router(owner).state;
        const silent = phase.tag === 'active' ? wire.now() - phase.lastAdvertAt : 0;
        const most = (allowanceMs(first) - silent - 60) / unit;
        happen(wire, { ...e, lasts: Math.max(0, Math.min(e.lasts, most)) }, owner, unit);
      }
      wire.runUntil(wire.now() + 10 * unit);
      return wire.moves() === before;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

const absence = fc.record({
  kind: fc.constantFrom('replace', 'pause'),
  /** When it begins, in intervals. */
  after: fc.double({ min: 0, max: 2, noNaN: true }),
  /** How much longer than the allowance after the last advert. */
  extraMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 51, max: 20_000 })),
});

test('an active router that was away for longer than the allowance listens before it sends or renews', (t) => {
  fc.assert(
    fc.property(pair, delay, absence, (configs, delayMs, away) => {
      const unit = configs[0]?.advertMs ?? 1000;
      const wire = simulate(configs, [], { lost: false, delayMs });
      wire.runUntil(20 * unit + 2000 + away.after * unit);
      const [owner = 0] = wire.active();
      const { phase, config } = wire.router(owner).state;
      if (phase.tag !== 'active') return false;
      const end = phase.lastAdvertAt + allowanceMs(config) + away.extraMs;
      happen(wire, { ...away, node: owner, lasts: (end - wire.now()) / unit }, owner, unit);
      // The shortest Active_Down_Interval: nobody has skipped it.
      wire.runUntil(end + 3 * unit - 1);
      const since = wire.router(owner).effects.filter((e) => e.at >= end - 1);
      const sent = since.flatMap((e) => e.effects).map((e) => e.type);
      return !sent.includes('advertise') && !sent.includes('renewLease');
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('after any trouble one node owns the address again', (t) => {
  fc.assert(
    fc.property(pair, fc.array(trouble, { maxLength: 10 }), (configs, troubles) => {
      const unit = configs[0]?.advertMs ?? 1000;
      const wire = simulate(configs);
      for (const e of troubles) {
        wire.runUntil(wire.now() + e.after * unit);
        happen(wire, e, e.node % configs.length, unit);
      }
      wire.runUntil(wire.now() + 20 * unit);
      for (const node of configs.keys())
        wire.feed(node, { type: 'interface', up: true, reason: 'running' });
      wire.runUntil(wire.now() + 40 * unit + 4000);
      return wire.owners().length === 1 && wire.active().length === 1;
    }),
    { numRuns: 200 },
  );
  t.pass();
});
