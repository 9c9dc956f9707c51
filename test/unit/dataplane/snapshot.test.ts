import test from 'ava';
import fc from 'fast-check';
import { digest, emptySnapshot, fnv1a, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { anySnapshot, manyServices, sorted } from '../../support/dataplane/snapshots.js';

test("FNV-1a: the authors' own vectors", (t) => {
  t.is(fnv1a(''), 0xcbf29ce484222325n);
  t.is(fnv1a('a'), 0xaf63dc4c8601ec8cn);
  t.is(fnv1a('foobar'), 0x85944171f73967e8n);
});

test('FNV-1a in halves is FNV-1a in bigints', (t) => {
  const plain = (text: string): bigint =>
    [...text].reduce(
      (h, c) => ((h ^ BigInt(c.charCodeAt(0))) * 0x100000001b3n) & 0xffffffffffffffffn,
      0xcbf29ce484222325n,
    );
  t.notThrows(() => fc.assert(fc.property(fc.string(), (s) => fnv1a(s) === plain(s))));
});

const shuffled = (s: Snapshot): Snapshot => ({
  addresses: [...s.addresses].reverse(),
  routes: [...s.routes].reverse(),
  neighbours: [...s.neighbours].reverse(),
  services: [...s.services].reverse().map((v) => ({
    ...v,
    realServers: [...v.realServers].reverse(),
    localAddresses: [...v.localAddresses].reverse(),
  })),
  params: Object.fromEntries(Object.entries(s.params).reverse()),
});

test('the order in which objects are named does not matter to the digest', (t) => {
  t.notThrows(() => fc.assert(fc.property(anySnapshot, (s) => digest(shuffled(s)) === digest(s))));
});

test('equal digests mean equal snapshots', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(anySnapshot, anySnapshot, (a, b) => {
        const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
        return same === (digest(a) === digest(b));
      }),
    ),
  );
});

test('every field has a part in the digest', (t) => {
  const one = manyServices(1, 1);
  const [service] = one.services;
  if (service === undefined) return t.fail();
  const [rs] = service.realServers;
  if (rs === undefined) return t.fail();
  const address = {
    device: 'dpdk0',
    address: '10.0.0.1',
    prefixLength: 32,
    leased: true,
    local: false,
  };
  const withService = (change: object): Snapshot => ({
    ...one,
    services: [{ ...service, ...change }],
  });
  const withAddress = (change: object): Snapshot => ({
    ...one,
    addresses: [{ ...address, ...change }],
  });
  const all: readonly Snapshot[] = [
    emptySnapshot,
    one,
    withService({ protocol: 'UDP' }),
    withService({ scheduler: 'rr' }),
    withService({ expireQuiescent: true }),
    withService({ schedulerPort: true }),
    withService({ persistenceMs: 1000 }),
    withService({ establishedTimeoutMs: 1 }),
    withService({ realServers: [{ ...rs, weight: 99 }] }),
    withService({ realServers: [{ ...rs, forwarding: 'DR' }] }),
    withService({ realServers: [{ ...rs, upperThreshold: 9 }] }),
    withService({ realServers: [{ ...rs, upperThreshold: 9, lowerThreshold: 5 }] }),
    withService({ realServers: [] }),
    withService({ localAddresses: [] }),
    withService({ localAddresses: [{ device: 'dpdk1', address: '10.255.0.1' }] }),
    withAddress({}),
    withAddress({ prefixLength: 24 }),
    withAddress({ leased: false }),
    withAddress({ local: true }),
    withAddress({ device: 'dpdk1' }),
    { ...one, params: { connInit: 1 } },
    { ...one, params: { connInit: 2 } },
    { ...one, params: { tcpLast: 1 } },
  ];
  t.is(new Set(all.map(digest)).size, all.length);
});
