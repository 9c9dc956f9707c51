/** Snapshots for tests: fast-check's and hand-made ones. */
import fc from 'fast-check';
import {
  addressKey,
  emptySnapshot,
  localAddressKey,
  type MatchEnd,
  matchAddress,
  neighbourKey,
  paramNames,
  realServerKey,
  routeKey,
  type ServiceEntry,
  type Snapshot,
  serviceKey,
} from '../../../src/dataplane/snapshot.js';

// Few values, so that two snapshots have much in common.
const address = fc.nat(5).map((n) => `192.0.2.${n + 1}`);
const device = fc.constantFrom('dpdk0', 'dpdk1');
const port = fc.constantFrom(80, 443, 8080);

const thresholds = fc.constantFrom<{ upperThreshold?: number; lowerThreshold?: number }>(
  {},
  { upperThreshold: 9 },
  { upperThreshold: 9, lowerThreshold: 4 },
);
const realServer = fc
  .record({
    address,
    port,
    forwarding: fc.constantFrom('FNAT' as const, 'DR' as const),
    weight: fc.nat(3),
  })
  .chain((r) => thresholds.map((x) => ({ ...r, ...x })));
const localAddress = fc.record({ device, address });
const end: fc.Arbitrary<MatchEnd> = fc.record({
  first: fc.constantFrom(null, '10.0.0.0'),
  last: fc.constant('10.0.255.255'),
  firstPort: fc.constantFrom(0, 1024),
  lastPort: fc.constantFrom(0, 65_535),
  device: fc.option(device),
});
const match = fc.record({ order: fc.nat(3), source: end, destination: end });
const ordinary = fc.record({
  protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
  address,
  port,
  match: fc.constant(null),
  scheduler: fc.constantFrom('rr' as const, 'wrr' as const),
  expireQuiescent: fc.boolean(),
  onePacket: fc.boolean(),
  quic: fc.constantFrom(null, 'dpvs' as const, { configId: 2, serverIdLength: 4 }),
  schedulerPort: fc.boolean(),
  persistenceMs: fc.constantFrom(0, 360_000),
  persistencePrefixLength: fc.integer({ min: 1, max: 32 }),
  expireTemplate: fc.boolean(),
  establishedTimeoutMs: fc.constantFrom(0, 5000),
  realServers: fc.uniqueArray(realServer, { selector: realServerKey, maxLength: 5 }),
  localAddresses: fc.uniqueArray(localAddress, { selector: localAddressKey, maxLength: 3 }),
});

const service: fc.Arbitrary<ServiceEntry> = fc.oneof(
  { weight: 4, arbitrary: ordinary },
  {
    weight: 1,
    arbitrary: fc
      .tuple(ordinary, match, fc.constantFrom('egress', 'other'))
      .map(([s, m, name]) => ({ ...s, address: matchAddress(name, 4), port: 0, match: m })),
  },
);

export const anySnapshot: fc.Arbitrary<Snapshot> = fc.record({
  addresses: fc.uniqueArray(
    fc.record({
      device,
      address,
      prefixLength: fc.constantFrom(24, 32),
      leased: fc.boolean(),
      local: fc.boolean(),
    }),
    // the data plane refuses an address on two devices
    { selector: (a) => a.address, maxLength: 5 },
  ),
  routes: fc.uniqueArray(
    fc.record({
      device,
      destination: fc.nat(3).map((n) => `10.${n}.0.0`),
      prefixLength: fc.constantFrom(16, 24),
      gateway: fc.constantFrom(null, '192.0.2.1', '192.0.2.2'),
      source: fc.constantFrom(null, '192.0.2.7'),
      mtu: fc.constantFrom(0, 1400),
      metric: fc.nat(1),
    }),
    { selector: routeKey, maxLength: 5 },
  ),
  neighbours: fc.uniqueArray(
    fc.record({
      device,
      address,
      mac: fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:fe'),
    }),
    { selector: neighbourKey, maxLength: 4 },
  ),
  services: fc.uniqueArray(service, { selector: serviceKey, maxLength: 6 }),
  params: fc.dictionary(fc.constantFrom(...paramNames), fc.integer({ min: 1, max: 5 }), {
    maxKeys: 4,
  }),
});

/** `n` services of `servers` real servers each. */
export const manyServices = (n: number, servers: number): Snapshot => ({
  ...emptySnapshot,
  services: Array.from({ length: n }, (_, i) => ({
    protocol: 'TCP',
    address: `10.${(i >> 8) & 255}.${i & 255}.1`,
    port: 80,
    scheduler: 'wrr',
    expireQuiescent: false,
    onePacket: false,
    quic: null,
    schedulerPort: false,
    persistenceMs: 0,
    persistencePrefixLength: 32,
    match: null,
    expireTemplate: false,
    establishedTimeoutMs: 0,
    realServers: Array.from({ length: servers }, (_, k) => ({
      address: `172.16.${(i >> 4) & 255}.${k + 1}`,
      port: 8000 + (i % 16),
      forwarding: 'FNAT',
      weight: 100,
    })),
    localAddresses: [{ device: 'dpdk0', address: '10.255.0.1' }],
  })),
});

/** Objects in order of their keys, so that equal snapshots are deeply equal. */
export const sorted = (s: Snapshot): Snapshot => {
  const by = <T>(items: readonly T[], key: (t: T) => string): readonly T[] =>
    [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return {
    addresses: by(s.addresses, addressKey),
    routes: by(s.routes, routeKey),
    neighbours: by(s.neighbours, neighbourKey),
    services: by(s.services, serviceKey).map((v) => ({
      ...v,
      realServers: by(v.realServers, realServerKey),
      localAddresses: by(v.localAddresses, localAddressKey),
    })),
    params: s.params,
  };
};
