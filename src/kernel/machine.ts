/**
 * The shape of every protocol core: a pure function from state and input to state and effects. Time
 * is an argument; effects are data in the order in which they must be performed.
 */

/** Monotonic milliseconds; may carry a fraction. No core reads a clock. */
export type Millis = number & { readonly unit: 'ms' };

/** Marks a number as monotonic milliseconds, where a clock or a test provides the time. */
export const millis = (n: number): Millis => n as Millis;

/** `ms` milliseconds after `now`. */
export const after = (now: Millis, ms: number): Millis => (now + ms) as Millis;

/** The input that every machine accepts: its deadline has passed. */
export interface Tick {
  readonly type: 'tick';
}

export type Step<State, Effect> = readonly [state: State, effects: readonly Effect[]];

export interface Machine<State, Input, Effect> {
  readonly step: (state: State, input: Input | Tick, now: Millis) => Step<State, Effect>;
  /** When `step` next wants a tick, or null; it lives in the state, so no timer can go stale. */
  readonly deadline: (state: State) => Millis | null;
}

/** Ends an exhaustive switch; reaching it is a programming error. */
export function unreachable(x: never): never {
  throw new TypeError(`unhandled variant: ${JSON.stringify(x)}`);
}
