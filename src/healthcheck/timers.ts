/**
 * Thousands of deadlines on one timer: a clock made of a clock. A binary heap holds the deadlines, the clock beneath is
 * asked for the earliest only; what is cancelled stays in the heap until it comes up.
 */
import type { Clock } from '../kernel/driver.js';
import type { Millis } from '../kernel/machine.js';

interface Item {
  readonly at: Millis;
  wake: (() => void) | null;
}

export interface SharedClock extends Clock {
  /** How late the latest deadline since the last call was served, ms. */
  readonly takeLatest: () => number;
  /** Deadlines that are held, cancelled ones included. */
  readonly size: () => number;
}

/** Moves `heap[i]` towards the root until its parent is not later. */
function siftUp(heap: Item[], item: Item): void {
  let i = heap.length;
  heap.push(item);
  while (i > 0) {
    const up = (i - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || parent.at <= item.at) break;
    heap[i] = parent;
    i = up;
  }
  heap[i] = item;
}

/** The earlier child of `i`, or null where there is none. */
function earlierChild(heap: readonly Item[], i: number): readonly [number, Item] | null {
  const left = heap[2 * i + 1];
  const right = heap[2 * i + 2];
  if (left === undefined) return null;
  return right !== undefined && right.at < left.at ? [2 * i + 2, right] : [2 * i + 1, left];
}

function takeRoot(heap: Item[]): void {
  const item = heap.pop();
  if (item === undefined || heap.length === 0) return;
  let i = 0;
  for (let c = earlierChild(heap, i); c !== null && c[1].at < item.at; c = earlierChild(heap, i)) {
    heap[i] = c[1];
    i = c[0];
  }
  heap[i] = item;
}

/** Cancelled items are swept out when they outnumber the living, so that a long deadline does not hold them for ever. */
function sweep(heap: Item[]): void {
  const living = heap.filter((x) => x.wake !== null).sort((a, b) => a.at - b.at);
  heap.length = 0;
  heap.push(...living);
}

const sweepFrom = 1024;

export function sharedClock(beneath: Clock): SharedClock {
  const heap: Item[] = [];
  let cancelled = 0;
  let armedFor: Millis | null = null;
  let disarm: (() => void) | null = null;
  let latest = 0;
  let running = false;

  const arm = (): void => {
    // Whoever is woken sets deadlines of its own; the timer is moved once, at the end.
    if (running) return;
    const first = heap[0]?.at ?? null;
    if (first === armedFor) return;
    disarm?.();
    armedFor = first;
    disarm = first === null ? null : beneath.wakeAt(first, run);
  };

  const serve = (now: Millis): void => {
    for (let first = heap[0]; first !== undefined && first.at <= now; first = heap[0]) {
      takeRoot(heap);
      const wake = first.wake;
      first.wake = null;
      latest = Math.max(latest, now - first.at);
      dropDeadRoots();
      wake?.();
    }
  };

  const run = (): void => {
    armedFor = null;
    disarm = null;
    running = true;
    try {
      serve(beneath.now());
    } finally {
      running = false;
      arm();
    }
  };

  /** The root is always a living one, so that nobody is woken for nothing. */
  const dropDeadRoots = (): void => {
    while (heap[0]?.wake === null) {
      takeRoot(heap);
      cancelled--;
    }
  };

  const cancel = (item: Item): void => {
    if (item.wake === null) return;
    item.wake = null;
    cancelled++;
    if (cancelled >= sweepFrom && cancelled * 2 >= heap.length) {
      sweep(heap);
      cancelled = 0;
    }
    dropDeadRoots();
    arm();
  };

  return {
    now: beneath.now,
    wakeAt: (at, wake) => {
      const item: Item = { at, wake };
      siftUp(heap, item);
      arm();
      return () => cancel(item);
    },
    takeLatest: () => {
      const was = latest;
      latest = 0;
      return was;
    },
    size: () => heap.length,
  };
}
