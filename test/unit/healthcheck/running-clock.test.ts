import test from 'ava';
import fc from 'fast-check';
import { pausedResult } from '../../../src/healthcheck/probes/table.js';
import { runningClock } from '../../../src/healthcheck/running-clock.js';
import type { ProbeFailure, ProbeResult } from '../../../src/healthcheck/types.js';
import type { Clock } from '../../../src/kernel/driver.js';
import { after, millis } from '../../../src/kernel/machine.js';
import { handClock } from './samples.js';

/**
 * A process that is paused now and then: timers that fall due in a pause fire at its end, all at
 * once, and before what arrived meanwhile is read (as in Node's loop).
 */
function pausedLoop(pauses: readonly (readonly [from: number, length: number])[]) {
  const beneath = handClock();
  const endOfPause = (at: number): number => {
    for (const [from, length] of pauses) if (at >= from && at < from + length) return from + length;
    return at;
  };
  let skew = 0;
  const clock: Clock = {
    now: () => millis(Math.max(beneath.now(), skew)),
    wakeAt: (at, wake) => {
      const due = endOfPause(Math.max(at, beneath.now()));
      return beneath.wakeAt(millis(due), () => {
        skew = Math.max(skew, due);
        wake();
      });
    },
  };
  return { clock, endOfPause, advance: beneath.advance, at: beneath.wakeAt };
}

const pauses = fc
  .array(fc.tuple(fc.integer({ min: 200, max: 3000 }), fc.integer({ min: 150, max: 20_000 })), {
    maxLength: 6,
  })
  .map((list) => {
    let at = 0;
    return list.map(([gap, length]): readonly [number, number] => {
      const from = at + gap;
      at = from + length;
      return [from, length];
    });
  });

test('law: an answer that came in time is received before the deadline, however long the pauses', (t) => {
  fc.assert(
    fc.property(pauses, fc.integer({ min: 0, max: 2900 }), (list, answerAfter) => {
      const loop = pausedLoop(list);
      const clock = runningClock(loop.clock);
      clock.hold();
      let outcome = '';
      const settle = (as: string): void => {
        if (outcome === '') outcome = as;
      };
      clock.wakeAt(after(clock.now(), 3000), () => settle('timeout'));
      // It is there after `answerAfter`; it is read right after the timers of the turn in which
      // the process runs again.
      loop.at(millis(loop.endOfPause(answerAfter) + 0.001), () => settle('answer'));
      loop.advance(200_000);
      t.is(outcome, 'answer');
    }),
  );
});

test('law: a server that is silent is given the whole time, and not much more, of running', (t) => {
  fc.assert(
    fc.property(pauses, (list) => {
      const loop = pausedLoop(list);
      const clock = runningClock(loop.clock);
      clock.hold();
      let firedAt = -1;
      clock.wakeAt(after(clock.now(), 3000), () => {
        firedAt = loop.clock.now();
      });
      loop.advance(300_000);
      const pausedBefore = list
        .filter(([from]) => from < firedAt)
        .reduce((sum, [, length]) => sum + length, 0);
      const ran = firedAt - pausedBefore;
      // Each pause may cost the part of a tick that was used before it.
      t.true(ran >= 3000 - 1 && ran <= 3000 + 100 * list.length + 1, `${ran}`);
    }),
  );
});

test('law: a process that is short of CPU for long gives up on a silent server all the same', (t) => {
  const turns = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(turns, (gaps) => {
      const beneath = handClock();
      let turn = 0;
      // Each wake-up comes late, by more than what counts as a pause or by less.
      const clock = runningClock({
        now: beneath.now,
        wakeAt: (at, wake) => {
          const late = gaps[turn++ % gaps.length] ?? 0;
          return beneath.wakeAt(millis(Math.max(at, beneath.now()) + late), wake);
        },
      });
      clock.hold();
      let fired = false;
      clock.wakeAt(after(clock.now(), 3000), () => {
        fired = true;
      });
      beneath.advance(300_000);
      t.true(fired);
    }),
  );
});

test('the silence of a server counts in a process that was paused; a reset may be our own', (t) => {
  const failed = (failure: ProbeFailure): ProbeResult => ({ type: 'failed', failure, where: '' });
  const silence = failed({ type: 'timeout', afterMs: 3000 });
  t.is(pausedResult(silence), silence);
  const refusal = failed({ type: 'errno', errno: 'ECONNREFUSED' });
  t.is(pausedResult(refusal), refusal);
  t.is(pausedResult(failed({ type: 'errno', errno: 'ECONNRESET' })).type, 'paused');
});

test('a pause is noticed, also when nothing was due in it', (t) => {
  const loop = pausedLoop([[1000, 2000]]);
  const clock = runningClock(loop.clock);
  const release = clock.hold();
  loop.advance(900);
  t.is(clock.pauses(), 0);
  loop.advance(5000);
  t.is(clock.pauses(), 1);
  release();
});

test('without a probe on the wire nothing ticks', (t) => {
  const beneath = handClock();
  const clock = runningClock(beneath);
  const release = clock.hold();
  t.is(beneath.armed(), 1);
  release();
  release();
  t.is(beneath.armed(), 0);
  beneath.advance(100_000);
  t.is(clock.pauses(), 0);
});
