import test from 'ava';
import fc from 'fast-check';
import {
  type CheckerEffect,
  type CheckerInput,
  type CheckerState,
  checker,
  newChecker,
} from '../../../src/healthcheck/fsm.js';
import type { CheckerConfig, ProbeResult } from '../../../src/healthcheck/types.js';
import type { Entry } from '../../../src/kernel/driver.js';
import { replay } from '../../../src/kernel/journal.js';
import { millis } from '../../../src/kernel/machine.js';
import { checkerConfig, http, tcp } from './samples.js';

const ok: ProbeResult = { type: 'ok', weightDelta: 0 };
const refused: ProbeResult = {
  type: 'failed',
  failure: { type: 'errno', errno: 'ECONNREFUSED' },
  where: '',
};

const paused: ProbeResult = {
  type: 'paused',
  failure: { type: 'errno', errno: 'ECONNRESET' },
  where: '',
};

/** Runs a checker whose probes all take no time; `answer` is asked for each probe's result. */
function live(
  config: CheckerConfig,
  first: CheckerInput,
  until: number,
  answer: (n: number) => ProbeResult,
) {
  const probes: number[] = [];
  const reports: { at: number; up: boolean; reason: string }[] = [];
  let state = newChecker(config);
  let now = 0;
  const feed = (input: CheckerInput | { type: 'tick' }): void => {
    const [next, effects] = checker.step(state, input, millis(now));
    state = next;
    for (const e of effects) perform(e);
  };
  const perform = (e: CheckerEffect): void => {
    if (e.type === 'report') reports.push({ at: now, up: e.up, reason: e.reason });
    if (e.type !== 'startProbe') return;
    probes.push(now);
    feed({ type: 'probeStarted', id: e.id });
    feed({ type: 'probeResult', id: e.id, result: answer(probes.length) });
  };
  feed(first);
  for (let at = checker.deadline(state); at !== null && at <= until; at = checker.deadline(state)) {
    now = at;
    feed({ type: 'tick' });
  }
  return { state, probes, reports };
}

const start: CheckerInput = { type: 'start', random: 0.25 };

/** Walks a checker to its n-th probe, which is left unanswered. */
function probing(config: CheckerConfig): CheckerState {
  const [waiting] = checker.step(newChecker(config), { type: 'start', random: 0 }, millis(0));
  return checker.step(waiting, { type: 'tick' }, millis(1000))[0];
}

test('the first run comes 1 s and a random part of warmup after the start', (t) => {
  const r = live(checkerConfig, start, 30_000, () => ok);
  t.deepEqual(r.probes, [3500, 13_500, 23_500]);
  t.deepEqual(
    r.reports,
    [{ at: 3500, up: true, reason: 'TCP_CHECK success' }],
    'only the first result is reported',
  );
});

test('the first failure after the start takes the server out without a retry', (t) => {
  const r = live(checkerConfig, start, 3500, () => refused);
  t.deepEqual(r.reports, [{ at: 3500, up: false, reason: 'TCP_CHECK failed: connection refused' }]);
});

test('later `retry` more tries fail, delay_before_retry apart, before the server is down', (t) => {
  const r = live(checkerConfig, start, 16_000, (n) => (n === 1 ? ok : refused));
  t.deepEqual(r.probes, [3500, 13_500, 14_500, 15_500]);
  t.deepEqual(r.reports, [
    { at: 3500, up: true, reason: 'TCP_CHECK success' },
    { at: 15_500, up: false, reason: 'TCP_CHECK failed after 2 retries: connection refused' },
  ]);
});

test('a success among the retries forgets the failures', (t) => {
  const r = live(checkerConfig, start, 60_000, (n) => (n % 3 === 1 ? ok : refused));
  t.deepEqual(r.reports, [{ at: 3500, up: true, reason: 'TCP_CHECK success' }]);
});

test('a server that is down is asked every delay_loop and is up after one success', (t) => {
  const r = live(checkerConfig, start, 40_000, (n) => (n < 3 ? refused : ok));
  t.deepEqual(r.probes, [3500, 13_500, 23_500, 33_500]);
  t.deepEqual(
    r.reports.map((x) => [x.at, x.up]),
    [
      [3500, false],
      [23_500, true],
    ],
  );
});

test('an alpha checker is down until its first success', (t) => {
  const alpha = { ...checkerConfig, alpha: true };
  t.false(newChecker(alpha).up);
  const r = live(alpha, start, 3500, () => ok);
  t.deepEqual(r.reports, [{ at: 3500, up: true, reason: 'TCP_CHECK success' }]);
});

test('an adopted server starts as the data plane has it, and its first failure is retried', (t) => {
  const up = live(
    { ...checkerConfig, alpha: true },
    { type: 'adopt', up: true, random: 0 },
    2500,
    () => refused,
  );
  t.true(up.state.up);
  t.deepEqual(up.probes, [1000, 2000]);
  const down = live(checkerConfig, { type: 'adopt', up: false, random: 0 }, 1000, () => ok);
  t.deepEqual(
    down.reports.map((x) => x.up),
    [true],
  );
});

test('runs keep their phase, however long the answers take', (t) => {
  const s = probing(checkerConfig);
  for (const took of [0, 1, 9999, 10_000, 10_001, 25_000]) {
    const at = millis(1000 + took);
    const [next] = checker.step(s, { type: 'probeResult', id: 1, result: ok }, at);
    const due = checker.deadline(next) ?? millis(0);
    t.is((due - 1000) % 10_000, 0);
    t.true(due > at && due - at <= 10_000);
  }
});

const fault = (errno: string): ProbeResult => ({ type: 'inconclusive', errno });

test('a probe that cannot be made leaves the verdict for some runs, then it is one: down', (t) => {
  const r = live(checkerConfig, start, 100_000, () => fault('EADDRNOTAVAIL'));
  t.deepEqual(
    r.reports.map((x) => [x.at, x.up]),
    [[23_500, false]],
  );
  t.regex(r.reports[0]?.reason ?? '', /could not be made 3 times/);
  const patient = live(checkerConfig, start, 60_000, () => fault('EMFILE'));
  t.deepEqual(patient.reports, []);
  const ended = live(checkerConfig, start, 200_000, () => fault('EMFILE'));
  t.deepEqual(
    ended.reports.map((x) => x.at),
    [93_500],
  );
});

test('a fault of our own that passes is forgotten; the first success brings the server back', (t) => {
  const passing = live(checkerConfig, start, 200_000, (n) => (n % 3 === 0 ? ok : fault('EMFILE')));
  t.deepEqual(
    passing.reports.map((x) => x.up),
    [true],
  );
  const back = live(checkerConfig, start, 60_000, (n) => (n > 4 ? ok : fault('EADDRNOTAVAIL')));
  t.deepEqual(
    back.reports.map((x) => x.up),
    [false, true],
  );
});

test('why a probe cannot be made is logged once, not at each run', (t) => {
  let state = newChecker(checkerConfig);
  const logs: string[] = [];
  const feed = (i: CheckerInput | { type: 'tick' }, at: number): void => {
    const [next, effects] = checker.step(state, i, millis(at));
    state = next;
    for (const e of effects) if (e.type === 'log') logs.push(e.msg);
  };
  feed({ type: 'start', random: 0 }, 0);
  for (let n = 1; n <= 20; n++) {
    feed({ type: 'tick' }, n * 10_000);
    feed({ type: 'probeResult', id: n, result: fault('EADDRNOTAVAIL') }, n * 10_000 + 1);
  }
  t.is(logs.length, 2);
});

test('a probe during which this process was paused is repeated at once, within bounds', (t) => {
  const once = live(checkerConfig, start, 3500, (n) => (n === 1 ? paused : refused));
  t.deepEqual(once.probes, [3500, 3500]);
  t.is(once.reports.length, 1);
  const always = live(checkerConfig, start, 13_500, () => paused);
  t.deepEqual(always.probes, [3500, 3500, 3500, 3500, 13_500, 13_500, 13_500, 13_500]);
  t.deepEqual(always.reports, []);
});

test('law: pauses change no verdict: they only delay it', (t) => {
  const answers = fc.array(fc.constantFrom<ProbeResult>(ok, refused), { maxLength: 20 });
  fc.assert(
    fc.property(answers, fc.infiniteStream(fc.boolean()), (wanted, pauses) => {
      const verdicts = (isPaused: boolean) => {
        let at = 0;
        let row = 0;
        const r = live(checkerConfig, start, 250_000, () => {
          // Fewer in a row than the bound: each is repeated until it counts.
          if (isPaused && row < 3 && pauses.next().value === true) {
            row++;
            return paused;
          }
          row = 0;
          return wanted[at++] ?? ok;
        });
        return r.reports.map(({ up, reason }) => ({ up, reason }));
      };
      t.deepEqual(verdicts(true), verdicts(false));
    }),
  );
});

test('law: a server that never succeeds is taken out, whatever its failures are put down to', (t) => {
  const bad = fc.constantFrom<ProbeResult>(refused, paused, fault('EADDRNOTAVAIL'));
  fc.assert(
    fc.property(fc.array(bad, { maxLength: 40 }), bad, fc.boolean(), (first, later, proven) => {
      const begin: CheckerInput = proven ? { type: 'adopt', up: true, random: 0 } : start;
      const r = live(checkerConfig, begin, 600_000, (n) => first[n - 1] ?? later);
      t.false(r.state.up);
    }),
  );
});

test('no configuration makes a checker do nothing but probe', (t) => {
  const r = live({ ...checkerConfig, delayLoopMs: 0.001, warmupMs: 0 }, start, 2000, () => ok);
  t.true(r.probes.length <= 21, `${r.probes.length}`);
});

test('the answer to a cancelled probe changes nothing', (t) => {
  const s = probing(checkerConfig);
  const [moved, effects] = checker.step(
    s,
    { type: 'configure', config: { ...checkerConfig, probe: http }, random: 0.5 },
    millis(1500),
  );
  t.deepEqual(effects, [{ type: 'cancelProbe', id: 1 }]);
  t.is(checker.deadline(moved), millis(2000));
  const [after, none] = checker.step(
    moved,
    { type: 'probeResult', id: 1, result: refused },
    millis(1600),
  );
  t.is(after, moved);
  t.deepEqual(none, []);
});

test('a reload that changes times only keeps the running probe and the failures so far', (t) => {
  const [first] = checker.step(
    probing(checkerConfig),
    { type: 'probeResult', id: 1, result: ok },
    millis(1000),
  );
  const [second] = checker.step(first, { type: 'tick' }, millis(11_000));
  const [retrying] = checker.step(
    second,
    { type: 'probeResult', id: 2, result: refused },
    millis(11_000),
  );
  const [again] = checker.step(
    retrying,
    { type: 'configure', config: { ...checkerConfig, retry: 1 }, random: 0 },
    millis(11_100),
  );
  const [third] = checker.step(again, { type: 'tick' }, millis(12_000));
  const [down] = checker.step(
    third,
    { type: 'probeResult', id: 3, result: refused },
    millis(12_000),
  );
  t.false(down.up);
});

test('a shorter delay_loop holds from the reload on', (t) => {
  const [waiting] = checker.step(
    probing(checkerConfig),
    { type: 'probeResult', id: 1, result: ok },
    millis(1000),
  );
  const [sooner] = checker.step(
    waiting,
    { type: 'configure', config: { ...checkerConfig, delayLoopMs: 1000 }, random: 0.5 },
    millis(2000),
  );
  t.is(checker.deadline(sooner), millis(2500));
});

test('a suspended checker cancels its probe, rests, and keeps its state over the resume', (t) => {
  const [down] = checker.step(
    probing(checkerConfig),
    { type: 'probeResult', id: 1, result: refused },
    millis(1000),
  );
  const [probe] = checker.step(down, { type: 'tick' }, millis(11_000));
  const [resting, effects] = checker.step(probe, { type: 'suspend' }, millis(11_001));
  t.deepEqual(effects, [{ type: 'cancelProbe', id: 2 }]);
  t.is(checker.deadline(resting), null);
  const [woken] = checker.step(resting, { type: 'resume', random: 0 }, millis(20_000));
  t.false(woken.up);
  t.is(checker.deadline(woken), millis(21_000));
});

test('a probe that never answers is given up once its time on the wire is over', (t) => {
  const queued = probing(checkerConfig);
  t.is(checker.deadline(queued), null, 'time in the queue does not count');
  const [running] = checker.step(queued, { type: 'probeStarted', id: 1 }, millis(5000));
  t.is(checker.deadline(running), millis(5000 + tcp.timeoutMs + 2000));
  const [next, effects] = checker.step(running, { type: 'tick' }, millis(10_000));
  t.false(next.up);
  t.deepEqual(effects[0], { type: 'cancelProbe', id: 1 });
});

test('a changed weight is told without a change of state', (t) => {
  const [, effects] = checker.step(
    probing(checkerConfig),
    { type: 'probeResult', id: 1, result: { type: 'ok', weightDelta: 7 } },
    millis(1000),
  );
  t.deepEqual(
    effects.filter((e) => e.type === 'report').map((e) => [e.up, e.weightDelta]),
    [[true, 7]],
  );
});

const random = fc.double({ min: 0, max: 0.999, noNaN: true });
const result = fc.constantFrom<ProbeResult>(
  ok,
  refused,
  { type: 'inconclusive', errno: 'EMFILE' },
  paused,
);
const input: fc.Arbitrary<CheckerInput | { readonly type: 'tick' }> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ type: 'tick' } as const) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('start' as const), random }) },
  fc.record({ type: fc.constant('adopt' as const), up: fc.boolean(), random }),
  fc.record({
    type: fc.constant('configure' as const),
    config: fc.constantFrom(checkerConfig, { ...checkerConfig, probe: http, retry: 0 }),
    random,
  }),
  fc.constant({ type: 'suspend' } as const),
  fc.record({ type: fc.constant('resume' as const), random }),
  fc.record({ type: fc.constant('probeStarted' as const), id: fc.integer({ min: 1, max: 8 }) }),
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('probeResult' as const),
      id: fc.integer({ min: 1, max: 8 }),
      result,
    }),
  },
  fc.constant({ type: 'shutdown' } as const),
);
const lives = fc.array(fc.tuple(fc.integer({ min: 0, max: 5000 }), input), { maxLength: 60 });

function journalOf(life: readonly (readonly [number, CheckerInput | { readonly type: 'tick' }])[]) {
  let now = 0;
  return life.map(([wait, i]): Entry<CheckerInput> => {
    now += wait;
    return { at: millis(now), input: i };
  });
}

/** What an onlooker who sees only the effects knows of a checker. */
interface Onlooker {
  readonly out: number | null;
  readonly lastId: number;
  readonly up: boolean;
  /** Set when an effect made no sense. */
  readonly wrong: string | null;
}

function look(o: Onlooker, e: CheckerEffect): Onlooker {
  switch (e.type) {
    case 'startProbe': {
      const wrong = o.out !== null || e.id <= o.lastId ? `started ${e.id}` : o.wrong;
      return { ...o, out: e.id, lastId: e.id, wrong };
    }
    case 'cancelProbe':
      return { ...o, out: null, wrong: o.out === e.id ? o.wrong : `cancelled ${e.id}` };
    case 'report':
      return { ...o, up: e.up };
    default:
      return o;
  }
}

test('law: at most one probe is out, ids never repeat, and reports tell each change', (t) => {
  fc.assert(
    fc.property(lives, (life) => {
      let state = newChecker(checkerConfig);
      let seen: Onlooker = { out: null, lastId: 0, up: state.up, wrong: null };
      for (const { input: i, at } of journalOf(life)) {
        const [next, effects] = checker.step(state, i, at);
        if (i.type === 'probeResult' && i.id === seen.out) seen = { ...seen, out: null };
        // Adoption is the onlooker's own word.
        if (i.type === 'adopt') seen = { ...seen, up: next.up };
        seen = effects.reduce(look, seen);
        state = next;
        t.is(seen.wrong, null);
        t.is(seen.up, state.up);
        t.is(seen.out !== null, state.tag === 'probing');
      }
    }),
  );
});

test('law: a recorded life replays to the same effects (law 10)', (t) => {
  fc.assert(
    fc.property(lives, (life) => {
      const journal = journalOf(life);
      const a = replay(checker, newChecker(checkerConfig), journal);
      const b = replay(checker, newChecker(checkerConfig), structuredClone(journal));
      t.deepEqual(a, b);
    }),
    { numRuns: 50 },
  );
});

/** The rule written a second time, without times: the first result, then each change it causes. */
function changesBy(results: readonly boolean[], retry: number): boolean[] {
  const changes: boolean[] = [];
  let up = true;
  let row = 0;
  for (const [i, good] of results.entries()) {
    row = good ? 0 : row + 1;
    const now: boolean = up ? good || (i > 0 && row <= retry) : good;
    if (now === up && i > 0) continue;
    changes.push(now);
    up = now;
    row = 0;
  }
  return changes;
}

test('law: a server goes down only after 1 + retry failures in a row, the first run apart', (t) => {
  const pattern = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(pattern, fc.integer({ min: 0, max: 4 }), (good, retry) => {
      const results: boolean[] = [];
      const r = live({ ...checkerConfig, retry }, start, 100_000, (n) => {
        const g = good[(n - 1) % good.length] ?? true;
        results.push(g);
        return g ? ok : refused;
      });
      t.deepEqual(
        r.reports.map((x) => x.up),
        changesBy(results, retry),
      );
    }),
    { numRuns: 200 },
  );
});
