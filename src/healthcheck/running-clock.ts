/**
 * A clock that stands still while this process does not run: stopped (SIGSTOP, a paused virtual
 * machine), starved by other load, or busy in one long turn of its own loop. Deadlines on it are
 * deadlines in time that was really used, so a server is not judged by time in which nobody could
 * have received its answer.
 *
 * While somebody holds the clock a tick is due every `tickMs`. A gap between two wake-ups that is
 * longer than a tick and `slackMs` was a pause and does not count. Where one pause follows the other
 * (a process that is short of CPU for long) a tick of each counts: the clock always goes on.
 */
import type { Clock } from '../kernel/driver.js';
import { after, type Millis, millis } from '../kernel/machine.js';

const tickMs = 50;
const slackMs = 50;

/** What is known of the time that was used. */
export interface Running {
  /** Last wake-up, on the clock beneath. */
  readonly seen: number;
  /** Sum of all pauses, ms. */
  readonly lost: number;
  readonly pauses: number;
  /** Used since the last pause, ms. */
  readonly ran: number;
}

/** A wake-up at `now`, when one was due every tick since the last. */
export const observe = (r: Running, now: number): Running => {
  const gap = now - r.seen;
  if (gap <= tickMs + slackMs) return { ...r, seen: now, ran: r.ran + gap };
  const counted = r.ran < tickMs ? tickMs : 0;
  return { seen: now, lost: r.lost + gap - counted, pauses: r.pauses + 1, ran: 0 };
};

export interface RunningClock extends Clock {
  /** Pauses are noticed from now until the answer is called. */
  readonly hold: () => () => void;
  /** Pauses noticed so far: compare two answers to learn whether there was one in between. */
  readonly pauses: () => number;
}

export function runningClock(beneath: Clock): RunningClock {
  let r: Running = { seen: beneath.now(), lost: 0, pauses: 0, ran: Infinity };
  let holders = 0;
  let stopTick: (() => void) | null = null;

  const look = (): number => {
    const now = beneath.now();
    // Without a holder nobody ticks, so a gap means nothing.
    r = holders > 0 ? observe(r, now) : { ...r, seen: now, ran: Infinity };
    return now;
  };
  const now = (): Millis => millis(look() - r.lost);
  const tick = (): void => {
    stopTick = null;
    look();
    if (holders > 0) stopTick = beneath.wakeAt(after(beneath.now(), tickMs), tick);
  };
  return {
    now,
    wakeAt: (at, wake) => {
      let cancel: (() => void) | null = null;
      // A pause since the deadline was set moves it; what arrived meanwhile is received before.
      const arm = (): void => {
        cancel = beneath.wakeAt(millis(at + r.lost), () => {
          if (now() < at) arm();
          else wake();
        });
      };
      arm();
      return () => cancel?.();
    },
    hold: () => {
      look();
      holders++;
      if (holders === 1) stopTick ??= beneath.wakeAt(after(beneath.now(), tickMs), tick);
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        look();
        holders--;
        if (holders > 0) return;
        stopTick?.();
        stopTick = null;
      };
    },
    pauses: () => {
      look();
      return r.pauses;
    },
  };
}
