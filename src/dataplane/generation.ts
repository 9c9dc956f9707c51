/**
 * Keeps the data plane at the desired snapshot: one generation in flight, and only the newest desired
 * one behind it. After a connect, when the data plane's digest matches the desired snapshot we adopt
 * it, otherwise we push the full state. A rejected snapshot is not retried until the desired state
 * changes or the data plane restarts.
 *
 *   disconnected -> hello -> adopting -> idle <-> committing        (any -> disconnected)
 *
 * In: the connection's fate, answers, desired snapshots. Out: connect, close, commit, ping, and
 * reports for the planner. Time is the caller's.
 */

import { after, type Machine, type Millis, type Step, unreachable } from '../kernel/machine.js';
import { endpoint } from '../net/endpoint.js';
import { type Ack, type HelloAck, noOp, status, statusNames } from './codec.js';
import { type Op, opsBetween } from './diff.js';
import { digest, emptySnapshot, type Snapshot } from './snapshot.js';

const retryMs = 200;
/** Another client's generation is being made: soon it is done. */
const busyMs = 50;
const pingMs = 1000;
/** A data plane that does not answer for so long hangs, and its addresses must go elsewhere (law 4). */
const answerMs = 3000;
/** What one operation may add to that. */
const operationMs = 0.05;
/** Making and sending a large generation takes this caller's own time. */
const sendMs = 60_000;

/** The data plane holds what an earlier controller, or another client, gave it. */
interface Found {
  readonly tag: 'found';
  readonly generation: bigint;
  readonly digest: bigint;
}
interface Held {
  readonly tag: 'held';
  readonly generation: bigint;
  readonly snapshot: Snapshot;
}

interface Attention {
  readonly pingAt: Millis;
  /** null: no ping is under way. */
  readonly answerBy: Millis | null;
  /** A generation that found the data plane busy is tried again. */
  readonly retryAt: Millis | null;
}

type Link =
  | { readonly tag: 'disconnected'; readonly retryAt: Millis }
  | { readonly tag: 'hello'; readonly giveUpAt: Millis }
  | { readonly tag: 'adopting'; readonly base: Found; readonly attention: Attention }
  | { readonly tag: 'idle'; readonly base: Held; readonly attention: Attention }
  | {
      readonly tag: 'committing';
      readonly base: Found | Held;
      readonly from: Snapshot;
      readonly snapshot: Snapshot;
      readonly giveUpAt: Millis;
    };

export interface State {
  readonly link: Link;
  readonly desired: Snapshot | null;
  /** The wish that was refused last. */
  readonly refused: Snapshot | null;
  /** Why there is no connection, as it was told last; null while there is one. */
  readonly told: string | null;
}

export type Input =
  | { readonly type: 'connected'; readonly hello: HelloAck }
  | { readonly type: 'disconnected'; readonly reason: string }
  /** The whole generation in flight was sent; so many operations. */
  | { readonly type: 'sent'; readonly ops: number }
  /** Of the generation in flight. */
  | { readonly type: 'ack'; readonly ack: Ack }
  /** The ping was answered. */
  | { readonly type: 'pong' }
  | { readonly type: 'desired'; readonly snapshot: Snapshot };

export type Effect =
  /** Open the socket and say hello; the answer is `connected`, every failure `disconnected`. */
  | { readonly type: 'connect' }
  | { readonly type: 'close' }
  | { readonly type: 'ping' }
  | {
      readonly type: 'commit';
      /** 0n: from an empty state. */
      readonly base: bigint;
      readonly generation: bigint;
      readonly digest: bigint;
      /** The operations lead from one to the other (diff.ts). */
      readonly from: Snapshot;
      readonly to: Snapshot;
    }
  | { readonly type: 'up'; readonly hello: HelloAck }
  | { readonly type: 'acked'; readonly generation: bigint; readonly snapshot: Snapshot }
  | { readonly type: 'rejected'; readonly reason: string; readonly snapshot: Snapshot }
  /** There is no connection; told once for each new reason. */
  | { readonly type: 'lost'; readonly reason: string };

export const initial = (now: Millis): State => ({
  link: { tag: 'disconnected', retryAt: now },
  desired: null,
  refused: null,
  told: null,
});

type Next = Step<State, Effect>;

const attend = (now: Millis, retryAt: Millis | null): Attention => ({
  pingAt: after(now, pingMs),
  answerBy: null,
  retryAt,
});

const rest = (s: State, base: Found | Held, attention: Attention): State => ({
  ...s,
  link:
    base.tag === 'held' ? { tag: 'idle', base, attention } : { tag: 'adopting', base, attention },
});

const isRefused = (s: State, wish: Snapshot): boolean =>
  s.refused !== null && (s.refused === wish || digest(s.refused) === digest(wish));

/** Pushes the wish where it differs from what the data plane holds; `before` are effects that come first. */
const settle = (s: State, base: Found | Held, now: Millis, before: readonly Effect[]): Next => {
  const wish = s.desired;
  const quiet = rest(s, base, attend(now, null));
  if (wish === null || isRefused(s, wish)) return [quiet, before];
  if (base.tag === 'held' && base.snapshot === wish) return [quiet, before];
  const { generation } = base;
  const holds = (): Next => [
    rest({ ...s, refused: null }, { tag: 'held', generation, snapshot: wish }, attend(now, null)),
    [...before, { type: 'acked', generation, snapshot: wish }],
  ];
  const wanted = digest(wish);
  if (base.tag === 'found' && generation > 0n && base.digest === wanted) return holds();
  const from = base.tag === 'held' ? base.snapshot : emptySnapshot;
  if (base.tag === 'held' && opsBetween(from, wish).next().done === true) return holds();
  const link: Link = {
    tag: 'committing',
    base,
    from,
    snapshot: wish,
    giveUpAt: after(now, sendMs),
  };
  const commit: Effect = {
    type: 'commit',
    base: base.tag === 'held' ? generation : 0n,
    generation: generation + 1n,
    digest: wanted,
    from,
    to: wish,
  };
  return [{ ...s, link }, [...before, commit]];
};

const onSent = (s: State, ops: number, now: Millis): Next =>
  s.link.tag === 'committing'
    ? [{ ...s, link: { ...s.link, giveUpAt: after(now, answerMs + ops * operationMs) } }, []]
    : [s, []];

const lose = (s: State, reason: string, now: Millis, close: boolean): Next => [
  {
    ...s,
    link: { tag: 'disconnected', retryAt: after(now, retryMs) },
    refused: null,
    told: reason,
  },
  [
    ...(close ? [{ type: 'close' } as const] : []),
    ...(reason === s.told ? [] : [{ type: 'lost', reason } as const]),
  ],
];

const silent = (s: State, now: Millis): Next =>
  lose(s, `the data plane has not answered for ${answerMs / 1000} s`, now, true);

const opText = (op: Op): string => {
  const service =
    'service' in op
      ? ` ${op.service.protocol} ${endpoint(op.service.address, op.service.port)}`
      : '';
  switch (op.type) {
    case 'addressSet':
    case 'addressDel':
      return `${op.type} ${op.address.address} on ${op.address.device}`;
    case 'routeSet':
    case 'routeDel':
      return `${op.type} ${op.route.destination}/${op.route.prefixLength} on ${op.route.device}`;
    case 'neighbourSet':
    case 'neighbourDel':
      return `${op.type} ${op.neighbour.address} on ${op.neighbour.device}`;
    case 'realServerSet':
    case 'realServerDel':
      return `${op.type}${service} ${endpoint(op.realServer.address, op.realServer.port)}`;
    case 'localSet':
    case 'localDel':
      return `${op.type}${service} ${op.local.address}`;
    case 'paramSet':
      return `${op.type} ${op.param} ${op.value}`;
    default:
      return `${op.type}${service}`;
  }
};

const nth = (ops: Iterable<Op>, n: number): Op | undefined => {
  let i = 0;
  for (const op of ops) if (i++ === n) return op;
  return undefined;
};

/** The data plane's own sentence, and what it was about. */
const refusal = (ack: Ack, ops: Iterable<Op>): string => {
  const why = ack.reason === '' ? (statusNames[ack.status] ?? `status ${ack.status}`) : ack.reason;
  const op = ack.opIndex === noOp ? undefined : nth(ops, ack.opIndex);
  return op === undefined ? why : `${why} (${opText(op)})`;
};

/** It is not where the difference began, or not in the middle of it: only the whole state can be right. */
const lostTrack: ReadonlySet<number> = new Set([
  status.malformed,
  status.base,
  status.notFound,
  status.state,
]);

const onAck = (s: State, ack: Ack, now: Millis): Next => {
  if (s.link.tag !== 'committing') return [s, []];
  const { base, from, snapshot } = s.link;
  const { generation } = ack;
  if (ack.status === status.ok) {
    const acked: Effect = { type: 'acked', generation, snapshot };
    return settle({ ...s, refused: null }, { tag: 'held', generation, snapshot }, now, [acked]);
  }
  if (ack.status === status.busy) return [rest(s, base, attend(now, after(now, busyMs))), []];
  if (lostTrack.has(ack.status) && base.tag === 'held')
    return settle(s, { tag: 'found', generation, digest: 0n }, now, []);
  const rejected: Effect = {
    type: 'rejected',
    reason: refusal(ack, opsBetween(from, snapshot)),
    snapshot,
  };
  return settle({ ...s, refused: snapshot }, { ...base, generation }, now, [rejected]);
};

const onConnected = (s: State, hello: HelloAck, now: Millis): Next => {
  const base: Found = { tag: 'found', generation: hello.generation, digest: hello.digest };
  return settle({ ...s, told: null }, base, now, [{ type: 'up', hello }]);
};

const isDue = (at: Millis | null, now: Millis): boolean => at !== null && now >= at;

const onAttention = (s: State, base: Found | Held, a: Attention, now: Millis): Next => {
  if (isDue(a.answerBy, now)) return silent(s, now);
  if (isDue(a.retryAt, now)) return settle(s, base, now, []);
  if (a.answerBy !== null || now < a.pingAt) return [s, []];
  return [rest(s, base, { ...a, answerBy: after(now, answerMs) }), [{ type: 'ping' }]];
};

const onTick = (s: State, now: Millis): Next => {
  const { link } = s;
  switch (link.tag) {
    case 'disconnected':
      if (now < link.retryAt) return [s, []];
      return [
        { ...s, link: { tag: 'hello', giveUpAt: after(now, answerMs) } },
        [{ type: 'connect' }],
      ];
    case 'hello':
    case 'committing':
      return now >= link.giveUpAt ? silent(s, now) : [s, []];
    case 'adopting':
    case 'idle':
      return onAttention(s, link.base, link.attention, now);
    default:
      return unreachable(link);
  }
};

const onPong = (s: State, now: Millis): Next => {
  const { link } = s;
  if (link.tag !== 'adopting' && link.tag !== 'idle') return [s, []];
  return [rest(s, link.base, attend(now, link.attention.retryAt)), []];
};

const onDesired = (s: State, snapshot: Snapshot, now: Millis): Next => {
  const next: State = { ...s, desired: snapshot };
  const { link } = s;
  if (link.tag !== 'adopting' && link.tag !== 'idle') return [next, []];
  // It is asked again only when it said so.
  if (link.attention.retryAt !== null) return [next, []];
  return settle(next, link.base, now, []);
};

const earliest = ({ pingAt, answerBy, retryAt }: Attention): Millis => {
  const next = answerBy ?? pingAt;
  return retryAt !== null && retryAt < next ? retryAt : next;
};

export const generations: Machine<State, Input, Effect> = {
  deadline: ({ link }) => {
    switch (link.tag) {
      case 'disconnected':
        return link.retryAt;
      case 'hello':
      case 'committing':
        return link.giveUpAt;
      case 'adopting':
      case 'idle':
        return earliest(link.attention);
      default:
        return unreachable(link);
    }
  },
  step: (s, input, now) => {
    switch (input.type) {
      case 'tick':
        return onTick(s, now);
      case 'connected':
        return s.link.tag === 'hello' ? onConnected(s, input.hello, now) : [s, []];
      case 'disconnected':
        return s.link.tag === 'disconnected' ? [s, []] : lose(s, input.reason, now, false);
      case 'sent':
        return onSent(s, input.ops, now);
      case 'ack':
        return onAck(s, input.ack, now);
      case 'pong':
        return onPong(s, now);
      case 'desired':
        return onDesired(s, input.snapshot, now);
      default:
        return unreachable(input);
    }
  },
};
