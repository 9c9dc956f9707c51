/** Laws of reloads: whatever was before, the end is that of a fresh start. */
import test from 'ava';
import fc from 'fast-check';
import { routerId } from '../../../src/vrrp/identity.js';
import type { InstanceConfig, SyncGroupConfig } from '../../../src/vrrp/messages.js';
import { settled, shell } from '../../support/vrrp/shell.js';
import { instance } from '../../support/vrrp/simulation.js';

interface Configuration {
  readonly instances: readonly InstanceConfig[];
  readonly groups: readonly SyncGroupConfig[];
}

const address = fc.integer({ min: 100, max: 106 }).map((n) => `10.9.0.${n}`);
const oneInstance = fc.record({
  interface: fc.constantFrom('eth0', 'eth1'),
  vrid: fc.integer({ min: 1, max: 3 }),
  name: fc.constantFrom('a', 'b', 'c'),
  addresses: fc.uniqueArray(address, { minLength: 1, maxLength: 3 }),
  advertMs: fc.constantFrom(1000, 200),
});
/** Names and identities are unique, and so is each address. */
const configuration = fc
  .uniqueArray(oneInstance, {
    maxLength: 4,
    comparator: (a, b) => a.name === b.name || (a.interface === b.interface && a.vrid === b.vrid),
  })
  .chain((list) =>
    fc.record({ list: fc.constant(list), grouped: fc.boolean() }).map(({ grouped }) => {
      const taken = new Set<string>();
      const instances = list.map((i) => {
        const addresses = i.addresses.filter((a) => !taken.has(a));
        for (const a of addresses) taken.add(a);
        return instance({ ...i, version: 3, addresses });
      });
      const groups =
        grouped && instances.length > 1
          ? [{ name: 'G', members: instances.slice(0, 2).map(routerId) }]
          : [];
      return { instances, groups } satisfies Configuration;
    }),
  );

/** What anybody can see of a node. */
const seen = (s: ReturnType<typeof shell>) => ({
  leases: [...s.leases]
    .filter(([, until]) => until > s.clock.now())
    .map(([key]) => key)
    .sort(),
  states: [...s.known().values()]
    .map((i) => `${i.id} ${i.name} ${i.state} ${i.holds} ${i.priority}`)
    .sort(),
  interfaces: s.openInterfaces(),
  counters: Object.keys(s.all.counters()).sort(),
});

test('any sequence of reloads ends as a fresh start with the last configuration', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(configuration, fc.constantFrom(0, 100, 5000)), {
        minLength: 1,
        maxLength: 5,
      }),
      async (sequence) => {
        const reloaded = shell();
        for (const [c, wait] of sequence) {
          await reloaded.configure(c.instances, c.groups);
          await reloaded.run(wait);
        }
        const last = sequence.at(-1)?.[0];
        const fresh = shell();
        await fresh.configure(last?.instances ?? [], last?.groups ?? []);
        await reloaded.run(6000);
        await fresh.run(6000);
        t.deepEqual(seen(reloaded), seen(fresh));
      },
    ),
    { numRuns: 40 },
  );
});

test('a renamed instance, and two that exchange names, keep state and addresses', async (t) => {
  const s = shell();
  const one = instance({ vrid: 1, name: 'A', addresses: ['10.9.0.101'] });
  const two = instance({ vrid: 2, name: 'B', addresses: ['10.9.0.102'] });
  await s.configure([one, two]);
  await s.run(6000);
  const before = s.sent.filter((d) => d.payload[2] === 0).length;
  await s.configure([
    { ...one, name: 'B' },
    { ...two, name: 'A' },
  ]);
  await s.run(2000);
  t.deepEqual(
    [...s.known().values()].map((i) => `${i.id} ${i.name} ${i.state}`),
    ['eth0 1 inet B active', 'eth0 2 inet A active'],
  );
  t.deepEqual([...s.leases.keys()], ['dpdk0 10.9.0.101', 'dpdk0 10.9.0.102']);
  t.is(s.sent.filter((d) => d.payload[2] === 0).length, before);
});

test('addresses that two instances exchange stay leased and are announced anew', async (t) => {
  const s = shell();
  const one = instance({ vrid: 1, name: 'A', addresses: ['10.9.0.101'] });
  const two = instance({ vrid: 2, name: 'B', addresses: ['10.9.0.102'] });
  await s.configure([one, two]);
  await s.run(6000);
  await s.configure([
    instance({ vrid: 1, name: 'A', addresses: ['10.9.0.102'] }),
    instance({ vrid: 2, name: 'B', addresses: ['10.9.0.101'] }),
  ]);
  t.deepEqual([...s.leases.keys()].sort(), ['dpdk0 10.9.0.101', 'dpdk0 10.9.0.102']);
});

test('a configuration is answered with every state, then its revision', async (t) => {
  const s = shell();
  await s.configure([instance({ vrid: 1 })]);
  const types = s.reports.map((m) => (m.type === 'states' ? `states ${m.whole}` : m.type));
  t.is(types.indexOf('configured'), types.indexOf('states true') + 1);
});

test('255 routers take over in one lease message, and all are announced with it', async (t) => {
  const s = shell();
  const many = Array.from({ length: 255 }, (_, i) =>
    instance({ vrid: i + 1, name: `v${i}`, version: 3, addresses: [`10.9.1.${i}`] }),
  );
  await s.configure(many);
  await s.run(3600);
  const before = s.leaseMessages();
  await s.run(50);
  t.is(s.leases.size, 255);
  t.true(s.leaseMessages() - before <= 1, `${s.leaseMessages() - before} messages`);
  t.is(new Set(s.garps).size, 255);
});

test('a stop releases, yields, and only then is over', async (t) => {
  const s = shell();
  await s.configure([instance({ vrid: 1 }), instance({ vrid: 2, name: 'W' })]);
  await s.run(6000);
  t.is(s.leases.size, 1);
  await s.all.stop('shutdown');
  await settled();
  t.is(s.leases.size, 0);
  t.is(s.sent.filter((d) => d.payload[2] === 0).length, 2);
  t.deepEqual(s.openInterfaces(), []);
});

test('a controller that has no data plane changes nothing', async (t) => {
  const s = shell();
  await s.configure([instance()]);
  await s.run(6000);
  s.all.serviceable({ type: 'serviceable', bootId: null, whole: true, instances: [] });
  await s.run(6000);
  t.is([...s.known().values()][0]?.state, 'active');
});

/** Inputs of one turn of the event loop, together with a renewal that is due. */
const endings: Readonly<Record<string, (s: ReturnType<typeof shell>) => void>> = {
  stop: (s) => void s.all.stop('shutdown'),
  'not serviceable': (s) =>
    s.all.serviceable({
      type: 'serviceable',
      bootId: '1',
      whole: true,
      instances: [{ id: routerId(instance()), ok: false, reason: 'test' }],
    }),
  removal: (s) =>
    s.all.configure({ type: 'configure', revision: 9, instances: [], syncGroups: [] }),
  'change, then not serviceable': (s) => {
    const changed = [instance({ priority: 77 })];
    s.all.configure({ type: 'configure', revision: 9, instances: changed, syncGroups: [] });
    endings['not serviceable']?.(s);
  },
};
for (const [name, end] of Object.entries(endings))
  test(`an address is not leased when priority 0 is sent: a renewal and ${name} in one turn`, async (t) => {
    const s = shell();
    await s.configure([instance()]);
    await s.run(6000);
    t.is(s.leases.size, 1);
    // The timer of the next advert fires, and nothing is sent before the turn is over.
    s.clock.moveTo(s.clock.now() + 1000);
    end(s);
    await settled();
    await s.run(200);
    t.is(s.sent.at(-1)?.payload[2], 0);
    t.is(s.leases.size, 0);
  });
