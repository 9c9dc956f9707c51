/** How long the turns of this process's event loop are. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoopView } from '../api/views.js';

const resolutionMs = 20;
const longTurnMs = 50;
const readMs = 1000;

export interface LoopWatch {
  readonly view: () => LoopView;
}

export const watchLoop = (): LoopWatch => {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let longestTurnMs = 0;
  let at: string | null = null;
  let over50Ms = 0;
  const read = (): void => {
    const { count } = histogram;
    const late = (ns: number): number => Math.max(0, ns / 1e6 - resolutionMs);
    // The longest ones are few: they are counted from above.
    for (let n = 1; n <= count; n++) {
      if (late(histogram.percentile(Math.max(0.01, 100 * (1 - (n - 1) / count)))) <= longTurnMs)
        break;
      over50Ms++;
    }
    const longest = count === 0 ? 0 : late(histogram.max);
    if (longest > longestTurnMs) {
      longestTurnMs = longest;
      at = new Date().toISOString();
    }
    histogram.reset();
  };
  setInterval(read, readMs).unref();
  return {
    view: () => {
      read();
      return { longestTurnMs: Math.round(longestTurnMs), at, over50Ms };
    },
  };
};
