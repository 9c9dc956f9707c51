/**
 * Law 10: a machine's state and its inputs with their times are enough to replay it.
 *
 * A journal file holds any number of machines. Each line is one JSON value (src/kernel/json.ts):
 * the file's header, a machine's state, one of its inputs, or a gap. A machine's state comes before
 * its first input in each file, and again after a gap and after inputs that were left out, so each
 * file can be replayed by itself.
 */
import type { Entry } from './driver.js';
import { decodeJson, encodeJson } from './json.js';
import { type Machine, type Millis, type Tick, unreachable } from './machine.js';

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

export type JournalLine =
  | {
      readonly type: 'file';
      readonly process: string;
      readonly version: string;
      /** Milliseconds since the epoch, and the same moment on the clock of `at`. */
      readonly wallMs: number;
      readonly at: number;
    }
  | {
      readonly type: 'state';
      readonly kind: string;
      readonly unit: string;
      readonly state: unknown;
    }
  | {
      readonly type: 'input';
      readonly kind: string;
      readonly unit: string;
      readonly at: Millis;
      readonly input: unknown;
    }
  /** So many inputs could not be written here. */
  | { readonly type: 'gap'; readonly lost: number; readonly reason: string };

export const encodeLine = (line: JournalLine): string => `${encodeJson(line)}\n`;

/** A driver's `journal` hook. */
export type JournalHook<State, Input> = (entry: Entry<Input>, before: State) => void;

/** How machines of one kind are written. What a codec leaves as it is goes through json.ts. */
export interface JournalKind<State, Input> {
  readonly name: string;
  readonly encodeState: (state: State) => unknown;
  readonly encodeInput: (input: Input | Tick) => unknown;
  /**
   * True for an input that is not worth a line. The machine's state is written before the next
   * input that is, so the replay stays exact for all that is written.
   */
  readonly leavesOut: (input: Input | Tick, before: State, at: Millis) => boolean;
  /** True for an input that does not change the state: leaving it out costs no state line. */
  readonly isNoise: (input: Input | Tick) => boolean;
}

/** A kind that can be replayed. */
export interface ReplayKind<State, Input, Effect> extends JournalKind<State, Input> {
  readonly machine: Machine<State, Input, Effect>;
  readonly decodeState: (written: unknown) => State;
  readonly decodeInput: (written: unknown) => Input | Tick;
}

/** A kind whose states and inputs are plain data, all of them written. */
export const plainKind = <State, Input, Effect>(
  name: string,
  machine: Machine<State, Input, Effect>,
): ReplayKind<State, Input, Effect> => ({
  name,
  machine,
  decodeState: (written) => written as State,
  decodeInput: (written) => written as Input | Tick,
  encodeState: (state) => state,
  encodeInput: (input) => input,
  leavesOut: () => false,
  isNoise: () => false,
});

/** One line of a journal did not fit the journal's form. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
}

const isLine = (value: unknown): value is JournalLine =>
  typeof value === 'object' &&
  value !== null &&
  ['file', 'state', 'input', 'gap'].includes(String(Reflect.get(value, 'type')));

const parseLine = (raw: string, number: number): JournalLine => {
  let value: unknown;
  try {
    value = decodeJson(raw);
  } catch {
    throw new JournalError(`line ${number} is not JSON`);
  }
  if (!isLine(value)) throw new JournalError(`line ${number} is not a line of a journal`);
  return value;
};

/** A last line without its end was cut off by a crash and is left out. */
export function* readJournal(text: string): Generator<JournalLine> {
  let number = 0;
  let from = 0;
  for (let end = text.indexOf('\n', from); end >= 0; end = text.indexOf('\n', from)) {
    number++;
    const raw = text.slice(from, end);
    from = end + 1;
    if (raw !== '') yield parseLine(raw, number);
  }
}

export interface ReplayedInput {
  readonly kind: string;
  readonly unit: string;
  readonly at: Millis;
  readonly input: { readonly type: string };
  readonly effects: readonly unknown[];
}

/** One machine that is replayed. */
interface Player {
  readonly begin: (written: unknown) => void;
  /** null: its state has not been read yet. */
  readonly take: (at: Millis, written: unknown) => ReplayedInput | null;
}

/** Makes players of one kind, one for each unit. */
export interface Replayable {
  readonly name: string;
  readonly player: (unit: string) => Player;
}

export const replayable = <State, Input extends { readonly type: string }, Effect>(
  kind: ReplayKind<State, Input, Effect>,
): Replayable => ({
  name: kind.name,
  player: (unit) => {
    let known: { readonly state: State } | null = null;
    return {
      begin: (written) => {
        known = { state: kind.decodeState(written) };
      },
      take: (at, written) => {
        if (known === null) return null;
        const input = kind.decodeInput(written);
        const [state, effects] = kind.machine.step(known.state, input, at);
        known = { state };
        return { kind: kind.name, unit, at, input, effects };
      },
    };
  },
});

/**
 * Replays all machines of a file, in the order in which they ran. Kinds that are not in the table
 * are an error; inputs before a machine's first state are left out.
 */
export function* replayLines(
  lines: Iterable<JournalLine>,
  kinds: readonly Replayable[],
): Generator<ReplayedInput | Extract<JournalLine, { type: 'file' | 'gap' }>> {
  const players = new Map<string, Player>();
  const playerOf = (kind: string, unit: string): Player => {
    const key = `${kind}\n${unit}`;
    const found = players.get(key);
    if (found !== undefined) return found;
    const known = kinds.find((k) => k.name === kind);
    if (known === undefined) throw new JournalError(`a machine of kind '${kind}' is not known`);
    const player = known.player(unit);
    players.set(key, player);
    return player;
  };
  for (const line of lines) {
    switch (line.type) {
      case 'state':
        playerOf(line.kind, line.unit).begin(line.state);
        break;
      case 'input': {
        const step = playerOf(line.kind, line.unit).take(line.at, line.input);
        if (step !== null) yield step;
        break;
      }
      case 'gap':
        // Inputs are missing: nobody's state is right any more.
        players.clear();
        yield line;
        break;
      case 'file':
        yield line;
        break;
      default:
        unreachable(line);
    }
  }
}
