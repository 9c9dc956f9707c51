import test from 'ava';
import fc from 'fast-check';
import { millis } from '../../../src/kernel/machine.js';
import { died, type RestartState, started } from '../../../src/node/restart.js';

/** Starts and dies after each of `runsMs`; the delays asked for. */
const lives = (runsMs: readonly number[]): readonly number[] => {
  let now = 0;
  let state: RestartState | null = null;
  const delays: number[] = [];
  for (const runMs of runsMs) {
    const run = started(millis(now), state);
    now += runMs;
    const [next, delayMs] = died(run, millis(now));
    state = next;
    now += delayMs;
    delays.push(delayMs);
  }
  return delays;
};
const times = (n: number, runMs: number): readonly number[] =>
  Array.from({ length: n }, () => runMs);

test('a process that dies after a long run is started again at once, every time', (t) => {
  t.deepEqual(lives(times(5, 60_000)), [0, 0, 0, 0, 0]);
});

test('a process that keeps dying is started ever slower, up to eight seconds', (t) => {
  t.deepEqual(lives(times(9, 100)), [0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  // As long as the limit of silence takes: such a loop is slowed down, too.
  t.deepEqual(lives(times(4, 12_000)), [0, 250, 500, 1000]);
});

test('one that worked between its deaths is away for a second at most', (t) => {
  t.deepEqual(lives(times(7, 10_000)), [0, 250, 500, 1000, 1000, 1000, 1000]);
  t.deepEqual(lives([...times(6, 100), 10_000, 100]).slice(-2), [1000, 8000]);
});

test('one long run forgives the failures before it', (t) => {
  t.deepEqual(lives([100, 100, 100, 60_000, 100]), [0, 250, 500, 0, 250]);
});

test('whatever the runs: never two starts at once within a minute', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(90_000), { maxLength: 40 }), (runs) => {
      const delays = lives(runs);
      for (let i = 1; i < delays.length; i++) if (delays[i] === 0) t.true((runs[i] ?? 0) >= 60_000);
    }),
  );
  t.pass();
});
