/**
 * The shell that runs one machine: inputs go in one at a time, each stamped with the time; effects are
 * handed out in order; one timer stands at `deadline(state)`. Input that arrives while effects are
 * being performed waits its turn, so a step never runs inside another. Time comes from a `Clock`:
 * `src/kernel/io/clock.ts` or a test's.
 *
 * Inputs that come in floods (a report for each of 20,000 servers) are given to `later`: they are
 * collected until the loop has read what had arrived, and are then one step.
 */
import type { Machine, Millis, Tick } from './machine.js';

export interface Clock {
  readonly now: () => Millis;
  /** Calls `wake` once, not before `at`; the answer cancels it. */
  readonly wakeAt: (at: Millis, wake: () => void) => () => void;
}

export interface Entry<Input> {
  readonly at: Millis;
  readonly input: Input | Tick;
}

export interface DriverOptions<State, Input, Effect> {
  readonly machine: Machine<State, Input, Effect>;
  readonly initial: State;
  readonly clock: Clock;
  /** Performs one effect; `state` is the state after the step that caused it. */
  readonly perform: (effect: Effect, state: State, now: Millis) => void;
  /** Receives every input before it is taken, and the state before it (ARCHITECTURE: law 10). */
  readonly journal?: (entry: Entry<Input>, before: State) => void;
  /** Several inputs as one; without it `later` takes them one by one. */
  readonly join?: (inputs: readonly Input[]) => Input;
  /** Calls `run` soon, after what has arrived was read; setImmediate where nothing is given. */
  readonly defer?: (run: () => void) => void;
  /** Every effect so far was performed. */
  readonly settled?: (state: State) => void;
}

export interface Driver<State, Input> {
  readonly feed: (input: Input) => void;
  /** Takes it soon, together with what comes until then; never after what is fed later. */
  readonly later: (input: Input) => void;
  readonly state: () => State;
  /** Stops the timer; what is fed later is dropped. */
  readonly stop: () => void;
}

const tick: Tick = { type: 'tick' };

export function drive<State, Input, Effect>(
  o: DriverOptions<State, Input, Effect>,
): Driver<State, Input> {
  const { machine, clock } = o;
  let state = o.initial;
  let cancel: (() => void) | null = null;
  let armedFor: Millis | null = null;
  let stopped = false;
  let running = false;
  const waiting: (Input | Tick)[] = [];

  const disarm = (): void => {
    cancel?.();
    cancel = null;
    armedFor = null;
  };

  const arm = (): void => {
    const at = machine.deadline(state);
    if (at === armedFor) return;
    disarm();
    if (at === null) return;
    armedFor = at;
    cancel = clock.wakeAt(at, () => {
      cancel = null;
      armedFor = null;
      take(tick);
    });
  };

  const stepOnce = (input: Input | Tick): void => {
    const now = clock.now();
    o.journal?.({ at: now, input }, state);
    const [next, effects] = machine.step(state, input, now);
    state = next;
    for (const effect of effects) o.perform(effect, state, now);
  };

  const take = (input: Input | Tick): void => {
    if (stopped) return;
    waiting.push(input);
    if (running) return;
    running = true;
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) stepOnce(next);
    } finally {
      running = false;
    }
    if (stopped) return;
    arm();
    o.settled?.(state);
  };

  let collected: Input[] = [];
  const flush = (): void => {
    const inputs = collected;
    collected = [];
    const [first] = inputs;
    if (first === undefined) return;
    if (inputs.length > 1 && o.join !== undefined) take(o.join(inputs));
    else for (const input of inputs) take(input);
  };
  const defer = o.defer ?? ((run: () => void): void => void setImmediate(run));

  arm();
  return {
    feed: (input) => {
      flush();
      take(input);
    },
    later: (input) => {
      collected.push(input);
      if (collected.length === 1) defer(flush);
    },
    state: () => state,
    stop: () => {
      stopped = true;
      waiting.length = 0;
      collected = [];
      disarm();
    },
  };
}
