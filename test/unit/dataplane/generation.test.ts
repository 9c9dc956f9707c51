import test from 'ava';
import fc from 'fast-check';
import { type HelloAck, ipcEndian, noOp, status } from '../../../src/dataplane/codec.js';
import { apply, diff, type Op } from '../../../src/dataplane/diff.js';
import {
  type Effect,
  generations,
  type Input,
  initial,
  type State,
} from '../../../src/dataplane/generation.js';
import { digest, emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { type Millis, millis, type Tick } from '../../../src/kernel/machine.js';
import { type Model, model } from '../../support/dataplane/model.js';
import { anySnapshot, manyServices, sorted } from '../../support/dataplane/snapshots.js';

/** Lives one machine through a script; `said` is what came out, shortened. */
const life = () => {
  let state: State = initial(millis(0));
  let now = millis(0);
  const all: Effect[] = [];
  const feed = (input: Input | Tick): readonly Effect[] => {
    const [next, effects] = generations.step(state, input, now);
    state = next;
    all.push(...effects);
    return effects;
  };
  return {
    feed,
    state: () => state,
    all,
    tag: () => state.link.tag,
    /** To the next deadline, or `ms` on. */
    wait: (ms: number): readonly Effect[] => {
      const until = millis(now + ms);
      const out: Effect[] = [];
      for (;;) {
        const at: Millis | null = generations.deadline(state);
        if (at === null || at > until) break;
        now = millis(Math.max(now, at));
        out.push(...feed({ type: 'tick' }));
      }
      now = until;
      return out;
    },
  };
};

const hello = (o: Partial<HelloAck> = {}): Input => ({
  type: 'connected',
  hello: {
    endian: ipcEndian,
    pid: 1,
    bootId: 1n,
    generation: 0n,
    digest: 0n,
    workers: 1,
    ports: 1,
    shmSize: 4096,
    reserved: null,
    version: 'test',
    ...o,
  },
});
const ack = (o: {
  readonly generation: bigint;
  readonly status?: number;
  readonly opIndex?: number;
  readonly reason?: string;
}): Input => ({ type: 'ack', ack: { status: 0, opIndex: noOp, reason: '', ...o } });
const wish = (snapshot: Snapshot): Input => ({ type: 'desired', snapshot });
const types = (effects: readonly Effect[]): readonly string[] => effects.map((e) => e.type);
const commitOf = (effects: readonly Effect[]) => effects.find((e) => e.type === 'commit');

const opsIn = (commit: ReturnType<typeof commitOf>): readonly Op[] =>
  commit?.type === 'commit' ? diff(commit.from, commit.to) : [];

const a = manyServices(2, 2);
const b = manyServices(3, 2);
const c = manyServices(1, 1);

/** Connected to a fresh data plane that has acknowledged `a` as generation 1. */
const settled = () => {
  const l = life();
  l.wait(0);
  l.feed(hello());
  l.feed(wish(a));
  l.feed(ack({ generation: 1n }));
  return l;
};

test('a fresh data plane: hello, then the whole wish from nothing', (t) => {
  const l = life();
  t.deepEqual(types(l.wait(0)), ['connect']);
  t.is(l.tag(), 'hello');
  t.deepEqual(types(l.feed(hello())), ['up']);
  t.is(l.tag(), 'adopting');
  const commit = commitOf(l.feed(wish(a)));
  t.like(commit, { base: 0n, generation: 1n, digest: digest(a) });
  t.is(l.tag(), 'committing');
  t.deepEqual(l.feed(ack({ generation: 1n })), [{ type: 'acked', generation: 1n, snapshot: a }]);
  t.is(l.tag(), 'idle');
});

test('a change goes as the difference to what was acknowledged', (t) => {
  const l = settled();
  const commit = commitOf(l.feed(wish(b)));
  t.like(commit, { base: 1n, generation: 2n });
  t.deepEqual(sorted(apply(opsIn(commit), a)), sorted(b));
});

test('an empty wish is a generation too, so that somebody can know it is served', (t) => {
  const l = life();
  l.wait(0);
  l.feed(hello());
  const commit = commitOf(l.feed(wish(emptySnapshot)));
  t.like(commit, { base: 0n, generation: 1n });
  t.deepEqual(opsIn(commit), []);
});

test('a wish that changes nothing is acknowledged without a message', (t) => {
  const l = settled();
  const again = manyServices(2, 2);
  t.deepEqual(l.feed(wish(again)), [{ type: 'acked', generation: 1n, snapshot: again }]);
  t.deepEqual(l.feed(wish(again)), [], 'and the very same one not even that');
});

test('while a generation is in flight only the newest wish is kept', (t) => {
  const l = settled();
  l.feed(wish(b));
  t.deepEqual(l.feed(wish(c)), []);
  t.deepEqual(l.feed(wish(a)), []);
  t.deepEqual(l.feed(wish(c)), []);
  const effects = l.feed(ack({ generation: 2n }));
  t.deepEqual(types(effects), ['acked', 'commit']);
  t.like(effects[0], { generation: 2n, snapshot: b });
  const commit = commitOf(effects);
  t.like(commit, { base: 2n, generation: 3n });
  t.deepEqual(sorted(apply(opsIn(commit), b)), sorted(c));
});

test('a data plane that holds the wish already is adopted, whichever is known first', (t) => {
  for (const wishFirst of [true, false]) {
    const l = life();
    l.wait(0);
    const found = hello({ generation: 41n, digest: digest(a) });
    const effects = wishFirst
      ? [...l.feed(wish(a)), ...l.feed(found)]
      : [...l.feed(found), ...l.feed(wish(a))];
    t.deepEqual(types(effects), ['up', 'acked']);
    t.like(effects[1], { generation: 41n });
    t.like(commitOf(l.feed(wish(b))), { base: 41n, generation: 42n });
  }
});

test('a data plane that holds something else gets the whole state, with a number above its own', (t) => {
  const l = life();
  l.feed(wish(a));
  l.wait(0);
  const effects = l.feed(hello({ generation: 41n, digest: digest(b) }));
  t.like(commitOf(effects), { base: 0n, generation: 42n });
});

test('a digest without a generation means nothing', (t) => {
  const l = life();
  l.feed(wish(a));
  l.wait(0);
  t.like(commitOf(l.feed(hello({ generation: 0n, digest: digest(a) }))), { base: 0n });
});

test('a refused generation: told with the operation, what was good stays, the same is not tried again', (t) => {
  const l = settled();
  const ops = opsIn(commitOf(l.feed(wish(b))));
  const opIndex = ops.findIndex((op) => op.type === 'realServerSet');
  const effects = l.feed(
    ack({ generation: 1n, status: status.invalid, opIndex, reason: 'a weight is at most 65535' }),
  );
  t.deepEqual(effects, [
    {
      type: 'rejected',
      reason: 'a weight is at most 65535 (realServerSet TCP 10.0.2.1:80 172.16.0.1:8002)',
      snapshot: b,
    },
  ]);
  t.is(l.tag(), 'idle');
  t.deepEqual(l.feed(wish(b)), []);
  t.deepEqual(l.feed(wish(manyServices(3, 2))), [], 'nor the same in other words');
  t.like(commitOf(l.feed(wish(c))), { base: 1n, generation: 2n });
  t.deepEqual(types(l.feed(ack({ generation: 2n }))), ['acked']);
});

test('a wish that was refused is tried again after the one before it was wanted in between', (t) => {
  const l = settled();
  l.feed(wish(b));
  l.feed(ack({ generation: 1n, status: status.invalid, reason: 'no' }));
  t.deepEqual(types(l.feed(wish({ ...a }))), ['acked'], 'it is held already');
  t.deepEqual(types(l.feed(wish(b))), ['commit']);
});

test('a refusal while a newer wish waits: the newer one is tried from where the data plane is', (t) => {
  const l = settled();
  l.feed(wish(b));
  l.feed(wish(c));
  const effects = l.feed(ack({ generation: 1n, status: status.invalid, reason: 'no' }));
  t.deepEqual(types(effects), ['rejected', 'commit']);
  t.like(commitOf(effects), { base: 1n, generation: 2n, digest: digest(c) });
});

test('a difference that does not fit is followed by the whole state; that refused too is a refusal', (t) => {
  for (const s of [status.base, status.notFound, status.state, status.malformed]) {
    const l = settled();
    l.feed(wish(b));
    const effects = l.feed(ack({ generation: 7n, status: s, reason: 'not from there' }));
    t.deepEqual(types(effects), ['commit']);
    t.like(commitOf(effects), { base: 0n, generation: 8n });
    t.deepEqual(types(l.feed(ack({ generation: 7n, status: s, reason: 'no' }))), ['rejected']);
    t.is(l.tag(), 'adopting');
  }
});

test('a busy data plane is asked again soon, with what is then wanted', (t) => {
  const l = settled();
  l.feed(wish(b));
  t.deepEqual(l.feed(ack({ generation: 1n, status: status.busy })), []);
  t.deepEqual(l.feed(wish(c)), []);
  t.deepEqual(l.wait(49), []);
  t.like(commitOf(l.wait(1)), { base: 1n, digest: digest(c) });
});

test('a lost connection is told once and made again; the state is pushed to a new data plane', (t) => {
  const l = settled();
  t.deepEqual(l.feed({ type: 'disconnected', reason: 'it closed the connection' }), [
    { type: 'lost', reason: 'it closed the connection' },
  ]);
  t.deepEqual(l.feed({ type: 'disconnected', reason: 'twice' }), []);
  t.deepEqual(types(l.wait(199)), []);
  t.deepEqual(types(l.wait(1)), ['connect']);
  t.deepEqual(types(l.feed(hello({ bootId: 2n }))), ['up', 'commit']);
});

test('attempts in vain are told once for each reason', (t) => {
  const l = life();
  const refuse = (reason: string): readonly string[] => {
    l.wait(200);
    return types(l.feed({ type: 'disconnected', reason }));
  };
  t.deepEqual(refuse('ENOENT'), ['lost']);
  t.deepEqual(refuse('ENOENT'), []);
  t.deepEqual(refuse('ECONNREFUSED'), ['lost']);
  l.wait(200);
  l.feed(hello());
  t.deepEqual(types(l.feed({ type: 'disconnected', reason: 'ECONNREFUSED' })), ['lost']);
});

test('the same data plane found again after a lost connection is adopted', (t) => {
  const l = settled();
  l.feed({ type: 'disconnected', reason: 'x' });
  l.wait(200);
  t.deepEqual(types(l.feed(hello({ generation: 1n, digest: digest(a) }))), ['up', 'acked']);
});

test('a generation in flight when the connection was lost may or may not have come to be', (t) => {
  for (const arrived of [true, false]) {
    const l = settled();
    l.feed(wish(b));
    l.feed({ type: 'disconnected', reason: 'x' });
    l.wait(200);
    const found = arrived
      ? { generation: 2n, digest: digest(b) }
      : { generation: 1n, digest: digest(a) };
    const effects = l.feed(hello(found));
    t.deepEqual(types(effects), ['up', arrived ? 'acked' : 'commit']);
    if (!arrived) t.like(commitOf(effects), { base: 0n, generation: 2n });
  }
});

test('what was refused by one data plane is offered to the next', (t) => {
  const l = settled();
  l.feed(wish(b));
  l.feed(ack({ generation: 1n, status: status.invalid, reason: 'no device' }));
  l.feed({ type: 'disconnected', reason: 'x' });
  l.wait(200);
  t.deepEqual(types(l.feed(hello({ bootId: 2n }))), ['up', 'commit']);
});

test('no answer to hello, to a generation or to a ping: the data plane is given up', (t) => {
  const toHello = life();
  toHello.wait(0);
  t.deepEqual(types(toHello.wait(3000)), ['close', 'lost']);
  const toCommit = settled();
  toCommit.feed(wish(b));
  toCommit.feed({ type: 'sent', ops: 10 });
  t.deepEqual(types(toCommit.wait(3100)), ['close', 'lost']);
  const toPing = settled();
  t.deepEqual(types(toPing.wait(1000)), ['ping']);
  t.deepEqual(types(toPing.wait(2999)), []);
  t.deepEqual(toPing.wait(1), [
    { type: 'close' },
    { type: 'lost', reason: 'the data plane has not answered for 3 s' },
  ]);
});

test('a large generation is given more time', (t) => {
  const l = settled();
  l.feed(wish(manyServices(2000, 10)));
  t.deepEqual(l.wait(30_000), [], 'this side is still sending');
  l.feed({ type: 'sent', ops: 24_000 });
  t.deepEqual(l.wait(4100), []);
  t.deepEqual(types(l.wait(150)), ['close', 'lost']);
});

test('pings go on as long as they are answered, one at a time', (t) => {
  const l = settled();
  for (let i = 0; i < 5; i++) {
    t.deepEqual(types(l.wait(1000)), ['ping']);
    l.wait(10);
    l.feed({ type: 'pong' });
  }
  t.is(l.tag(), 'idle');
});

test('answers nobody waits for change nothing', (t) => {
  const l = settled();
  const before = l.state();
  t.deepEqual(l.feed(ack({ generation: 9n })), []);
  t.deepEqual(l.feed(hello({ generation: 9n })), []);
  t.is(l.state(), before);
  const cold = life();
  t.deepEqual(cold.feed({ type: 'pong' }), []);
  t.deepEqual(cold.feed(ack({ generation: 9n })), []);
});

/** Connects if need be and answers what is in flight. */
const answer = (l: ReturnType<typeof life>, m: Model, busy: boolean): void => {
  l.wait(250);
  if (l.tag() === 'hello') l.feed(hello(m.held()));
  const commit = l.all
    .splice(0)
    .filter((e) => e.type === 'commit')
    .at(-1);
  if (l.tag() !== 'committing' || commit === undefined) return;
  if (busy) l.feed(ack({ generation: m.held().generation, status: status.busy }));
  else l.feed({ type: 'ack', ack: m.answer(commit) });
};

const incident = fc.oneof(
  fc.record({ type: fc.constant('wish' as const), snapshot: anySnapshot }),
  fc.record({ type: fc.constantFrom('restart', 'cut', 'busy', 'meddle', 'answer', 'answer') }),
);

test('law: whatever happens, a data plane that answers in the end holds the wish', (t) => {
  fc.assert(
    fc.property(fc.array(incident, { maxLength: 30 }), anySnapshot, (incidents, last) => {
      const l = life();
      const m = model();
      const cut = (): void => void l.feed({ type: 'disconnected', reason: 'cut' });
      const happen: Readonly<Record<string, () => void>> = {
        cut,
        restart: () => {
          m.restart();
          cut();
        },
        meddle: m.meddle,
        busy: () => answer(l, m, true),
        answer: () => answer(l, m, false),
      };
      for (const i of incidents) {
        if ('snapshot' in i) l.feed(wish(i.snapshot));
        else happen[i.type]?.();
      }
      // Somebody else's generation is found out at the next change or reconnect.
      cut();
      l.feed(wish(last));
      for (let i = 0; i < 5; i++) answer(l, m, false);
      t.is(l.tag(), 'idle');
      t.is(m.held().digest, digest(last));
      const named = (s: Snapshot): Snapshot => ({ ...sorted(s), params: {} });
      t.deepEqual(named(m.held().snapshot), named(last));
    }),
    { numRuns: 300 },
  );
});
