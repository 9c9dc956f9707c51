import test from 'ava';
import fc from 'fast-check';
import { type Millis, millis } from '../../../src/kernel/machine.js';
import {
  type Effect,
  type Input,
  initial,
  liveness,
  type State,
} from '../../../src/node/liveness.js';

const limits = { startMs: 60_000, silenceMs: 10_000, stopMs: 5000 };

/** The machine with its watcher: time passes, and the watcher may sleep through it. */
const watcher = (now = 0) => {
  let state: State = initial(limits, millis(now));
  const effects: (readonly [at: number, e: Effect])[] = [];
  let at = now;
  const step = (input: Input | { readonly type: 'tick' }): void => {
    const [next, out] = liveness.step(state, input, millis(at));
    state = next;
    for (const e of out) effects.push([at, e]);
  };
  const deadline = (): Millis | null => liveness.deadline(state);
  return {
    step,
    state: () => state,
    effects: () => effects.map(([, e]) => e),
    kills: () => effects.filter(([, e]) => e.type === 'signal' && e.signal === 'SIGKILL'),
    launches: () => effects.filter(([, e]) => e.type === 'launch').map(([t]) => t),
    now: () => at,
    /** Awake: each deadline is met. `wordsAt` are read when they come. */
    run: (ms: number, wordEveryMs: number | null = null): void => {
      const end = at + ms;
      let word = wordEveryMs === null ? Number.POSITIVE_INFINITY : at + wordEveryMs;
      for (;;) {
        const next = Math.min(deadline() ?? Number.POSITIVE_INFINITY, word, end);
        at = Math.max(at, next);
        if (at >= end) return;
        if (next === word) {
          step({ type: 'word' });
          word += wordEveryMs ?? 0;
        } else step({ type: 'tick' });
      }
    },
    /** Asleep: time passes, nothing is read; then the timer fires before what waits is read. */
    sleep: (ms: number): void => {
      at += ms;
      const due = deadline();
      if (due !== null && at >= due) step({ type: 'tick' });
    },
  };
};

const speaking = () => {
  const w = watcher();
  w.run(1);
  w.step({ type: 'word' });
  return w;
};

test('a process that speaks is left alone; one that falls silent is killed after its limit', (t) => {
  const w = speaking();
  w.run(3_600_000, 1000);
  t.deepEqual(w.kills(), []);
  const since = w.now();
  w.run(30_000);
  t.is(w.kills().length, 1);
  const [at] = w.kills()[0] ?? [0];
  t.true(at - since >= 9000 && at - since <= 12_500, `${at - since} ms`);
});

test('a watcher that slept for any time kills nobody who speaks when it is awake again', (t) => {
  for (const ms of [2000, 7000, 10_000, 30_000, 86_400_000]) {
    const w = speaking();
    w.run(5000, 1000);
    w.sleep(ms);
    w.step({ type: 'word' });
    w.run(60_000, 1000);
    t.deepEqual(w.kills(), [], `${ms} ms`);
  }
});

test('a process that was stopped together with its watcher has its whole limit to speak', (t) => {
  const w = speaking();
  w.run(5000, 1000);
  w.sleep(30_000);
  w.run(8000);
  w.step({ type: 'word' });
  w.run(60_000, 1000);
  t.deepEqual(w.kills(), []);
});

test('a watcher that is late all the time still kills a process that hangs', (t) => {
  const w = speaking();
  for (let i = 0; i < 40; i++) w.sleep(3000);
  t.is(w.kills().length, 1);
});

test('a start has a limit of its own, and silence is counted from the first word', (t) => {
  const w = watcher();
  w.run(55_000);
  t.deepEqual(w.kills(), []);
  w.step({ type: 'word' });
  w.run(8000);
  t.deepEqual(w.kills(), []);
  const late = watcher();
  late.run(80_000);
  t.is(late.kills().length, 1);
});

test('a process that was found is not launched', (t) => {
  const w = watcher();
  w.step({ type: 'found' });
  w.step({ type: 'word' });
  w.run(60_000, 1000);
  t.deepEqual(w.effects(), []);
});

test('one that dies is launched again, at once after a long run, later after a short one', (t) => {
  const w = speaking();
  w.run(100_000, 1000);
  const died = w.now();
  w.step({ type: 'gone', reason: 'was ended by SIGKILL' });
  w.run(1);
  t.deepEqual(w.launches(), [0, died]);
  w.step({ type: 'gone', reason: 'was ended by SIGKILL' });
  w.run(249);
  t.is(w.launches().length, 2);
  w.run(2);
  t.is(w.launches().length, 3);
});

test('a replacement is asked to end, killed when it does not, and is no failure', (t) => {
  const w = speaking();
  w.step({ type: 'replace', reason: 'version 2' });
  t.like(w.effects().at(-1), { type: 'signal', signal: 'SIGTERM' });
  w.run(6000, 1000);
  t.is(w.kills().length, 1);
  const ended = w.now();
  w.step({ type: 'gone', reason: 'was ended by SIGKILL' });
  w.run(1);
  t.is(w.launches().at(-1), ended);
});

test('the stop of the node: what ends is not started again, what does not end is killed', (t) => {
  const w = speaking();
  w.step({ type: 'stop' });
  w.run(4999);
  t.deepEqual(w.kills(), []);
  w.run(2);
  t.is(w.kills().length, 1);
  w.step({ type: 'gone', reason: 'was ended by SIGKILL' });
  w.run(60_000);
  t.is(w.state().life.tag, 'stopped');
  t.is(w.launches().length, 1);
});

const event = fc.oneof(
  fc.record({ type: fc.constant('run' as const), ms: fc.nat(20_000) }),
  fc.record({ type: fc.constant('sleep' as const), ms: fc.nat(60_000) }),
);

test('law: however awake and asleep alternate, a process that speaks each second is never killed', (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const w = speaking();
      for (const e of events) {
        if (e.type === 'run') w.run(e.ms, 1000);
        else {
          w.sleep(e.ms);
          // The loop reads what has come before its timers fire again.
          w.step({ type: 'word' });
        }
      }
      t.deepEqual(w.kills(), []);
    }),
  );
});

type Event =
  | Input
  | { readonly type: 'run'; readonly ms: number }
  | { readonly type: 'sleep'; readonly ms: number };
const live = (w: ReturnType<typeof watcher>, e: Event): void => {
  if (e.type === 'run') w.run(e.ms);
  else if (e.type === 'sleep') w.sleep(e.ms);
  else w.step(e);
};

test('law: whatever happens, there is never a second launch without an end, and no launch after a stop', (t) => {
  const input: fc.Arbitrary<Input> = fc.oneof(
    fc.constant({ type: 'word' as const }),
    fc.constant({ type: 'gone' as const, reason: 'x' }),
    fc.constant({ type: 'replace' as const, reason: 'x' }),
    fc.constant({ type: 'found' as const }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(event, input), { maxLength: 80 }),
      fc.nat(80),
      (events, stopAt) => {
        const w = watcher();
        let lives = 0;
        let launched = 0;
        let stopped = false;
        events.forEach((e, i) => {
          if (i === stopAt) {
            w.step({ type: 'stop' });
            stopped = true;
            launched = w.launches().length;
          }
          if (e.type === 'gone') lives++;
          live(w, e);
          t.true(w.launches().length <= lives + 1);
          if (stopped) t.is(w.launches().length, launched);
        });
      },
    ),
  );
});
