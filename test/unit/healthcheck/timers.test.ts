import test from 'ava';
import fc from 'fast-check';
import { sharedClock } from '../../../src/healthcheck/timers.js';
import { millis } from '../../../src/kernel/machine.js';
import { handClock } from './samples.js';

test('thousands of deadlines stand on one timer', (t) => {
  const beneath = handClock();
  const clock = sharedClock(beneath);
  for (let i = 0; i < 10_000; i++) clock.wakeAt(millis((i * 7919) % 5000), () => undefined);
  t.is(beneath.armed(), 1);
  t.is(clock.size(), 10_000);
  beneath.advance(5000);
  t.is(clock.size(), 0);
  t.is(beneath.armed(), 0);
});

test('law: what is not cancelled is woken once, in order, not before its time', (t) => {
  const deadlines = fc.array(fc.tuple(fc.nat({ max: 1000 }), fc.boolean()), { maxLength: 200 });
  fc.assert(
    fc.property(deadlines, (wanted) => {
      const beneath = handClock();
      const clock = sharedClock(beneath);
      const woken: number[] = [];
      const cancels = wanted.map(([at]) =>
        clock.wakeAt(millis(at), () => {
          t.true(clock.now() >= at);
          woken.push(at);
        }),
      );
      for (const [i, [, cancelled]] of wanted.entries()) if (cancelled) cancels[i]?.();
      beneath.advance(2000);
      const living = wanted.filter(([, cancelled]) => !cancelled).map(([at]) => at);
      t.deepEqual(
        woken,
        living.sort((a, b) => a - b),
      );
    }),
  );
});

test('a deadline set while others are served is kept', (t) => {
  const beneath = handClock();
  const clock = sharedClock(beneath);
  const woken: number[] = [];
  const again = (): void => {
    woken.push(clock.now());
    if (woken.length < 4) clock.wakeAt(millis(clock.now() + 10), again);
  };
  clock.wakeAt(millis(10), again);
  beneath.advance(100);
  t.deepEqual(woken, [10, 20, 30, 40]);
});

test('cancelled deadlines do not pile up', (t) => {
  const clock = sharedClock(handClock());
  for (let i = 0; i < 100_000; i++) clock.wakeAt(millis(1e9), () => undefined)();
  t.true(clock.size() < 3000);
});

test('the lateness of the latest deadline is told once', (t) => {
  let now = 0;
  let wake = (): void => undefined;
  const clock = sharedClock({
    now: () => millis(now),
    wakeAt: (_at, w) => {
      wake = w;
      return () => undefined;
    },
  });
  clock.wakeAt(millis(100), () => undefined);
  now = 130;
  wake();
  t.is(clock.takeLatest(), 30);
  t.is(clock.takeLatest(), 0);
});
