/** When to start a process again that died: at once after a good run, then slower while it keeps dying. Pure. */
import type { Millis } from '../kernel/machine.js';

/** A run shorter than this counts as a failed start, milliseconds. */
const goodRunMs = 10_000;
const delaysMs = [0, 250, 500, 1000, 2000, 4000, 8000] as const;

export interface RestartState {
  /** Deaths in a row after runs that were too short. */
  readonly failures: number;
  readonly startedAt: Millis;
}

export const started = (now: Millis, before: RestartState | null): RestartState => ({
  failures: before?.failures ?? 0,
  startedAt: now,
});

/** What a death at `now` means: the state to go on with and how long to wait, in milliseconds. */
export const died = (
  s: RestartState,
  now: Millis,
): readonly [next: RestartState, delayMs: number] => {
  const failures = now - s.startedAt >= goodRunMs ? 0 : s.failures + 1;
  const delayMs = delaysMs[Math.min(failures, delaysMs.length - 1)] ?? 0;
  return [{ failures, startedAt: s.startedAt }, failures <= 1 ? 0 : delayMs];
};
