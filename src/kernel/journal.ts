/** Law 10: a machine's inputs with their times are enough to live its life again. */
import type { Entry } from './driver.js';
import type { Machine, Millis } from './machine.js';

export interface Replayed<State, Effect> {
  readonly state: State;
  /** What each journalled input caused, in order. */
  readonly steps: readonly { readonly at: Millis; readonly effects: readonly Effect[] }[];
}

export function replay<State, Input, Effect>(
  machine: Machine<State, Input, Effect>,
  initial: State,
  journal: Iterable<Entry<Input>>,
): Replayed<State, Effect> {
  let state = initial;
  const steps: { readonly at: Millis; readonly effects: readonly Effect[] }[] = [];
  for (const { at, input } of journal) {
    const [next, effects] = machine.step(state, input, at);
    state = next;
    steps.push({ at, effects });
  }
  return { state, steps };
}
