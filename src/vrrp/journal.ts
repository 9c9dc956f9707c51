/** The vrrp process's journal as text, one JSON value a line, and its replay: the bug report of law 10. */
import type { Entry } from '../kernel/driver.js';
import { replay } from '../kernel/journal.js';
import type { Millis } from '../kernel/machine.js';
import { type GroupState, type MemberEffect, type MemberInput, syncGroup } from './syncgroup.js';

/** A group begins with its state; the inputs of several groups may be interleaved. */
export type JournalLine =
  | { readonly unit: string; readonly initial: GroupState }
  | { readonly unit: string; readonly entry: Entry<MemberInput> };

const toHex = (b: Uint8Array): string =>
  Array.from(b, (byte) => byte.toString(16).padStart(2, '0')).join('');

const fromHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export const encodeLine = (line: JournalLine): string =>
  JSON.stringify(line, (key, value: unknown) =>
    key === 'bytes' && value instanceof Uint8Array ? toHex(value) : value,
  );

const decodeLine = (text: string): JournalLine =>
  JSON.parse(text, (key, value: unknown) =>
    key === 'bytes' && typeof value === 'string' ? fromHex(value) : value,
  ) as JournalLine;

export interface ReplayedStep {
  readonly unit: string;
  readonly at: Millis;
  readonly effects: readonly MemberEffect[];
}

export interface ReplayedJournal {
  /** Group by group, in the order in which they began. */
  readonly steps: readonly ReplayedStep[];
  /** The last state of every group. */
  readonly states: ReadonlyMap<string, GroupState>;
}

interface Life {
  readonly unit: string;
  readonly initial: GroupState;
  readonly entries: Entry<MemberInput>[];
}

/** A last line that was cut off by a crash is left out. */
export function replayJournal(text: string): ReplayedJournal {
  const lives: Life[] = [];
  const current = new Map<string, Life>();
  for (const raw of text.split('\n').slice(0, -1)) {
    const line = decodeLine(raw);
    if ('initial' in line) {
      const life: Life = { unit: line.unit, initial: line.initial, entries: [] };
      lives.push(life);
      current.set(line.unit, life);
    } else current.get(line.unit)?.entries.push(line.entry);
  }
  const states = new Map<string, GroupState>();
  const steps = lives.flatMap(({ unit, initial, entries }) => {
    const lived = replay(syncGroup, initial, entries);
    states.set(unit, lived.state);
    return lived.steps.map((s): ReplayedStep => ({ unit, ...s }));
  });
  return { steps, states };
}
