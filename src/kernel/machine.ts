/**
 * What every protocol core in Keelson is: a pure function from state and input to state and effects.
 * Time flows in as an argument, effects flow out as data in the order in which they must happen.
 */

/** Monotonic milliseconds; may carry a fraction. No core reads a clock. */
export type Millis = number & { readonly unit: 'ms' };

/** Names a number as monotonic milliseconds; used where a clock or a test hands time in. */
export const millis = (n: number): Millis => n as Millis;

/** `now` moved on by `ms` milliseconds. */
export const after = (now: Millis, ms: number): Millis => (now + ms) as Millis;

/** The input every machine accepts: time has reached its deadline. */
export interface Tick {
  readonly type: 'tick';
}

export type Step<State, Effect> = readonly [state: State, effects: readonly Effect[]];

export interface Machine<State, Input, Effect> {
  readonly step: (state: State, input: Input | Tick, now: Millis) => Step<State, Effect>;
  /** When `step` next wants a tick, or null; it lives in the state, so no timer can go stale. */
  readonly deadline: (state: State) => Millis | null;
}

/** Closes an exhaustive switch; reaching it is a programmer's error. */
export function unreachable(x: never): never {
  throw new TypeError(`unhandled variant: ${JSON.stringify(x)}`);
}
