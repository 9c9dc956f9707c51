import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { shadowedIn } from '../../../src/cluster/runtime/merge.js';
import { emptyRuntime } from '../../../src/cluster/runtime/types.js';
import { loadRuntime, type Transactions, transactions } from '../../../src/node/runtime.js';
import { configOf, type Node, node, runningNode, service } from '../cluster/fixture.js';

const config = configOf('');
const web = { protocol: 'TCP', address: '203.0.113.1', port: 80, match: null };
const add = { op: 'service.add', service: web, set: {} };
const other = { ...add, service: { ...web, port: 81 } };

interface Bench {
  readonly n: Node;
  readonly path: string;
  readonly changes: Transactions;
  readonly services: () => number;
}

const bench = (t: ExecutionContext, n: Node = runningNode(config)): Bench => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-runtime-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'runtime.json');
  const changes: Transactions = transactions({
    path,
    state: n.state,
    set: (runtime) => {
      for (const e of n.tell({ type: 'runtime', runtime }))
        if (e.type === 'setDesired') changes.desired(e.snapshot);
    },
  });
  return { n, path, changes, services: () => n.state().facts.runtime.services.length };
};

const turn = (): Promise<void> => new Promise((r) => setImmediate(r));
const kept = (b: Bench) => loadRuntime(b.path, config, (p) => Promise.reject(new Error(p)));

test('done is said when the generation is acknowledged and the change is written down', async (t) => {
  const b = bench(t);
  let done = false;
  const outcome = b.changes.run([add]);
  void outcome.then(() => {
    done = true;
  });
  await turn();
  t.false(done);
  const wish = b.n.wanted();
  b.n.ack(2);
  b.changes.acked(2, wish);
  t.deepEqual(await outcome, { ok: true, generation: 2 });
  t.deepEqual(kept(b), b.n.state().facts.runtime);
  t.is(statSync(b.path).mode & 0o777, 0o600);
});

test('an older generation that is acknowledged meanwhile does not count', async (t) => {
  const b = bench(t);
  const before = b.n.wanted();
  const outcome = b.changes.run([add]);
  await turn();
  b.changes.acked(2, before);
  b.changes.rejected('not mine', before);
  await turn();
  b.changes.acked(3, b.n.wanted());
  t.deepEqual(await outcome, { ok: true, generation: 3 });
});

test('a change of something else on the way takes the transaction along', async (t) => {
  const b = bench(t);
  const outcome = b.changes.run([add]);
  await turn();
  for (const e of b.n.tell({ type: 'config', config: configOf(' ') }))
    if (e.type === 'setDesired') b.changes.desired(e.snapshot);
  b.changes.acked(5, b.n.wanted());
  t.deepEqual(await outcome, { ok: true, generation: 5 });
});

test('what is refused, by us or by the data plane, changes nothing', async (t) => {
  const b = bench(t);
  t.like(await b.changes.run([add, add]), { ok: false, index: 1 });
  t.is(b.services(), 0);
  const outcome = b.changes.run([add]);
  await turn();
  t.is(b.services(), 1);
  b.changes.rejected('no room for more than 0 services', b.n.wanted());
  t.deepEqual(await outcome, {
    ok: false,
    index: null,
    reason: 'the data plane refuses it: no room for more than 0 services',
    refused: true,
  });
  t.is(b.services(), 0);
  t.deepEqual(readdirSync(join(b.path, '..')), []);
});

test('without a data plane, or when it goes, it is refused and nothing changed', async (t) => {
  const absent = bench(t, node(config));
  t.like(await absent.changes.run([add]), { ok: false });
  const b = bench(t);
  const outcome = b.changes.run([add]);
  await turn();
  b.changes.lost('it closed the connection');
  t.like(await outcome, { ok: false, reason: 'the data plane is gone: it closed the connection' });
  t.is(b.services(), 0);
});

test('a change that changes nothing is done at once', async (t) => {
  const b = bench(t);
  b.n.ack(2);
  t.deepEqual(await b.changes.run([]), { ok: true, generation: 2 });
});

test('what the files have meanwhile is kept over a restart, and set aside', async (t) => {
  const b = bench(t);
  const outcome = b.changes.run([
    { op: 'service.add', service: { ...web, address: '198.51.100.80' }, set: {} },
  ]);
  await turn();
  b.changes.acked(2, b.n.wanted());
  t.like(await outcome, { ok: true });
  const files = configOf(service(80));
  const kept = loadRuntime(b.path, files, (p) => t.fail(p));
  t.is(kept.services.length, 1);
  t.is(shadowedIn(files, kept).length, 1);
});

/** A reload from no service to one. */
const reloading = (b: Bench) => {
  const use = (text: string) => (): void => {
    for (const e of b.n.tell({ type: 'config', config: configOf(text) }))
      if (e.type === 'setDesired') b.changes.desired(e.snapshot);
  };
  return b.changes.configure(use(service(80)), use(''));
};
const served = (b: Bench): number => b.n.state().facts.config.keepalived.virtualServers.length;

test('a configuration is taken when its generation is acknowledged', async (t) => {
  const b = bench(t);
  const outcome = reloading(b);
  await turn();
  b.changes.acked(7, b.n.wanted());
  t.deepEqual(await outcome, { ok: true, generation: 7 });
  t.is(served(b), 1);
});

test('a configuration the data plane refuses is taken back', async (t) => {
  const b = bench(t);
  const outcome = reloading(b);
  await turn();
  t.is(served(b), 1);
  b.changes.rejected('no room for more than 0 services', b.n.wanted());
  t.like(await outcome, {
    ok: false,
    reason: 'the data plane refuses it: no room for more than 0 services',
  });
  t.is(served(b), 0);
});

test('a data plane that is not there, or goes, finds the new configuration when it is back', async (t) => {
  const alone = node(config);
  alone.tell({ type: 'start' });
  const absent = bench(t, alone);
  t.deepEqual(await reloading(absent), { ok: true, generation: 0 });
  t.is(served(absent), 1);
  const b = bench(t);
  const outcome = reloading(b);
  await turn();
  b.changes.lost('it closed the connection');
  t.deepEqual(await outcome, { ok: true, generation: 0 });
  t.is(served(b), 1);
});

test('one at a time, in the order they came', async (t) => {
  const b = bench(t);
  const outcomes = [b.changes.run([add]), b.changes.run([add]), b.changes.run([other])];
  await turn();
  t.is(b.services(), 1);
  b.changes.acked(2, b.n.wanted());
  t.like(await outcomes[0], { ok: true });
  t.like(await outcomes[1], { ok: false });
  await turn();
  t.is(b.services(), 2);
  b.changes.acked(3, b.n.wanted());
  t.deepEqual(await outcomes[2], { ok: true, generation: 3 });
});

test('what cannot be written down is taken back', async (t) => {
  const b = bench(t);
  rmSync(join(b.path, '..'), { recursive: true });
  const outcome = b.changes.run([add]);
  await turn();
  b.changes.acked(2, b.n.wanted());
  const said = await outcome;
  t.false(said.ok);
  t.is(b.services(), 0);
});

test('a kept state that cannot be read is set aside; commands that fit no more are told and left out', (t) => {
  const b = bench(t);
  const told: string[] = [];
  const load = () => loadRuntime(b.path, config, (p) => void told.push(p));
  t.deepEqual(load(), emptyRuntime);
  t.deepEqual(told, []);
  for (const text of ['{', '[]', '{"version":9,"commands":[]}', '{"version":1}', 'null']) {
    writeFileSync(b.path, text);
    t.deepEqual(load(), emptyRuntime, text);
    t.is(readFileSync(`${b.path}.bad`, 'utf8'), text);
  }
  t.is(told.length, 5);
  const gone = { op: 'address.add', device: 'dpdk7', prefix: '10.0.0.1', local: false };
  writeFileSync(b.path, JSON.stringify({ version: 1, commands: [gone, add] }));
  t.is(load().services.length, 1);
  t.regex(told[5] ?? '', /dpdk7.*dpvs\.conf has dpdk0, dpdk1/);
});
