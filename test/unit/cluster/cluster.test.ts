import test from 'ava';
import fc from 'fast-check';
import type { Effect } from '../../../src/cluster/diff.js';
import type { ClusterInput } from '../../../src/cluster/machine.js';
import { cluster, initialState } from '../../../src/cluster/machine.js';
import type { Entry } from '../../../src/kernel/driver.js';
import { replay } from '../../../src/kernel/journal.js';
import { millis } from '../../../src/kernel/machine.js';
import {
  configOf,
  node,
  quorum,
  realServer,
  releaseVips,
  runningNode,
  service,
  takeVips,
} from './fixture.js';

const types = (effects: readonly Effect[]): readonly string[] => effects.map((e) => e.type);
const serviceable = (effects: readonly Effect[]) =>
  effects.flatMap((e) => (e.type === 'serviceable' ? [e.now] : []));

test('the beginning tells the children everything and asks the data plane for all services', (t) => {
  const n = node(configOf(service(80)));
  const effects = n.tell({ type: 'start' });
  t.deepEqual(types(effects), [
    'configureHealth',
    'restChecks',
    'configureVrrp',
    'setDesired',
    'serviceable',
  ]);
  t.deepEqual(serviceable(effects), [{ ok: false, reason: 'data plane: not connected yet' }]);
  t.deepEqual(n.wanted().addresses, []);
  t.is(n.wanted().services.length, 1);
  t.is(n.wanted().services[0]?.realServers.length, 2);
  t.is(n.wanted().services[0]?.localAddresses.length, 2);
});

test('an instance is serviceable only after a generation with its services was acknowledged (law 4)', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  const up = n.tell({ type: 'dataplaneUp', pid: 1, workers: 1, adopted: null });
  t.false(serviceable(up)[0]?.ok);
  const acked = n.ack(1);
  t.deepEqual(serviceable(acked), [{ ok: true, reason: 'generation 1 serves its addresses' }]);
});

test('addresses are taken in their order: lease, generation, acknowledgement, then gratuitous ARP', (t) => {
  const n = runningNode(configOf(service(80)));
  const taken = n.tell(takeVips);
  t.deepEqual(types(taken), ['lease', 'setDesired']);
  t.deepEqual(n.wanted().addresses, [
    { device: 'dpdk1', address: '198.51.100.80', prefixLength: 32, leased: true, local: false },
  ]);
  t.deepEqual(n.ack(2), [{ type: 'vipsTaken', instance: 'wan', generation: 2 }]);
  const garp = n.tell({
    type: 'vrrp',
    message: { type: 'garp', instance: 'wan', addresses: ['198.51.100.80'], repeat: 5 },
  });
  t.deepEqual(garp, [{ type: 'garp', device: 'dpdk1', address: '198.51.100.80', repeat: 5 }]);
  t.deepEqual(types(n.tell(releaseVips)), ['lease', 'setDesired']);
  t.deepEqual(n.wanted().addresses, []);
});

test('a real server that fails leaves the next generation and comes back with its weight', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.11', true));
  n.tell(realServer('10.1.0.12', true));
  t.deepEqual(types(n.tell(realServer('10.1.0.12', false))), ['setDesired']);
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => r.address),
    ['10.1.0.11'],
  );
  n.tell(realServer('10.1.0.12', true));
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => [r.address, r.weight]),
    [
      ['10.1.0.11', 10],
      ['10.1.0.12', 10],
    ],
  );
});

test('inhibit_on_failure keeps a failed server with weight 0', (t) => {
  const n = runningNode(configOf(service(80, 'inhibit_on_failure')));
  n.tell(realServer('10.1.0.12', false));
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => r.weight),
    [10, 0],
  );
});

test('with the quorum lost the sorry server is the only one, in one generation', (t) => {
  const n = runningNode(configOf(service(80, 'sorry_server 10.1.0.99 8080')));
  n.tell(realServer('10.1.0.11', false));
  n.tell(realServer('10.1.0.12', false));
  const lost = n.tell(quorum(false));
  t.is(types(lost).filter((x) => x === 'setDesired').length, 1);
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => `${r.address}:${r.port}`),
    ['10.1.0.99:8080'],
  );
  t.deepEqual(serviceable(lost), [], 'a sorry server keeps the address announced');
});

test('an address is withdrawn when every virtual server on it has lost its quorum, not before', (t) => {
  const n = runningNode(configOf(service(80) + service(443)));
  t.deepEqual(serviceable(n.tell(quorum(false, 80))), []);
  const lost = serviceable(n.tell(quorum(false, 443)));
  t.deepEqual(lost, [
    { ok: false, reason: 'every virtual server on 198.51.100.80 has lost its quorum' },
  ]);
  t.true(serviceable(n.tell(quorum(true, 443)))[0]?.ok);
});

test('losing the data plane withdraws everything; its return pushes and serves again', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(takeVips);
  n.ack(2);
  const lost = n.tell({ type: 'dataplaneLost', reason: 'it closed the connection' });
  t.deepEqual(serviceable(lost), [{ ok: false, reason: 'data plane: it closed the connection' }]);
  t.true(
    lost.some((e) => e.type === 'restChecks' && e.rest),
    'checks would blame the servers',
  );
  n.tell(releaseVips);
  const back = n.tell({ type: 'dataplaneUp', pid: 2, workers: 1, adopted: null });
  t.true(
    back.some((e) => e.type === 'kernel'),
    'the kernel interfaces are new',
  );
  t.true(back.some((e) => e.type === 'restChecks' && !e.rest));
  t.true(serviceable(n.ack(1))[0]?.ok);
});

test('a vrrp process that dies takes its addresses with it', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(takeVips);
  n.ack(2);
  const gone = n.tell({ type: 'vrrpGone', reason: 'was ended by SIGKILL' });
  t.deepEqual(types(gone), ['lease', 'setDesired']);
  t.deepEqual(n.wanted().addresses, []);
  const again = n.tell({ type: 'vrrpStarted' });
  t.deepEqual(types(again), ['configureVrrp', 'serviceable']);
});

test('a reload changes only what changed', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.11', false));
  t.deepEqual(
    types(n.tell({ type: 'config', config: configOf(service(80)) })).filter(
      (x) => x === 'setDesired',
    ),
    [],
    'the same files',
  );
  n.tell({ type: 'config', config: configOf(service(80) + service(443)) });
  t.deepEqual(
    n.wanted().services.map((s) => [s.port, s.realServers.length]),
    [
      [80, 1],
      [443, 2],
    ],
    'the failed server stays out',
  );
});

test('a restarted controller begins with what the data plane held', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  const adopted = new Set(['[198.51.100.80]:tcp:80 [10.1.0.12]:tcp:80']);
  n.tell({ type: 'dataplaneUp', pid: 1, workers: 1, adopted });
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => r.address),
    ['10.1.0.12'],
  );
});

test('a refused generation is told where the addresses are not announced', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  n.tell({ type: 'dataplaneUp', pid: 1, workers: 1, adopted: null });
  const refused = n.tell({ type: 'dataplaneRejected', reason: 'no memory' });
  t.regex(serviceable(refused)[0]?.reason ?? '', /refuses the configuration: no memory/);
});

const news: fc.Arbitrary<ClusterInput> = fc.oneof(
  fc.constantFrom<ClusterInput>(
    takeVips,
    releaseVips,
    { type: 'vrrpGone', reason: 'died' },
    { type: 'dataplaneLost', reason: 'gone' },
    { type: 'dataplaneUp', pid: 1, workers: 1, adopted: null },
    { type: 'vrrpStarted' },
    { type: 'healthcheckStarted' },
  ),
  fc
    .record({ rs: fc.constantFrom('10.1.0.11', '10.1.0.12'), up: fc.boolean() })
    .map(({ rs, up }) => realServer(rs, up)),
  fc.boolean().map((up) => quorum(up)),
);

/** Follows one history; throws when the order of law 4 is broken. */
const watchful = (n: ReturnType<typeof node>) => {
  let lease = false;
  const isAcked = (): boolean => {
    const { dataplane } = n.state().facts;
    const acked = dataplane.state === 'up' ? dataplane.acked : null;
    return acked?.snapshot.addresses.some((a) => a.address === '198.51.100.80') === true;
  };
  return (effects: readonly Effect[]): void => {
    for (const e of effects) {
      if (e.type === 'lease') lease = e.on;
      if (e.type === 'vipsTaken' && !isAcked()) throw new Error('taken without acknowledgement');
    }
    const holds = n.state().facts.vrrp.get('wan')?.holds === true;
    if (lease !== holds) throw new Error(`lease ${lease}, holds ${holds}`);
  };
};

test('whatever happens: addresses count as taken only when acknowledged, and the lease follows them', (t) => {
  const config = configOf(service(80));
  fc.assert(
    fc.property(fc.array(fc.tuple(news, fc.boolean()), { maxLength: 40 }), (history) => {
      const n = node(config);
      const watch = watchful(n);
      n.tell({ type: 'start' });
      let generation = 0;
      for (const [input, acks] of history) {
        watch(n.tell(input));
        if (acks) watch(n.ack(++generation));
      }
    }),
  );
  t.pass();
});

test('a journal of any history gives the same effects again (law 10)', (t) => {
  const config = configOf(service(80));
  fc.assert(
    fc.property(fc.array(news, { maxLength: 40 }), (history) => {
      const inputs: readonly ClusterInput[] = [{ type: 'start' }, ...history];
      const journal: Entry<ClusterInput>[] = inputs.map((input, i) => ({ at: millis(i), input }));
      const first = replay(cluster, initialState(config), journal);
      const second = replay(cluster, initialState(config), journal);
      t.deepEqual(second.steps, first.steps);
    }),
    { numRuns: 50 },
  );
});
