import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import {
  type ListRow,
  leaseQuery,
  listFlags,
  listKind,
  neverRenewed,
  type SessionRow,
  status,
} from '../../../src/dataplane/codec.js';
import { digest, emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { type Client, connectClient, until } from '../../support/dataplane/client.js';
import { type Fake, startFake } from '../../support/dataplane/fake.js';
import { manyServices } from '../../support/dataplane/snapshots.js';
import { forkModule } from '../../support/programs/programs.js';

/** A client at a fake data plane, both gone when the test ends. */
const pair = async (
  t: ExecutionContext,
): Promise<{ readonly fake: Fake; readonly client: Client }> => {
  const fake = await startFake();
  const client = connectClient(fake.relay.path);
  t.teardown(async () => {
    client.dataplane.close();
    await fake.relay.close();
  });
  return { fake, client };
};

test('the whole state first, then differences', async (t) => {
  const { fake, client } = await pair(t);
  client.dataplane.setDesired(manyServices(2, 2));
  await client.hears('acked 1');
  client.dataplane.setDesired(manyServices(3, 2));
  await client.hears('acked 2');
  t.deepEqual(client.news, ['up 1', 'acked 1', 'acked 2']);
  t.deepEqual(fake.heard, [
    'hello',
    'begin 0',
    'ops 8',
    'commit 1',
    'begin 1',
    'ops 4',
    'commit 2',
  ]);
});

// Serial: it keeps the one loop of this file busy for seconds, which is longer than a data plane may be silent.
test.serial(
  '10,000 services with 10 real servers each arrive whole while the loop goes on',
  async (t) => {
    const { fake, client } = await pair(t);
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const begun = performance.now();
    client.dataplane.setDesired(manyServices(10_000, 10));
    await client.hears('acked 1');
    clearInterval(watch);
    t.log(
      `acknowledged after ${Math.round(performance.now() - begun)} ms, loop away at most ${Math.round(longest)} ms`,
    );
    const ops = fake.heard.filter((h) => h.startsWith('ops ')).map((h) => Number(h.slice(4)));
    t.is(
      ops.reduce((a, b) => a + b, 0),
      120_000,
    );
  },
);

test('a refusal is told and the next wish is tried', async (t) => {
  const { fake, client } = await pair(t);
  fake.behaviour.refusals = [{ status: status.invalid, reason: 'there is no device dpdk9' }];
  client.dataplane.setDesired(manyServices(1, 1));
  await client.hears('rejected there is no device dpdk9');
  client.dataplane.setDesired(manyServices(2, 1));
  await client.hears('acked 1');
  t.deepEqual(client.news, ['up 1', 'rejected there is no device dpdk9', 'acked 1']);
});

test('a wish that cannot be written is refused here, and the connection stays', async (t) => {
  const { fake, client } = await pair(t);
  const wrong: Snapshot = {
    ...emptySnapshot,
    addresses: [
      { device: 'dpdk0', address: 'nowhere', prefixLength: 64, leased: false, local: false },
    ],
  };
  client.dataplane.setDesired(wrong);
  await client.hears('rejected nowhere is not an IP address');
  client.dataplane.setDesired(manyServices(1, 1));
  await client.hears('acked 1');
  t.is(fake.heard.filter((h) => h === 'hello').length, 1);
});

test('a data plane that comes later is found; one that dies is told, and its successor gets everything', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'keelson-io-'));
  const path = join(dir, 'dataplane.sock');
  const client = connectClient(path);
  client.dataplane.setDesired(manyServices(1, 1));
  await client.hears(`lost ${path}: No such file or directory`);
  const first = await startFake(path);
  await client.hears('acked 1');
  await first.relay.close();
  await client.hears('lost it closed the connection');
  await client.hears(`lost ${path}: Connection refused`);
  t.is(client.dataplane.counters(), null);
  await t.throwsAsync(client.dataplane.sessions(1), { message: 'the data plane is not connected' });
  const second = await startFake(path);
  await client.hears('acked', 2);
  t.deepEqual(second.heard, ['hello', 'begin 0', 'ops 3', 'commit 1']);
  t.is(client.news.length, 7, `each reason once: ${client.news.join('; ')}`);
  client.dataplane.close();
  await second.relay.close();
  await rm(dir, { recursive: true });
});

test('the same socket again: the state is pushed again, or adopted when it is there', async (t) => {
  for (const remembers of [false, true]) {
    const wish = manyServices(2, 1);
    const first = await startFake();
    const client = connectClient(first.relay.path);
    client.dataplane.setDesired(wish);
    await client.hears('acked 1');
    if (!remembers) {
      first.behaviour.generation = 0n;
      first.behaviour.digest = 0n;
    }
    t.is(first.behaviour.digest, remembers ? digest(wish) : 0n);
    const before = first.heard.length;
    first.relay.drop();
    await client.hears('up', 2);
    await client.hears('acked', 2);
    t.deepEqual(
      first.heard.slice(before),
      remembers ? ['hello'] : ['hello', 'begin 0', 'ops 6', 'commit 1'],
    );
    client.dataplane.close();
    await first.relay.close();
  }
});

test('a data plane that hangs is given up', async (t) => {
  const { fake, client } = await pair(t);
  client.dataplane.setDesired(emptySnapshot);
  await client.hears('acked 1');
  fake.behaviour.silent = true;
  await client.hears('lost the data plane has not answered for 3 s');
  fake.behaviour.silent = false;
  await client.hears('up', 2);
  t.is(client.news.filter((n) => n.startsWith('lost')).length, 1);
});

test('lease, gratuitous ARP and pings reach it; their answers disturb nothing', async (t) => {
  const { fake, client } = await pair(t);
  client.dataplane.setDesired(emptySnapshot);
  await client.hears('acked 1');
  const vip = { device: 'dpdk0', address: '192.0.2.1' };
  void client.dataplane.lease(3000, [vip]);
  void client.dataplane.lease(0, [vip]);
  client.dataplane.garp('dpdk0', '192.0.2.1', 5);
  await until(() => fake.heard.includes('type 14'), 'a ping');
  t.deepEqual(fake.heard.slice(-4), ['lease 3000', 'lease 0', 'garp dpdk0 192.0.2.1 5', 'type 14']);
  t.deepEqual(client.news, ['up 1', 'acked 1']);
});

const row = (n: number): SessionRow => ({
  afIn: 4,
  afOut: 4,
  proto: 6,
  state: 1,
  worker: 0,
  fwd: 1,
  expiresMs: n,
  flags: 0,
  cport: 1000 + (n % 60_000),
  vport: 80,
  lport: 1025,
  rport: 8080,
  client: '192.0.2.1',
  vip: '10.0.0.1',
  lip: '10.0.2.1',
  rs: '10.0.1.1',
});

test('sessions of all workers, page by page, up to a limit, also when a worker is busy', async (t) => {
  const { fake, client } = await pair(t);
  const rows = (n: number, from: number) => Array.from({ length: n }, (_, i) => row(from + i));
  fake.behaviour.sessions = [rows(1200, 0), [], rows(3, 5000)];
  await client.hears('up 3');
  fake.behaviour.busy = 3;
  const all = await client.dataplane.sessions(10_000);
  t.deepEqual(
    all.map((r) => r.expiresMs),
    [...rows(1200, 0), ...rows(3, 5000)].map((r) => r.expiresMs),
  );
  t.is((await client.dataplane.sessions(600)).length, 600);
  t.is((await client.dataplane.sessions(0)).length, 0);
  const some = await client.dataplane.sessions(5, (r) => r.expiresMs % 500 === 0);
  t.deepEqual(
    some.map((r) => r.expiresMs),
    [0, 500, 1000, 5000],
  );
});

test('200,000 sessions pass through page by page; none is lost and none is kept', async (t) => {
  const { fake, client } = await pair(t);
  const many = Array.from({ length: 200_000 }, () => row(1));
  fake.behaviour.sessions = [many];
  await client.hears('up 1');
  let rows = 0;
  let pages = 0;
  for await (const page of client.dataplane.sessionPages()) {
    rows += page.length;
    pages += 1;
  }
  t.is(rows, many.length);
  t.is(pages, Math.ceil(many.length / 512));
  t.is((await client.dataplane.sessions(1_000_000)).length, many.length);
});

test('leases are set and read for each address; one that is not there has its own status', async (t) => {
  const { fake, client } = await pair(t);
  fake.behaviour.leases = new Map([['192.0.2.1', 0]]);
  await client.hears('up');
  const at = (address: string) => ({ device: 'dpdk0', address });
  const asked = await client.dataplane.lease(2000, [at('192.0.2.1'), at('192.0.2.2')]);
  t.deepEqual(asked, [
    { status: status.ok, leftMs: 2000, renewedMsAgo: neverRenewed },
    { status: status.notFound, leftMs: 0, renewedMsAgo: neverRenewed },
  ]);
  const known = await client.dataplane.lease(leaseQuery, [at('192.0.2.1')]);
  t.deepEqual(known, [{ status: status.ok, leftMs: 2000, renewedMsAgo: 0 }]);
});

test('a table of layer 3 comes whole, and one that is not there is told', async (t) => {
  const { fake, client } = await pair(t);
  const route = (metric: number): ListRow => ({
    dev: 'dpdk0',
    af: 6,
    plen: 64,
    flags: listFlags.kernel,
    mtu: 1500,
    metric,
    ageMs: 0,
    mac: '00:00:00:00:00:00',
    state: 0,
    reserved: null,
    addr: '2001:db8::',
    gw: 'fe80::1',
    src: '::',
  });
  const rows = Array.from({ length: 1100 }, (_, i) => route(i));
  fake.behaviour.tables = new Map([[listKind.routes, rows]]);
  await client.hears('up 1');
  t.deepEqual(await client.dataplane.list('routes'), rows);
  t.is(fake.heard.filter((h) => h.startsWith('list 2')).length, 3);
  await t.throwsAsync(client.dataplane.list('neighbours'), {
    message: 'the data plane does not list neighbours: not found',
  });
});

test('a question under way when the connection breaks is rejected', async (t) => {
  const { fake, client } = await pair(t);
  await client.hears('up');
  fake.behaviour.silent = true;
  const question = client.dataplane.sessions(10);
  // Read, so that closing is an end and not a reset.
  await until(() => fake.heard.includes('unanswered'), 'the question');
  fake.relay.drop();
  await t.throwsAsync(question, { message: 'it closed the connection' });
});

test('events are told', async (t) => {
  const { fake, client } = await pair(t);
  await client.hears('up');
  fake.happen(7, 'port dpdk0: link up');
  await client.hears('event 7 port dpdk0: link up');
  t.pass();
});

test('garbage from the other side, or a refusal of hello, ends the connection with a reason', async (t) => {
  const { fake, client } = await pair(t);
  await client.hears('up');
  fake.say(new Uint8Array([1, 2, 3]));
  await client.hears('lost an answer that is none: shorter than a header');
  await client.hears('up', 2);
  fake.behaviour.unfriendly = true;
  fake.relay.drop();
  await client.hears('lost it refuses us: we do not know you');
  t.pass();
});

test('no descriptor is left behind by many connections', async (t) => {
  const fake = await startFake();
  // A process of its own: descriptors are counted in the whole of it.
  const program = new URL('../../support/dataplane/reconnect.js', import.meta.url);
  const child = forkModule(fileURLToPath(program), [fake.relay.path, '20']);
  t.teardown(async () => {
    child.kill();
    await fake.relay.close();
  });
  const left = await new Promise((r) => child.once('message', r));
  t.is(left, 0);
  t.is(fake.heard.filter((h) => h === 'hello').length, 20);
});
