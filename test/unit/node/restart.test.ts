import test from 'ava';
import { millis } from '../../../src/kernel/machine.js';
import { died, type RestartState, started } from '../../../src/node/restart.js';

/** Starts and dies after `runMs`, `times` times; the delays asked for. */
const crashLoop = (times: number, runMs: number): number[] => {
  let now = 0;
  let state: RestartState | null = null;
  const delays: number[] = [];
  for (let i = 0; i < times; i++) {
    const run = started(millis(now), state);
    now += runMs;
    const [next, delayMs] = died(run, millis(now));
    state = next;
    now += delayMs;
    delays.push(delayMs);
  }
  return delays;
};

test('a process that dies after a good run is started again at once, every time', (t) => {
  t.deepEqual(crashLoop(5, 60_000), [0, 0, 0, 0, 0]);
});

test('a process that keeps dying young is started ever slower, up to eight seconds', (t) => {
  t.deepEqual(crashLoop(9, 100), [0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
});

test('one good run forgives the failures before it', (t) => {
  const young = crashLoop(4, 100);
  t.is(young.at(-1), 2000);
  const [after] = died({ failures: 4, startedAt: millis(0) }, millis(20_000));
  t.is(after.failures, 0);
});
