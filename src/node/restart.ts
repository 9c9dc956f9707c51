/**
 * When to start a process again that died: at once after a long run, then slower while it keeps
 * dying. It is never started at once twice within a minute. One that had come up and worked is back
 * within a second: a longer pause would cost a node its role, which the death itself did not. Pure.
 */
import type { Millis } from '../kernel/machine.js';

/** A run this long forgives the failures before it. */
const goodRunMs = 60_000;
/** A run this long was of use. */
const usefulRunMs = 5000;
const longestAfterUseMs = 1000;
const delaysMs = [0, 250, 500, 1000, 2000, 4000, 8000] as const;
const longestDelayMs = 8000;

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
  const runMs = now - s.startedAt;
  const failures = runMs >= goodRunMs ? 0 : s.failures;
  const longestMs = runMs >= usefulRunMs ? longestAfterUseMs : longestDelayMs;
  const delayMs = Math.min(delaysMs[failures] ?? longestDelayMs, longestMs);
  return [{ failures: failures + 1, startedAt: s.startedAt }, delayMs];
};
