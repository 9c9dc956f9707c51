/** Laws of several routers on one wire, whatever the wire did to their packets. */
import test from 'ava';
import fc from 'fast-check';
import { replay } from '../../../src/kernel/journal.js';
import { virtualRouter } from '../../../src/vrrp/fsm.js';
import { initial } from '../../../src/vrrp/state.js';
import { instance, simulate } from '../../support/vrrp/simulation.js';

const priority = fc.integer({ min: 1, max: 254 });
const timing = fc.constantFrom(
  { version: 2, advertMs: 1000 } as const,
  { version: 3, advertMs: 1000 } as const,
  { version: 3, advertMs: 100 } as const,
  { version: 3, advertMs: 10 } as const,
);
const routers = fc
  .tuple(timing, fc.array(fc.tuple(priority, fc.boolean()), { minLength: 2, maxLength: 3 }))
  .map(([t, list]) => list.map(([p, preempt]) => instance({ ...t, priority: p, preempt })));

/** Losses and delays of the first packets; delays below the skew's reach, as on a LAN under load. */
const fates = fc.array(
  fc.record({ lost: fc.boolean(), delayMs: fc.integer({ min: 0, max: 2000 }) }),
  { maxLength: 60 },
);

test('after a quiet period exactly one router is active, whatever was lost or late before', (t) => {
  fc.assert(
    fc.property(routers, fates, (configs, list) => {
      const wire = simulate(configs, list);
      // The fates are used up by then, the last late packet has come, and a timer has run out.
      wire.runUntil(70 * (configs[0]?.advertMs ?? 1000) + 12_000);
      return wire.active().length === 1;
    }),
    { numRuns: 150 },
  );
  t.pass();
});

test('with preemption everywhere and a good wire the highest priority is active', (t) => {
  fc.assert(
    fc.property(timing, fc.uniqueArray(priority, { minLength: 2, maxLength: 3 }), (time, list) => {
      const wire = simulate(list.map((p) => instance({ ...time, priority: p })));
      wire.runUntil(20_000);
      return wire.active().join() === String(list.indexOf(Math.max(...list)));
    }),
  );
  t.pass();
});

test('after a crash the next router is active within its Active_Down_Interval', (t) => {
  fc.assert(
    fc.property(timing, fc.uniqueArray(priority, { minLength: 2, maxLength: 3 }), (time, list) => {
      const wire = simulate(list.map((p) => instance({ ...time, priority: p })));
      wire.runUntil(20_000);
      const [gone = 0] = wire.active();
      wire.crash(gone);
      const rest = list.filter((_, i) => i !== gone);
      const skew = (time.version === 2 ? 1000 : time.advertMs) * ((256 - Math.max(...rest)) / 256);
      wire.runUntil(20_000 + 3 * time.advertMs + skew);
      return wire.active().join() === String(list.indexOf(Math.max(...rest)));
    }),
  );
  t.pass();
});

test('a recorded life, lived again, has the same effects and the same end', (t) => {
  fc.assert(
    fc.property(routers, fates, (configs, list) => {
      const wire = simulate(configs, list);
      wire.runUntil(10_000);
      for (const [i, config] of configs.entries()) {
        const { journal, effects, state } = wire.router(i);
        const again = replay(virtualRouter, initial(config), journal);
        t.deepEqual(again.steps, effects);
        t.deepEqual(again.state, state);
      }
    }),
    { numRuns: 20 },
  );
});
