import test from 'ava';
import fc from 'fast-check';
import {
  effectiveWeight,
  isUp,
  type RealServer,
  type Verdict,
  withVerdict,
} from '../../../src/healthcheck/realserver.js';
import {
  type ConfiguredRealServer,
  newVirtualServer,
  quorumAfter,
  totalLiveWeight,
  type VirtualServerEffect,
  type VirtualServerInput,
  type VirtualServerState,
  virtualServer,
} from '../../../src/healthcheck/virtualserver.js';
import { millis } from '../../../src/kernel/machine.js';

const verdict = (up: boolean, reason = up ? 'fine' : 'broken', weightDelta = 0): Verdict => ({
  up,
  reason,
  weightDelta,
});

const server = (verdicts: Readonly<Record<string, Verdict>>, weight = 1): RealServer => ({
  id: 'rs',
  configuredWeight: weight,
  verdicts: new Map(Object.entries(verdicts)),
  reason: 'start',
});

const configured = (id: string, weight: number, up = true): ConfiguredRealServer => ({
  id,
  weight,
  verdicts: new Map([['c', verdict(up)]]),
  reason: 'start',
});

const configure = (
  realServers: readonly ConfiguredRealServer[],
  config = { quorum: 1, hysteresis: 0, alpha: false },
  quorumHeld: boolean | null = null,
): VirtualServerInput => ({ type: 'configure', config, quorumHeld, realServers });

const given = (rs: string, up: boolean): VirtualServerInput => ({
  type: 'verdict',
  rs,
  checker: 'c',
  verdict: verdict(up),
});

function run(inputs: readonly VirtualServerInput[]) {
  let state: VirtualServerState = newVirtualServer('vs');
  const steps: (readonly VirtualServerEffect[])[] = [];
  for (const i of inputs) {
    const [next, effects] = virtualServer.step(state, i, millis(0));
    state = next;
    steps.push(effects);
  }
  return { state, steps, last: steps.at(-1) ?? [] };
}

const quorums = (effects: readonly VirtualServerEffect[]) =>
  effects.filter((e) => e.type === 'quorum').map((e) => [e.up, e.reason]);

test('a real server without checkers is up', (t) => {
  t.true(isUp(server({})));
});

test('the reason shown for a server that is down is one that still stands', (t) => {
  const both = withVerdict(
    withVerdict(server({ a: verdict(true), b: verdict(true) }), 'a', verdict(false, 'a broke')),
    'b',
    verdict(false, 'b broke'),
  );
  t.is(both.reason, 'a broke');
  const onlyB = withVerdict(both, 'a', verdict(true));
  t.false(isUp(onlyB));
  t.is(onlyB.reason, 'b broke');
});

test('weights: the configured one and the sum of the deltas, never below 0 nor over 31 bits', (t) => {
  t.is(effectiveWeight(server({ a: verdict(true, '', 5), b: verdict(true, '', -3) }, 10)), 12);
  t.is(effectiveWeight(server({ a: verdict(true, '', -20) }, 10)), 0);
  t.is(effectiveWeight(server({ a: verdict(true, '', 20) }, 2 ** 31 - 1)), 2 ** 31 - 1);
});

test('every new real server and the quorum are told once, before anything is known', (t) => {
  const { last } = run([configure([configured('a', 1), configured('b', 2)])]);
  t.deepEqual(
    last.map((e) => e.type),
    ['realServer', 'realServer', 'liveWeight', 'quorum'],
  );
  t.deepEqual(quorums(last), [[true, 'not checked yet']]);
});

test('the last server going down loses the quorum, coming back regains it', (t) => {
  const { steps } = run([configure([configured('a', 1)]), given('a', false), given('a', true)]);
  t.deepEqual(quorums(steps[1] ?? []), [[false, 'Lost quorum 1-0=1 > 0']]);
  t.deepEqual(quorums(steps[2] ?? []), [[true, 'Gained quorum 1+0=1 <= 1']]);
});

test('hysteresis: lost below quorum - hysteresis, regained at quorum + hysteresis', (t) => {
  const c = { quorum: 3, hysteresis: 1, alpha: false };
  const all = ['a', 'b', 'c', 'd'];
  const { steps } = run([
    configure(
      all.map((id) => configured(id, 1)),
      c,
    ),
    ...['a', 'b', 'c'].map((id) => given(id, false)),
    ...['a', 'b', 'c'].map((id) => given(id, true)),
  ]);
  t.deepEqual(
    steps.map((s) => quorums(s).map(([up]) => up)),
    [[true], [], [], [false], [], [], [true]],
  );
});

test('an alpha virtual server has no quorum until its servers answered', (t) => {
  const c = { quorum: 1, hysteresis: 0, alpha: true };
  const { steps } = run([configure([configured('a', 1, false)], c), given('a', true)]);
  t.deepEqual(quorums(steps[0] ?? []), [[false, 'not checked yet']]);
  t.deepEqual(quorums(steps[1] ?? []), [[true, 'Gained quorum 1+0=1 <= 1']]);
});

test('between the thresholds an adopted quorum stays as the data plane has it', (t) => {
  const c = { quorum: 2, hysteresis: 1, alpha: false };
  for (const held of [true, false]) {
    const { state } = run([configure([configured('a', 2)], c, held)]);
    t.is(state.quorumUp, held);
  }
});

test('a reload that changes nothing says nothing', (t) => {
  const all = [configured('a', 1), configured('b', 1)];
  t.deepEqual(run([configure(all), configure(all)]).last, []);
});

test('a changed weight in the configuration is no news of the server, but moves the quorum', (t) => {
  const { last } = run([
    configure([configured('a', 5)], { quorum: 3, hysteresis: 0, alpha: false }),
    configure([configured('a', 2)], { quorum: 3, hysteresis: 0, alpha: false }),
  ]);
  t.deepEqual(
    last.filter((e) => e.type === 'realServer' || e.type === 'liveWeight'),
    [{ type: 'liveWeight' }],
  );
  t.deepEqual(quorums(last), [[false, 'Lost quorum 3-0=3 > 2']]);
});

test('a verdict on a server or checker that is gone is ignored', (t) => {
  const { steps } = run([
    configure([configured('a', 1)]),
    given('b', false),
    { type: 'verdict', rs: 'a', checker: 'gone', verdict: verdict(false) },
  ]);
  t.deepEqual(steps.slice(1), [[], []]);
});

test('law: a real server is up iff no checker has failed', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { maxLength: 30 }),
      (said) => {
        let rs = server({ a: verdict(true), b: verdict(true), c: verdict(true) });
        const failed = new Set<string>();
        for (const [key, up] of said) {
          rs = withVerdict(rs, key, verdict(up));
          if (up) failed.delete(key);
          else failed.add(key);
          if (isUp(rs) !== (failed.size === 0)) return false;
        }
        return true;
      },
    ),
  );
  t.pass();
});

const ids = ['a', 'b', 'c', 'd'];
const lives = fc.record({
  quorum: fc.integer({ min: 1, max: 10 }),
  hysteresis: fc.nat({ max: 9 }),
  weights: fc.array(fc.nat({ max: 5 }), { minLength: 4, maxLength: 4 }),
  said: fc.array(fc.tuple(fc.constantFrom(...ids), fc.boolean()), { maxLength: 30 }),
});

test('law: the quorum follows the thresholds, and each change is told exactly once', (t) => {
  fc.assert(
    fc.property(lives, ({ quorum, hysteresis, weights, said }) => {
      const config = { quorum, hysteresis: Math.min(hysteresis, quorum - 1), alpha: false };
      const all = ids.map((id, i) => configured(id, weights[i] ?? 0));
      let state = newVirtualServer('vs');
      let told: unknown = null;
      for (const input of [configure(all, config), ...said.map(([id, up]) => given(id, up))]) {
        const before = state.quorumUp ?? true;
        const [next, effects] = virtualServer.step(state, input, millis(0));
        state = next;
        const live = totalLiveWeight(state);
        t.is(state.quorumUp, quorumAfter(before, config, live));
        for (const [up] of quorums(effects)) {
          t.not(up, told);
          told = up;
        }
        t.is(told, state.quorumUp);
      }
    }),
  );
});

test('law: at the thresholds the past does not matter', (t) => {
  const c = fc.record({ quorum: fc.integer({ min: 1, max: 20 }), hysteresis: fc.nat({ max: 19 }) });
  fc.assert(
    fc.property(c, fc.nat({ max: 50 }), fc.boolean(), ({ quorum, hysteresis }, live, was) => {
      const h = Math.min(hysteresis, quorum - 1);
      const up = quorumAfter(was, { quorum, hysteresis: h, alpha: false }, live);
      if (live >= quorum + h) t.true(up);
      else if (live < quorum - h) t.false(up);
      else t.is(up, was);
    }),
  );
});
