/** The monotonic clock of the process, on Node's timers. */
import { performance } from 'node:perf_hooks';
import type { Clock } from '../driver.js';
import { type Millis, millis } from '../machine.js';

/** setTimeout has 31 bits and treats a longer delay as 1 ms. */
const longestDelay = 2 ** 31 - 1;

const now = (): Millis => millis(performance.now());

const wakeAt = (at: Millis, wake: () => void): (() => void) => {
  let timer: NodeJS.Timeout | null = null;
  // Node may fire up to a millisecond early, and a distant deadline needs several timers.
  const wait = (): void => {
    const left = at - now();
    if (left > 0) timer = setTimeout(wait, Math.min(Math.ceil(left), longestDelay));
    else wake();
  };
  timer = setTimeout(wait, Math.min(Math.max(Math.ceil(at - now()), 0), longestDelay));
  return () => {
    if (timer !== null) clearTimeout(timer);
  };
};

export const monotonicClock: Clock = { now, wakeAt };
