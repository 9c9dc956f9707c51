/**
 * The clock of the vrrp process. A timer that fires late lets the poll phase run first, until nothing
 * more is read: after a pause the adverts of a peer that took over lie in the socket, and a router
 * has to see them before it acts. It also notices a machine that was suspended, which stops the
 * monotonic clock.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../../kernel/driver.js';
import { monotonicClock } from '../../kernel/io/clock.js';
import { type Millis, millis } from '../../kernel/machine.js';

const lateMs = 10;
/** Bounds the wait when packets arrive faster than they are read. */
const mostTurns = 200;
const lookAtBootTimeMs = 20;
/** /proc/uptime counts in hundredths of a second. */
const smallestSleepMs = 100;

export interface PatientClock extends Clock {
  /** Something was read from a socket. */
  readonly noticeInput: () => void;
  /** The longest delay of a timer since the last call. */
  readonly takeLatest: () => number;
}

/** CLOCK_BOOTTIME, which goes on while the machine is suspended. */
const bootTimeMs = (): number => {
  try {
    return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  } catch {
    return Number.NaN;
  }
};

export function patientClock(onSlept: (ms: number) => void): PatientClock {
  const { now } = monotonicClock;
  let reads = 0;
  let latest = 0;
  let offset = bootTimeMs() - now();
  let lookedAt = now();

  const lookForSleep = (): void => {
    if (now() - lookedAt < lookAtBootTimeMs) return;
    lookedAt = now();
    const found = bootTimeMs() - lookedAt;
    const slept = found - offset;
    offset = found;
    if (slept >= smallestSleepMs) onSlept(slept);
  };

  const wakeAt = (at: Millis, wake: () => void): (() => void) => {
    let cancelled = false;
    const afterReading = (turns: number, readsBefore: number): void => {
      setImmediate(() => {
        if (cancelled) return;
        if (reads === readsBefore || turns >= mostTurns) wake();
        else afterReading(turns + 1, reads);
      });
    };
    const cancel = monotonicClock.wakeAt(at, () => {
      lookForSleep();
      if (cancelled) return;
      const late = now() - at;
      latest = Math.max(latest, late);
      if (late < lateMs) wake();
      else afterReading(1, reads);
    });
    return () => {
      cancelled = true;
      cancel();
    };
  };
  return {
    now: () => millis(now()),
    wakeAt,
    noticeInput: () => {
      reads += 1;
    },
    takeLatest: () => {
      const value = latest;
      latest = 0;
      return value;
    },
  };
}
