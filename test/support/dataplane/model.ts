/** A data plane as the contract describes it, as a model for laws: it applies what it is given and answers as it should. */
import { type Ack, noOp, status } from '../../../src/dataplane/codec.js';
import { apply, opsBetween } from '../../../src/dataplane/diff.js';
import type { Effect } from '../../../src/dataplane/generation.js';
import { emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';

export interface Held {
  readonly generation: bigint;
  readonly digest: bigint;
  readonly snapshot: Snapshot;
}

export interface Model {
  readonly held: () => Held;
  readonly answer: (e: Extract<Effect, { readonly type: 'commit' }>) => Ack;
  readonly restart: () => void;
  /** Another client has made a generation. */
  readonly meddle: () => void;
}

const nothing: Held = { generation: 0n, digest: 0n, snapshot: emptySnapshot };

export const model = (): Model => {
  let held = nothing;
  const answered = (s: number): Ack => ({
    generation: held.generation,
    status: s,
    opIndex: noOp,
    reason: '',
  });
  return {
    held: () => held,
    answer: (e) => {
      if (e.base !== 0n && e.base !== held.generation) return answered(status.base);
      const snapshot = apply(
        opsBetween(e.from, e.to),
        e.base === 0n ? emptySnapshot : held.snapshot,
      );
      held = { generation: e.generation, digest: e.digest, snapshot };
      return answered(status.ok);
    },
    restart: () => {
      held = nothing;
    },
    meddle: () => {
      held = { generation: held.generation + 1n, digest: 1n, snapshot: emptySnapshot };
    },
  };
};
