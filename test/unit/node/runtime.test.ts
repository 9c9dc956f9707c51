import test from 'ava';
import fc from 'fast-check';
import { applyCommands } from '../../../src/cluster/runtime/apply.js';
import { emptyRuntime, type Runtime } from '../../../src/cluster/runtime/types.js';
import { type Transactions, transactions } from '../../../src/node/runtime.js';
import {
  configOf,
  configured,
  dataplaneUp,
  type Node,
  node,
  realServer,
  runningNode,
  service,
} from '../cluster/fixture.js';

const config = configOf('');
const web = { protocol: 'TCP', address: '203.0.113.1', port: 80, match: null };
const add = { op: 'service.add', service: web, set: {} };
const other = { ...add, service: { ...web, port: 81 } };

interface Bench {
  readonly n: Node;
  readonly kept: readonly Runtime[];
  readonly changes: Transactions;
  readonly services: () => number;
  readonly ack: (generation: number) => void;
  readonly refuse: (reason: string) => void;
  readonly configured: () => void;
  readonly lost: (reason: string) => void;
}

const bench = (n: Node = runningNode(config), keeps = true): Bench => {
  const kept: Runtime[] = [];
  const changes: Transactions = transactions({
    keep: (runtime) => {
      if (!keeps) throw new Error('ENOSPC: no space left on device');
      kept.push(runtime);
    },
    state: n.state,
    set: (runtime) => void n.tell({ type: 'runtime', runtime }),
  });
  const then =
    <A extends readonly unknown[]>(run: (...a: A) => unknown) =>
    (...a: A): void => {
      run(...a);
      changes.check();
    };
  return {
    n,
    kept,
    changes,
    services: () => n.state().facts.runtime.services.length,
    ack: then(n.ack),
    refuse: then(n.refuse),
    configured: then(() => configured(n)),
    lost: then((reason: string) => n.tell({ type: 'dataplaneLost', reason })),
  };
};

const turn = (): Promise<void> => new Promise((r) => setImmediate(r));

/** Whether it has come to an end after what has happened so far. */
const isDone = async (outcome: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void outcome.then(() => {
    done = true;
  });
  await turn();
  return done;
};

test('done is reported when the generation is acknowledged and the change is written down', async (t) => {
  const b = bench();
  const outcome = b.changes.run([add]);
  t.false(await isDone(outcome));
  b.ack(2);
  t.deepEqual(await outcome, { ok: true, generation: 2 });
  t.deepEqual(b.kept, [b.n.state().facts.runtime]);
});

test('what happens beside it takes the transaction along', async (t) => {
  const b = bench(runningNode(configOf(service(80))));
  const outcome = b.changes.run([add]);
  await turn();
  b.n.tell(realServer('10.1.0.12', false));
  b.ack(5);
  t.deepEqual(await outcome, { ok: true, generation: 5 });
});

test('what is refused, by us or by the data plane, changes nothing', async (t) => {
  const b = bench();
  t.like(await b.changes.run([add, add]), { ok: false, index: 1 });
  t.is(b.services(), 0);
  const outcome = b.changes.run([add]);
  await turn();
  t.is(b.services(), 1);
  b.refuse('no room for more than 0 services');
  t.deepEqual(await outcome, {
    ok: false,
    index: null,
    reason: 'the data plane refuses it: no room for more than 0 services',
    refused: true,
  });
  t.is(b.services(), 0);
  t.deepEqual(b.kept, []);
});

test('without a data plane, or when it goes, it is refused and nothing changed', async (t) => {
  const absent = bench(node(config));
  t.like(await absent.changes.run([add]), { ok: false });
  const b = bench();
  const outcome = b.changes.run([add]);
  await turn();
  b.lost('it closed the connection');
  t.like(await outcome, { ok: false, reason: 'the data plane is gone: it closed the connection' });
  t.is(b.services(), 0);
});

test('a command before the start changes nothing: what was set before is not known yet', async (t) => {
  const n = node(config);
  n.tell(dataplaneUp());
  const b = bench(n);
  const outcome = b.changes.run([add]);
  t.true(await isDone(outcome));
  t.like(await outcome, { ok: false });
  t.is(b.services(), 0);
  t.deepEqual(b.kept, []);
});

test('a command that fails takes back what it has set, and nothing else', async (t) => {
  const b = bench();
  const outcome = b.changes.run([add]);
  await turn();
  const set = applyCommands(config, emptyRuntime, [add, other]);
  if (!set.ok) throw new Error(set.error.reason);
  b.n.tell({ type: 'runtime', runtime: set.value });
  b.ack(3);
  t.like(await outcome, { ok: false });
  t.is(b.services(), 2);
});

test('a change that changes nothing is done at once', async (t) => {
  const b = bench();
  b.ack(2);
  t.deepEqual(await b.changes.run([]), { ok: true, generation: 2 });
});

/** A reload from no service to one. */
const reloading = (b: Bench, services = service(80)) =>
  b.changes.configure(() => void b.n.tell({ type: 'config', config: configOf(services) }));
const served = (b: Bench): number => b.n.state().facts.config.keepalived.virtualServers.length;

test('a configuration is in force when the data plane, the checks and VRRP have it', async (t) => {
  const b = bench();
  const outcome = reloading(b);
  await turn();
  b.ack(7);
  t.false(await isDone(outcome), 'healthcheck and vrrp have not reported it as configured');
  b.configured();
  t.deepEqual(await outcome, { ok: true, generation: 7 });
  t.is(served(b), 1);
});

test('what the checks say of the new configuration is part of what is waited for', async (t) => {
  const b = bench();
  const outcome = reloading(b);
  await turn();
  b.ack(7);
  b.n.tell(realServer('10.1.0.12', false));
  b.configured();
  t.false(await isDone(outcome));
  b.ack(8);
  t.deepEqual(await outcome, { ok: true, generation: 8 });
});

test('a reload that changes weights alone waits for the generation that has them (D11)', async (t) => {
  const b = bench(runningNode(configOf(service(80))));
  const outcome = reloading(b, service(80).replaceAll('weight 10', 'weight 7'));
  await turn();
  b.configured();
  t.false(await isDone(outcome));
  b.ack(2);
  t.false(await isDone(outcome), 'the checks get it when the data plane has it');
  b.configured();
  t.deepEqual(await outcome, { ok: true, generation: 2 });
});

test('law: done is not reported before the generation that has it, however much happens', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 80 }), async (flaps) => {
      const b = bench(runningNode(configOf(service(80))));
      const outcome = reloading(b, service(80).replaceAll('weight 10', 'weight 7'));
      await turn();
      b.ack(2);
      b.n.tell(realServer('10.1.0.12', false));
      b.configured();
      // None of what follows is acknowledged.
      for (let n = 0; n < flaps; n++) {
        b.n.tell(realServer('10.1.0.11', n % 2 === 1));
        b.changes.check();
      }
      t.false(await isDone(outcome));
      b.ack(3);
      t.deepEqual(await outcome, { ok: true, generation: 3 });
    }),
    { numRuns: 30 },
  );
});

test('a process that is not connected is not waited for: it is briefed when it is', async (t) => {
  const b = bench();
  for (const peer of ['vrrp', 'healthcheck'] as const)
    b.n.tell({ type: 'disconnected', peer, reason: 'it died', at: 1 });
  const outcome = reloading(b);
  await turn();
  b.ack(2);
  t.deepEqual(await outcome, { ok: true, generation: 2 });
});

test('a configuration the data plane refuses is taken back', async (t) => {
  const b = bench();
  const outcome = reloading(b);
  await turn();
  t.is(served(b), 1);
  b.refuse('no room for more than 0 services');
  t.like(await outcome, {
    ok: false,
    reason: 'the data plane refuses it: no room for more than 0 services',
  });
  t.is(served(b), 0);
});

test('a data plane that is not there, or goes, finds the new configuration when it is back', async (t) => {
  const alone = node(config);
  alone.tell({ type: 'start' });
  const absent = bench(alone);
  const later = await reloading(absent);
  t.like(later, { ok: true, generation: 0 });
  t.regex((later.ok && later.late) || '', /not connected/);
  t.is(served(absent), 1);
  const b = bench();
  const outcome = reloading(b);
  await turn();
  b.lost('it closed the connection');
  t.like(await outcome, { ok: true, generation: 0 });
  t.is(served(b), 1);
});

test('a refusal that comes when nobody waits any more is taken back too (D14)', async (t) => {
  const b = bench();
  const outcome = reloading(b);
  await turn();
  b.lost('it closed the connection');
  await outcome;
  b.n.tell(dataplaneUp({ generation: 1 }));
  b.refuse('no room');
  t.is(served(b), 0);
  t.is(b.n.state().facts.refused, 'no room');
});

test('one at a time, in the order they came', async (t) => {
  const b = bench();
  const outcomes = [b.changes.run([add]), b.changes.run([add]), b.changes.run([other])];
  await turn();
  t.is(b.services(), 1);
  b.ack(2);
  t.like(await outcomes[0], { ok: true });
  t.like(await outcomes[1], { ok: false });
  await turn();
  t.is(b.services(), 2);
  b.ack(3);
  t.deepEqual(await outcomes[2], { ok: true, generation: 3 });
});

test('what cannot be written down is taken back', async (t) => {
  const b = bench(runningNode(config), false);
  const outcome = b.changes.run([add]);
  await turn();
  b.ack(2);
  const said = await outcome;
  t.false(said.ok);
  t.is(b.services(), 0);
});
