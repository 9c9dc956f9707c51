/** A clock that stands still until it is moved: deadlines fire in order, at their own time. */
import type { Clock } from '../../../src/kernel/driver.js';
import { type Millis, millis } from '../../../src/kernel/machine.js';

export interface ManualClock extends Clock {
  /** Moves on to `to`, waking whoever is due on the way. */
  readonly moveTo: (to: number) => void;
  readonly pending: () => number;
}

export function manualClock(): ManualClock {
  let now = millis(0);
  let alarms: { readonly at: Millis; readonly wake: () => void }[] = [];
  const next = (to: Millis) =>
    alarms.filter((a) => a.at <= to).sort((a, b) => a.at - b.at)[0] ?? null;
  return {
    now: () => now,
    wakeAt: (at, wake) => {
      const alarm = { at, wake };
      alarms.push(alarm);
      return () => {
        alarms = alarms.filter((a) => a !== alarm);
      };
    },
    moveTo: (to) => {
      for (let alarm = next(millis(to)); alarm !== null; alarm = next(millis(to))) {
        const due = alarm;
        alarms = alarms.filter((a) => a !== due);
        now = millis(Math.max(now, due.at));
        due.wake();
      }
      now = millis(to);
    },
    pending: () => alarms.length,
  };
}
