import test from 'ava';
import fc from 'fast-check';
import type { FromHealthcheck, ToHealthcheck } from '../../../src/healthcheck/messages.js';
import { configurePages } from '../../../src/healthcheck/pages.js';
import {
  type HealthLogLine,
  healthService,
  type ServiceOptions,
} from '../../../src/healthcheck/service.js';
import { sharedClock } from '../../../src/healthcheck/timers.js';
import type {
  CheckerConfig,
  ProbeResult,
  ProbeSpec,
  RealServerConfig,
  VirtualServerConfig,
} from '../../../src/healthcheck/types.js';
import { checkerConfig, handClock, http, realServer, tcp, virtualServer } from './samples.js';

const ok: ProbeResult = { type: 'ok', weightDelta: 0 };
const refused: ProbeResult = {
  type: 'failed',
  failure: { type: 'errno', errno: 'ECONNREFUSED' },
  where: '',
};

/** A service on a hand-moved clock; a probe is answered at once by `dead`, which holds addresses that refuse. */
function bench(more: Partial<ServiceOptions> = {}) {
  const clock = handClock();
  const dead = new Set<string>();
  const sent: FromHealthcheck[] = [];
  const logged: HealthLogLine[] = [];
  const turns: (() => void)[] = [];
  const probed: { at: number; address: string }[] = [];
  const service = healthService({
    clock: sharedClock(clock),
    wallClock: () => 1_000_000 + clock.now(),
    random: () => 0.5,
    maxProbes: 100,
    begin: (spec: ProbeSpec, ended) => {
      const { address } = spec.endpoint;
      probed.push({ at: clock.now(), address });
      ended(dead.has(address) ? refused : ok);
      return () => undefined;
    },
    later: (f) => turns.push(f),
    log: (l) => logged.push(l),
    ...more,
  });
  /** Lets the loop turn until nothing is left to do. */
  const settle = (): void => {
    for (let f = turns.shift(); f !== undefined; f = turns.shift()) f();
  };
  let client = service.attach((m) => sent.push(m));
  settle();
  sent.length = 0;
  let revision = 0;
  return {
    clock,
    dead,
    probed,
    service,
    configure: (...virtualServers: VirtualServerConfig[]) => {
      for (const page of configurePages(++revision, true, virtualServers)) client.receive(page);
      settle();
    },
    /** The controller is replaced by another one; answers what that one is sent. */
    reconnect: () => {
      client.close();
      client = service.attach((m) => sent.push(m));
      settle();
      return sent.splice(0);
    },
    receive: (m: ToHealthcheck) => {
      client.receive(m);
      settle();
    },
    logged,
    /** What was sent since the last call. */
    heard: () => {
      settle();
      return sent.splice(0);
    },
  };
}

const at = (address: string, more: Partial<CheckerConfig> = {}): CheckerConfig => ({
  ...checkerConfig,
  ...more,
  probe: { ...tcp, endpoint: { ...tcp.endpoint, address } },
});
const rs = (id: string, more: Partial<RealServerConfig> = {}): RealServerConfig => ({
  ...realServer,
  id,
  checkers: [at(id)],
  ...more,
});
const vs = (...realServers: RealServerConfig[]): VirtualServerConfig => ({
  ...virtualServer,
  realServers,
});

const servers = (all: readonly FromHealthcheck[]) =>
  all.flatMap((m) => (m.type === 'states' ? m.realServers : [])).map((m) => [m.rs, m.up, m.reason]);
const quorums = (all: readonly FromHealthcheck[]) =>
  all.flatMap((m) => (m.type === 'states' ? m.virtualServers : []));

test('all levels come in one message before `configured`, which echoes the revision', (t) => {
  const b = bench();
  b.configure(vs(rs('a'), rs('b')));
  const heard = b.heard();
  t.deepEqual(
    heard.map((m) => (m.type === 'configured' ? m.revision : m.type)),
    ['states', 1],
  );
  t.deepEqual(servers(heard), [
    ['a', true, 'not checked yet'],
    ['b', true, 'not checked yet'],
  ]);
  t.deepEqual(
    quorums(heard).map((q) => [q.vs, q.quorumUp, q.liveWeight]),
    [['vs1', true, 2]],
  );
});

test('what changes in one turn of the loop is one message, with the latest levels', (t) => {
  const b = bench({ random: () => 0 });
  b.configure(vs(rs('a'), rs('b'), rs('c')));
  b.heard();
  b.dead.add('a').add('b');
  b.clock.advance(1000);
  b.dead.clear();
  b.clock.advance(11_000);
  const heard = b.heard();
  t.is(heard.length, 1);
  t.deepEqual(servers(heard), [
    ['a', true, 'TCP_CHECK success'],
    ['c', true, 'TCP_CHECK success'],
    ['b', true, 'TCP_CHECK success'],
  ]);
});

test('checks go on without a controller, and the next one receives all levels first', (t) => {
  const b = bench();
  b.configure(vs(rs('a'), rs('b')));
  b.dead.add('a');
  b.clock.advance(10_000);
  b.heard();
  const levels = b.reconnect();
  t.deepEqual(
    levels.map((m) => m.type === 'states' && m.whole),
    [true],
  );
  t.deepEqual(servers(levels), [
    ['a', false, 'TCP_CHECK failed: connection refused'],
    ['b', true, 'TCP_CHECK success'],
  ]);
  t.deepEqual(
    quorums(levels).map((q) => [q.quorumUp, q.liveWeight]),
    [[true, 1]],
  );
  // What it believes does not matter for what is known here.
  b.configure(vs(rs('a', { held: 'up' }), rs('b', { held: 'down' })));
  t.deepEqual(
    b.heard().map((m) => m.type),
    ['configured'],
  );
});

test('a controller that was replaced changes nothing any more, nor does half of its set', (t) => {
  const b = bench();
  b.configure(vs(rs('a')), { ...vs(rs('b')), id: 'vs2' });
  const [first] = configurePages(9, true, [vs(rs('a')), { ...vs(rs('b')), id: 'vs2' }], [], 1);
  if (first !== undefined) b.receive(first);
  b.reconnect();
  b.configure({ ...vs(rs('b')), id: 'vs2' });
  t.is(b.service.counters().checkers, 1);
});

test('a configuration that is not whole leaves the others as they are', (t) => {
  const b = bench();
  b.configure(vs(rs('a')), { ...vs(rs('b')), id: 'vs2' }, { ...vs(rs('c')), id: 'vs3' });
  for (const page of configurePages(2, false, [{ ...vs(rs('d')), id: 'vs4' }], ['vs2']))
    b.receive(page);
  b.heard();
  t.deepEqual(
    quorums(b.reconnect()).map((q) => q.vs),
    ['vs1', 'vs3', 'vs4'],
  );
});

test('a dead server goes out at its first check, the quorum with the last one', (t) => {
  const b = bench();
  b.configure(vs(rs('a'), rs('b')));
  b.heard();
  b.dead.add('a').add('b');
  b.clock.advance(10_000);
  const heard = b.heard();
  t.deepEqual(servers(heard), [
    ['a', false, 'TCP_CHECK failed: connection refused'],
    ['b', false, 'TCP_CHECK failed: connection refused'],
  ]);
  t.deepEqual(
    quorums(heard).map((m) => [m.quorumUp, m.liveWeight, m.reason, m.since]),
    [[false, 0, 'Lost quorum 1-0=1 > 0', 1_006_000]],
  );
});

test('a reload with the same file says nothing and moves no check', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.dead.add('a');
  b.clock.advance(20_000);
  b.heard();
  const before = b.probed.length;
  b.configure(vs(rs('a')));
  t.deepEqual(
    b.heard().map((m) => m.type),
    ['configured'],
  );
  b.clock.advance(26_000);
  t.deepEqual(
    b.probed.slice(before).map((p) => p.at),
    [26_000],
  );
});

test('a reload that changes the parameters of a failed checker does not put the server back', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.dead.add('a');
  b.clock.advance(10_000);
  b.heard();
  b.configure(
    vs(rs('a', { checkers: [{ ...at('a'), probe: { ...at('a').probe, timeoutMs: 1 } }] })),
  );
  t.deepEqual(servers(b.heard()), []);
  b.dead.clear();
  b.clock.advance(10_500);
  t.deepEqual(servers(b.heard()), [['a', true, 'TCP_CHECK success']]);
});

test('a reload that changes the kind of a failed checker does not put the server back either', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.dead.add('a');
  b.clock.advance(10_000);
  b.heard();
  b.configure(vs(rs('a', { checkers: [{ ...checkerConfig, probe: http }] })));
  t.deepEqual(servers(b.heard()), []);
});

test('a new check on a server that is up starts as up, even an alpha one', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.clock.advance(10_000);
  b.heard();
  b.configure(vs(rs('a', { checkers: [at('a'), at('new', { alpha: true })] })));
  t.deepEqual(servers(b.heard()), []);
});

test('a server that is down by a check that is taken away comes back', (t) => {
  const b = bench();
  b.configure(vs(rs('a', { checkers: [at('good'), { ...checkerConfig, probe: http }] })));
  b.dead.add(http.endpoint.address);
  b.clock.advance(10_000);
  b.heard();
  b.configure(vs(rs('a', { checkers: [at('good')] })));
  t.deepEqual(servers(b.heard()), [['a', true, 'configuration changed']]);
});

test('an adopted server stays as the data plane has it until it has answered', (t) => {
  const b = bench();
  b.configure(vs(rs('a', { held: 'down' }), rs('b', { held: 'up' })));
  t.deepEqual(servers(b.heard()), [
    ['a', false, 'as before the restart, not checked yet'],
    ['b', true, 'as before the restart, not checked yet'],
  ]);
  b.clock.advance(10_000);
  t.deepEqual(servers(b.heard()), [
    ['a', true, 'TCP_CHECK success'],
    ['b', true, 'TCP_CHECK success'],
  ]);
});

test('servers and virtual servers that are gone are asked no more', (t) => {
  const b = bench();
  b.configure(vs(rs('a'), rs('b')), { ...vs(rs('c')), id: 'vs2' });
  b.clock.advance(10_000);
  b.configure(vs(rs('b')));
  t.is(b.service.counters().checkers, 1);
  const before = b.probed.length;
  b.clock.advance(60_000);
  t.deepEqual([...new Set(b.probed.slice(before).map((p) => p.address))], ['b']);
});

test('a suspended virtual server is not asked and keeps its state; new servers rest as well', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.dead.add('a');
  b.clock.advance(10_000);
  const resting = { ...vs(rs('a'), rs('b')), suspended: true };
  b.configure(resting);
  b.heard();
  const before = b.probed.length;
  b.clock.advance(100_000);
  t.is(b.probed.length, before);
  t.deepEqual(b.heard(), []);
  b.dead.clear();
  b.configure({ ...resting, suspended: false });
  b.clock.advance(110_000);
  t.deepEqual(servers(b.heard()), [
    ['a', true, 'TCP_CHECK success'],
    ['b', true, 'TCP_CHECK success'],
  ]);
});

test('a stop ends every check', (t) => {
  const b = bench();
  b.configure(vs(rs('a')));
  b.service.stop();
  t.is(b.clock.armed(), 0);
});

test('10,000 checks that start together are spread over their delay_loop', (t) => {
  let n = 0;
  const random = (): number => {
    n += 0.618_034;
    return n % 1;
  };
  const b = bench({ random });
  b.configure(vs(...Array.from({ length: 10_000 }, (_, i) => rs(`${i}`))));
  b.clock.advance(11_000);
  t.is(b.probed.length, 10_000);
  const perSecond = new Map<number, number>();
  for (const p of b.probed) {
    const second = Math.floor(p.at / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  for (const n of perSecond.values()) t.true(n < 1100);
});

test('every input of every machine reaches the journal (law 10)', (t) => {
  const seen: string[] = [];
  const hook = (unit: string) => (e: { readonly input: { readonly type: string } }) =>
    void seen.push(`${unit}: ${e.input.type}`);
  const b = bench({ journal: { checker: hook, virtualServer: hook } });
  b.configure(vs(rs('a')));
  b.clock.advance(6000);
  t.deepEqual(seen, [
    'vs1 a checker 1: start',
    'vs1: configure',
    'vs1 a checker 1: tick',
    'vs1 a checker 1: probeStarted',
    'vs1 a checker 1: probeResult',
    'vs1: verdict',
  ]);
});

test('law: whatever a server begins as, its first result is the reason that is shown', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        held: fc.constantFrom(null, 'up' as const, 'down' as const),
        alpha: fc.boolean(),
        isDead: fc.boolean(),
        checkers: fc.integer({ min: 1, max: 3 }),
      }),
      ({ held, alpha, isDead, checkers }) => {
        const b = bench();
        if (isDead) b.dead.add('a');
        const checks = Array.from({ length: checkers }, () => at('a', { alpha }));
        b.configure(vs(rs('a', { held, checkers: checks })));
        const [, wasUp, first] = servers(b.heard()).at(-1) ?? [];
        t.is(wasUp, held === null ? !alpha : held === 'up');
        t.regex(String(first), /not checked yet$/);
        b.clock.advance(120_000);
        const [, up, last] = servers(b.heard()).at(-1) ?? [];
        t.is(up, !isDead);
        t.regex(String(last), isDead ? /refused/ : /success/);
        // The client that comes later sees the same.
        t.deepEqual(servers(b.reconnect()), [['a', up, last]]);
      },
    ),
  );
});

test('while one of its checkers has had no result, a server that is up is not checked yet', (t) => {
  const late = at('late', { warmupMs: 60_000 });
  const b = bench({ random: () => 0.9 });
  b.configure(vs(rs('a', { checkers: [at('a', { warmupMs: 0 }), late] })));
  b.heard();
  b.clock.advance(10_000);
  t.deepEqual(servers(b.heard()), []);
  b.clock.advance(60_000);
  t.deepEqual(servers(b.heard()), [['a', true, 'TCP_CHECK success']]);
});
