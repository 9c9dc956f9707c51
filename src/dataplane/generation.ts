/**
 * Keeps the data plane at the wanted state: one generation in flight, only the newest wish behind it, the whole state pushed again after a
 * reconnect unless the data plane already has it (same digest). A refused generation changes nothing and is not tried again.
 *
 * In: the connection's fate, answers, wishes. Out: connect, close, commit, and news for the planner. Time is the caller's.
 */
import { after, type Machine, type Millis, type Step } from '../kernel/machine.js';
import type { Ack, HelloAck } from './codec.js';
import { diff, type Op } from './diff.js';
import { digest, emptySnapshot, type Snapshot } from './snapshot.js';

const retryMs = 200;
/** A data plane that does not answer for so long hangs. */
const answerMs = 10_000;

interface Known {
  readonly generation: bigint;
  /** What the data plane holds; null: something else than we know, so it is named anew from an empty state. */
  readonly snapshot: Snapshot | null;
}

type Link =
  | { readonly tag: 'waiting'; readonly retryAt: Millis }
  | { readonly tag: 'connecting'; readonly giveUpAt: Millis }
  | { readonly tag: 'idle'; readonly known: Known }
  | {
      readonly tag: 'committing';
      readonly known: Known;
      readonly snapshot: Snapshot;
      readonly giveUpAt: Millis;
    };

export interface State {
  readonly link: Link;
  readonly desired: Snapshot | null;
  /** Digest of the wish that was refused last. */
  readonly refused: bigint | null;
}

export type Input =
  | { readonly type: 'connected'; readonly hello: HelloAck }
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'ack'; readonly ack: Ack }
  | { readonly type: 'desired'; readonly snapshot: Snapshot };

export type Effect =
  /** Open the socket and say hello; the answer is `connected`, every failure `disconnected`. */
  | { readonly type: 'connect' }
  | { readonly type: 'close' }
  | {
      readonly type: 'commit';
      readonly base: bigint;
      readonly generation: bigint;
      readonly digest: bigint;
      readonly ops: readonly Op[];
    }
  | { readonly type: 'up'; readonly hello: HelloAck }
  | { readonly type: 'acked'; readonly generation: bigint; readonly snapshot: Snapshot }
  | { readonly type: 'rejected'; readonly reason: string }
  | { readonly type: 'lost'; readonly reason: string };

export const initial = (now: Millis): State => ({
  link: { tag: 'waiting', retryAt: now },
  desired: null,
  refused: null,
});

type Next = Step<State, Effect>;

/** Starts a commit when the wish differs from what is known to be there. */
const settle = (s: State, known: Known, now: Millis, before: readonly Effect[]): Next => {
  const { desired } = s;
  const idle: State = { ...s, link: { tag: 'idle', known } };
  if (desired === null) return [idle, before];
  const wanted = digest(desired);
  if (wanted === s.refused) return [idle, before];
  const ops = diff(known.snapshot ?? emptySnapshot, desired);
  if (known.snapshot !== null && ops.length === 0) {
    const same = desired === known.snapshot;
    const held = { ...known, snapshot: desired };
    const effects: readonly Effect[] = same
      ? before
      : [...before, { type: 'acked', generation: known.generation, snapshot: desired }];
    return [{ ...s, link: { tag: 'idle', known: held } }, effects];
  }
  const commit: Effect = {
    type: 'commit',
    base: known.snapshot === null ? 0n : known.generation,
    generation: known.generation + 1n,
    digest: wanted,
    ops,
  };
  const link: Link = {
    tag: 'committing',
    known,
    snapshot: desired,
    giveUpAt: after(now, answerMs),
  };
  return [{ ...s, link }, [...before, commit]];
};

const lose = (s: State, reason: string, now: Millis, close: boolean): Next => [
  { ...s, link: { tag: 'waiting', retryAt: after(now, retryMs) }, refused: null },
  [...(close ? [{ type: 'close' } as const] : []), { type: 'lost', reason }],
];

const onConnected = (s: State, hello: HelloAck, now: Millis): Next => {
  const up: Effect = { type: 'up', hello };
  const adopted = s.desired !== null && hello.generation > 0n && digest(s.desired) === hello.digest;
  if (!adopted) return settle(s, { generation: hello.generation, snapshot: null }, now, [up]);
  const { desired } = s;
  return [
    { ...s, link: { tag: 'idle', known: { generation: hello.generation, snapshot: desired } } },
    [up, { type: 'acked', generation: hello.generation, snapshot: desired as Snapshot }],
  ];
};

const onAck = (s: State, ack: Ack, now: Millis): Next => {
  if (s.link.tag !== 'committing') return [s, []];
  const { snapshot, known } = s.link;
  if (ack.status === 0) {
    const acked: Effect = { type: 'acked', generation: ack.generation, snapshot };
    return settle({ ...s, refused: null }, { generation: ack.generation, snapshot }, now, [acked]);
  }
  const where = ack.opIndex === 0xffffffff ? '' : ` (operation ${ack.opIndex})`;
  const rejected: Effect = { type: 'rejected', reason: `${ack.reason}${where}` };
  const refused = { ...s, refused: digest(snapshot) };
  return settle(refused, { ...known, generation: ack.generation }, now, [rejected]);
};

const onTick = (s: State, now: Millis): Next => {
  const { link } = s;
  switch (link.tag) {
    case 'waiting':
      return now >= link.retryAt
        ? [
            { ...s, link: { tag: 'connecting', giveUpAt: after(now, answerMs) } },
            [{ type: 'connect' }],
          ]
        : [s, []];
    case 'connecting':
    case 'committing':
      return now >= link.giveUpAt
        ? lose(s, `the data plane has not answered for ${answerMs / 1000} s`, now, true)
        : [s, []];
    default:
      return [s, []];
  }
};

export const generations: Machine<State, Input, Effect> = {
  deadline: ({ link }) =>
    link.tag === 'waiting' ? link.retryAt : link.tag === 'idle' ? null : link.giveUpAt,
  step: (s, input, now) => {
    switch (input.type) {
      case 'tick':
        return onTick(s, now);
      case 'connected':
        return s.link.tag === 'connecting' ? onConnected(s, input.hello, now) : [s, []];
      case 'disconnected':
        return s.link.tag === 'waiting' ? [s, []] : lose(s, input.reason, now, false);
      case 'ack':
        return onAck(s, input.ack, now);
      case 'desired': {
        const next = { ...s, desired: input.snapshot };
        return s.link.tag === 'idle' ? settle(next, s.link.known, now, []) : [next, []];
      }
    }
  },
};
