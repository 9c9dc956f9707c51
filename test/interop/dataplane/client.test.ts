/** The controller's client and the real keelson-dataplane: generations, lease, counters, and what happens when one of them goes away. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { type Client, connectClient, until } from '../../support/dataplane/client.js';
import { type DataplaneProcess, startDataplane } from '../../support/dataplane/isolated.js';
import { holdAll } from '../../support/dataplane/leases.js';
import { manyServices } from '../../support/dataplane/snapshots.js';
import { patience } from '../../support/patience.js';

interface Scene {
  readonly path: string;
  readonly start: () => DataplaneProcess;
  readonly connect: () => Client;
}

const scene = async (t: ExecutionContext): Promise<Scene> => {
  const dir = await mkdtemp(join(tmpdir(), 'keelson-client-'));
  const path = join(dir, 'dataplane.sock');
  const processes: DataplaneProcess[] = [];
  const clients: Client[] = [];
  t.teardown(async () => {
    for (const c of clients) c.dataplane.close();
    for (const p of processes) await p.kill('SIGKILL');
    await rm(dir, { recursive: true });
  });
  return {
    path,
    start: () => {
      const p = startDataplane(path);
      processes.push(p);
      return p;
    },
    connect: () => {
      const c = connectClient(path);
      clients.push(c);
      return c;
    },
  };
};

const vip = '192.0.2.100';
const wish: Snapshot = {
  ...emptySnapshot,
  addresses: [
    { device: 'dpdk0', address: vip, prefixLength: 32, leased: true, local: false },
    { device: 'dpdk0', address: '192.0.2.50', prefixLength: 24, leased: false, local: true },
  ],
  services: [
    {
      protocol: 'TCP',
      address: vip,
      port: 80,
      scheduler: 'wrr',
      expireQuiescent: true,
      onePacket: false,
      quic: null,
      schedulerPort: false,
      persistenceMs: 0,
      persistencePrefixLength: 32,
      match: null,
      expireTemplate: false,
      establishedTimeoutMs: 5000,
      realServers: [
        { address: '192.0.2.1', port: 8080, forwarding: 'FNAT', weight: 2 },
        { address: '192.0.2.2', port: 8080, forwarding: 'FNAT', weight: 1 },
      ],
      localAddresses: [{ device: 'dpdk0', address: '192.0.2.50' }],
    },
  ],
  params: { tcpEstablished: 60_000, defaultTtl: 63 },
};
const withWeight = (weight: number): Snapshot => ({
  ...wish,
  services: wish.services.map((s) => ({
    ...s,
    realServers: s.realServers.map((r) => ({ ...r, weight })),
  })),
});

test('generations are acknowledged, refusals change nothing, and the counters show what is served', async (t) => {
  const s = await scene(t);
  s.start();
  const { dataplane, hears, news } = s.connect();
  dataplane.setDesired(wish);
  await hears('acked 1');
  t.is(dataplane.counters()?.generation, 1);
  t.deepEqual(
    dataplane
      .counters()
      ?.realServers.map((r) => `${r.vip}:${r.vport} ${r.address}:${r.port} ${r.weight}`)
      .sort(),
    [`${vip}:80 192.0.2.1:8080 2`, `${vip}:80 192.0.2.2:8080 1`],
  );
  t.deepEqual(Object.keys(dataplane.counters()?.ports ?? {}), ['dpdk0']);
  t.is(dataplane.counters()?.workers.length, 2);
  t.deepEqual(await dataplane.sessions(100), []);

  dataplane.setDesired({
    ...wish,
    addresses: [{ device: 'dpdk9', address: vip, prefixLength: 32, leased: true, local: false }],
  });
  await hears(`rejected there is no device dpdk9 (addressSet ${vip} on dpdk9)`);
  t.is(dataplane.counters()?.generation, 1);

  dataplane.setDesired(withWeight(7));
  await hears('acked 2');
  t.deepEqual(
    dataplane.counters()?.realServers.map((r) => r.weight),
    [7, 7],
  );
  dataplane.setDesired(emptySnapshot);
  await hears('acked 3');
  t.deepEqual(dataplane.counters()?.realServers, []);
  // Only what came before the data plane had made its socket.
  t.false(news.slice(news.indexOf('up 2')).some((n) => n.startsWith('lost')));
});

test('a lease runs, is renewed and stops at once', async (t) => {
  const s = await scene(t);
  s.start();
  const { dataplane, hears } = s.connect();
  dataplane.setDesired(wish);
  await hears('acked 1');
  const left = (): number => dataplane.counters()?.leaseLeftMs ?? -1;
  t.is(left(), 0);
  await holdAll(dataplane, wish, 30_000);
  await until(() => left() > 29_000, 'the lease');
  dataplane.garp('dpdk0', vip, 2);
  await until(() => (dataplane.counters()?.main['tx_packets'] ?? 0) >= 2, 'gratuitous ARP');
  await holdAll(dataplane, wish, 0);
  await until(() => left() === 0, 'the end of the lease');
  t.pass();
});

test('a controller that comes back adopts the data plane, and changes only what changed', async (t) => {
  const s = await scene(t);
  s.start();
  const before = s.connect();
  before.dataplane.setDesired(wish);
  await before.hears('acked 1');
  before.dataplane.close();
  const same = s.connect();
  await same.hears('up');
  same.dataplane.setDesired({ ...wish, addresses: [...wish.addresses].reverse() });
  await same.hears('acked 1');
  t.is(same.dataplane.counters()?.generation, 1, 'nothing was committed');
  same.dataplane.close();
  const other = s.connect();
  other.dataplane.setDesired(withWeight(3));
  await other.hears('acked 2');
  t.deepEqual(
    other.dataplane.counters()?.realServers.map((r) => r.weight),
    [3, 3],
  );
});

test('another controller that meddles is put right with the next change', async (t) => {
  const s = await scene(t);
  s.start();
  const ours = s.connect();
  ours.dataplane.setDesired(wish);
  await ours.hears('acked 1');
  const theirs = s.connect();
  theirs.dataplane.setDesired(emptySnapshot);
  await theirs.hears('acked 2');
  ours.dataplane.setDesired(withWeight(4));
  await ours.hears('acked 3');
  t.is(ours.dataplane.counters()?.realServers.length, 2);
});

test('a killed data plane is noticed at once, and its successor gets the whole state', async (t) => {
  const s = await scene(t);
  const first = s.start();
  const { dataplane, hears } = s.connect();
  dataplane.setDesired(wish);
  await hears('acked 1');
  await first.kill('SIGKILL');
  const begun = performance.now();
  await hears('lost it closed the connection');
  t.true(performance.now() - begun < 500 * patience());
  s.start();
  await hears('acked 1', 2);
  t.is(dataplane.counters()?.realServers.length, 2);
});

test('a data plane that stands still is given up after three seconds and taken back when it goes on', async (t) => {
  const s = await scene(t);
  const p = s.start();
  const { dataplane, hears } = s.connect();
  dataplane.setDesired(wish);
  await hears('acked 1');
  p.child.kill('SIGSTOP');
  const begun = performance.now();
  await hears('lost the data plane has not answered for 3 s');
  t.true(performance.now() - begun < 5000 * patience());
  p.child.kill('SIGCONT');
  await hears('acked 1', 2);
  t.is(dataplane.counters()?.generation, 1, 'adopted as it was');
});

test('10,000 services with 10 real servers each are one generation', async (t) => {
  const s = await scene(t);
  s.start();
  const { dataplane, hears } = s.connect();
  await hears('up');
  const begun = performance.now();
  dataplane.setDesired(manyServices(10_000, 10));
  await hears('acked 1');
  t.log(`acknowledged after ${Math.round(performance.now() - begun)} ms`);
  t.is(dataplane.counters()?.realServers.length, 100_000);
  const again = performance.now();
  dataplane.setDesired({ ...manyServices(10_000, 10), params: { connInit: 4000 } });
  await hears('acked 2');
  t.log(`one change after ${Math.round(performance.now() - again)} ms`);
});
