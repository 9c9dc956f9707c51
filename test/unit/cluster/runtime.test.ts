import test from 'ava';
import fc from 'fast-check';
import { applyCommands } from '../../../src/cluster/runtime/apply.js';
import { commandsOf } from '../../../src/cluster/runtime/commands.js';
import { shadowedIn } from '../../../src/cluster/runtime/merge.js';
import {
  emptyRuntime,
  type Runtime,
  type RuntimeCommand,
} from '../../../src/cluster/runtime/types.js';
import { configOf, runningNode, service } from './fixture.js';

const config = configOf(service(80));
const empty = configOf('');

const web = { protocol: 'TCP', address: '203.0.113.1', port: 80, match: null };
const of6 = { protocol: 'UDP', address: '2001:DB8:0::1', port: 53, match: null };
const snat = {
  protocol: 'TCP',
  address: '',
  port: 0,
  match: { family: null, source: '10.1.0.0/24', destination: null, iif: null, oif: 'dpdk1' },
};

const good: readonly RuntimeCommand[] = [
  { op: 'address.add', device: 'dpdk1', prefix: '203.0.113.1/32', local: false },
  {
    op: 'route.add',
    prefix: '203.0.113.0/24',
    family: 4,
    device: 'dpdk1',
    gateway: null,
    source: null,
    mtu: null,
    metric: null,
    scope: null,
  },
  {
    op: 'route.add',
    prefix: 'default',
    family: 4,
    device: null,
    gateway: '203.0.113.254',
    source: null,
    mtu: 1400,
    metric: 3,
    scope: null,
  },
  { op: 'neighbour.add', device: 'dpdk0', address: '10.1.0.9', mac: '2:0:0:0:0:9' },
  {
    op: 'service.add',
    service: web,
    set: { scheduler: 'mh', schedulerPort: true, persistenceMs: 7000 },
  },
  {
    op: 'server.add',
    service: web,
    server: { address: '10.1.0.2', port: null },
    set: { forwarding: 'FNAT', weight: 5 },
  },
  {
    op: 'server.add',
    service: web,
    server: { address: 'fd00::2', port: 8080 },
    set: { forwarding: 'FNAT' },
  },
  { op: 'local.add', service: web, device: 'dpdk0', address: '10.1.0.210' },
  { op: 'service.add', service: of6, set: { onePacket: true } },
  { op: 'service.add', service: snat, set: {} },
  { op: 'server.add', service: snat, server: { address: '203.0.113.1', port: 0 }, set: {} },
  { op: 'timeouts.set', tcp: 600, tcpFin: 0, udp: 30 },
];

const run = (c: typeof config, list: readonly unknown[], from: Runtime = emptyRuntime): Runtime => {
  const r = applyCommands(c, from, list);
  if (!r.ok) throw new Error(`${r.error.index}: ${r.error.reason}`);
  return r.value;
};
const why = (list: readonly unknown[], from = run(config, good), c = config): string => {
  const r = applyCommands(c, from, list);
  return r.ok ? 'accepted' : r.error.reason;
};

test('commands make the state, with defaults filled in and addresses in one spelling', (t) => {
  const r = run(config, good);
  t.like(r.services[0], {
    scheduler: 'mh',
    schedulerPort: true,
    persistenceMs: 7000,
    persistencePrefixLength: 32,
    localAddresses: [{ device: 'dpdk0', address: '10.1.0.210' }],
  });
  t.deepEqual(r.services[0]?.realServers, [
    { address: '10.1.0.2', port: 80, forwarding: 'FNAT', weight: 5 },
    { address: 'fd00::2', port: 8080, forwarding: 'FNAT', weight: 1 },
  ]);
  t.is(r.services[1]?.address, '2001:db8::1');
  t.is(r.services[1]?.scheduler, 'wlc');
  t.like(r.services[2]?.match?.source, { first: '10.1.0.0', last: '10.1.0.255' });
  t.like(r.services[2]?.realServers[0], { forwarding: 'SNAT', port: 0 });
  t.is(r.neighbours[0]?.mac, '02:00:00:00:00:09');
  t.like(r.routes[1], {
    destination: '0.0.0.0',
    prefixLength: 0,
    device: 'dpdk1',
    scope: 'global',
  });
});

test('the state says itself by commands, and they make it again', (t) => {
  const r = run(config, good);
  t.deepEqual(run(config, commandsOf(r)), r);
  t.deepEqual(run(config, JSON.parse(JSON.stringify(commandsOf(r))) as unknown[]), r);
});

test('what is taken back leaves nothing', (t) => {
  const undo: readonly RuntimeCommand[] = [
    { op: 'server.delete', service: web, server: { address: '10.1.0.2', port: null } },
    { op: 'local.delete', service: web, device: 'dpdk0', address: '10.1.0.210' },
    { op: 'service.delete', service: web },
    { op: 'service.clear' },
    {
      op: 'route.delete',
      prefix: 'default',
      family: 4,
      device: null,
      gateway: null,
      source: null,
      mtu: null,
      metric: null,
      scope: null,
    },
    { op: 'route.flush', device: 'dpdk1', family: null },
    { op: 'address.delete', device: 'dpdk1', prefix: '203.0.113.1' },
    { op: 'neighbour.delete', device: 'dpdk0', address: '10.1.0.9' },
  ];
  t.deepEqual(run(config, undo, run(config, good)), {
    ...emptyRuntime,
    timeouts: { tcp: 600_000, tcpFin: null, udp: 30_000 },
  });
});

test('an edit keeps what it does not name', (t) => {
  const r = run(
    config,
    [
      { op: 'service.edit', service: web, set: { scheduler: 'sh' } },
      {
        op: 'server.edit',
        service: web,
        server: { address: '10.1.0.2', port: 80 },
        set: { weight: 0 },
      },
    ],
    run(config, good),
  );
  t.like(r.services[0], { scheduler: 'sh', persistenceMs: 7000, schedulerPort: true });
  t.like(r.services[0]?.realServers[0], { weight: 0, forwarding: 'FNAT' });
});

test('thresholds and the kind of a tunnel are set, kept and taken back', (t) => {
  const edit = (set: object) => ({
    op: 'server.edit',
    service: web,
    server: { address: '10.1.0.9', port: 80 },
    set,
  });
  const gue = { type: 'gue', port: 5555, checksum: true } as const;
  const added = run(
    config,
    [
      {
        op: 'server.add',
        service: web,
        server: { address: '10.1.0.9', port: null },
        set: { forwarding: 'TUN', upperThreshold: 100, lowerThreshold: 50, tunnel: gue },
      },
    ],
    run(config, good),
  );
  const server = (r: Runtime) => r.services[0]?.realServers.find((x) => x.address === '10.1.0.9');
  const all = { address: '10.1.0.9', port: 80, forwarding: 'TUN', weight: 1 } as const;
  t.deepEqual(server(added), { ...all, upperThreshold: 100, lowerThreshold: 50, tunnel: gue });
  t.deepEqual(run(config, commandsOf(added)), added);
  const less = run(config, [edit({ lowerThreshold: 0, tunnel: null })], added);
  t.deepEqual(server(less), { ...all, upperThreshold: 100 });
  const other = run(config, [edit({ forwarding: 'FNAT', upperThreshold: 0 })], added);
  t.deepEqual(server(other), { address: '10.1.0.9', port: 80, forwarding: 'FNAT', weight: 1 });
});

test('all or nothing: the command at fault is told', (t) => {
  const r = applyCommands(config, emptyRuntime, [
    ...good,
    { op: 'service.delete', service: { ...web, port: 81 } },
  ]);
  t.deepEqual(r, {
    ok: false,
    error: { index: good.length, reason: 'there is no service TCP 203.0.113.1:81' },
  });
});

test('what cannot be is refused with what was found and what to do', (t) => {
  const server = (address: string, port: number | null, set: unknown) => ({
    op: 'server.add',
    service: web,
    server: { address, port },
    set,
  });
  const route = (more: object) => ({
    op: 'route.add',
    prefix: '10.9.0.0/16',
    family: 4,
    device: 'dpdk0',
    gateway: null,
    source: null,
    mtu: null,
    metric: null,
    scope: null,
    ...more,
  });
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [17, /^command: found 17, expected an object/],
    [{ op: 'service.burn' }, /^there is no command "service\.burn"; there is service\.add, /],
    [{ op: 'constructor' }, /^there is no command "constructor"/],
    [
      { op: 'service.add', service: web },
      /TCP 203\.0\.113\.1:80 is there already; change it by -E/,
    ],
    [
      { op: 'service.add', service: { ...web, address: '224.0.0.1' } },
      /224\.0\.0\.1 cannot be the address of a host/,
    ],
    [
      { op: 'service.add', service: { ...web, address: 'web' } },
      /found 'web', expected an IP address/,
    ],
    [{ op: 'service.add', service: { ...web, port: 0 } }, /port 0\) is not there yet; name a port/],
    [
      { op: 'service.add', service: { ...web, protocol: 'ICMP' } },
      /services of ICMP are not there yet/,
    ],
    [
      { op: 'service.add', service: { ...web, port: 81 }, set: { bps: 3 } },
      /a service has no 'bps'; there is scheduler/,
    ],
    [
      { op: 'service.add', service: { ...web, port: 81 }, set: { scheduler: 'lblc' } },
      /no scheduler 'lblc'; there is rr, wrr/,
    ],
    [
      {
        op: 'service.add',
        service: { ...web, port: 81 },
        set: { scheduler: 'rr', schedulerPort: true },
      },
      /rr has no port flag/,
    ],
    [
      { op: 'service.add', service: { ...web, port: 81 }, set: { onePacket: true } },
      /--ops is for UDP/,
    ],
    [
      {
        op: 'service.add',
        service: { protocol: 'TCP', address: '198.51.100.80', port: 80, match: null },
      },
      /is in k:\d+, and the file decides/,
    ],
    [
      {
        op: 'service.edit',
        service: { protocol: 'TCP', address: '198.51.100.80', port: 80, match: null },
      },
      /keelson reload/,
    ],
    [server('10.1.0.2', 80, {}), /has 10\.1\.0\.2:80 already; change it by -e/],
    [server('fd00::9', 80, { forwarding: 'NAT' }), /NAT does not lead there from IPv4; FNAT/],
    [server('10.1.0.9', 81, {}), /DR leaves the port as it is; write port 80/],
    [server('10.1.0.9', 80, { forwarding: 'SNAT' }), /SNAT \(-J\) goes with a match service/],
    [
      server('10.1.0.9', 80, { weight: 70_000 }),
      /weight: found 70000, expected a whole number from 0 to 65535/,
    ],
    [
      server('10.1.0.9', 80, { upperThreshold: 5, lowerThreshold: 6 }),
      /10\.1\.0\.9:80: the lower threshold \(-y\), 6, is above the upper \(-x\), 5/,
    ],
    [server('10.1.0.9', 80, { lowerThreshold: 6 }), /above the upper \(-x\), which is not set/],
    [
      server('10.1.0.9', 80, { upperThreshold: -1 }),
      /threshold: found -1, expected a whole number/,
    ],
    [
      server('10.1.0.9', 80, { tunnel: { type: 'gre', checksum: false } }),
      /a kind of tunnel \(--tun-type\) goes with -i/,
    ],
    [
      server('10.1.0.9', 80, { forwarding: 'TUN', tunnel: { type: 'gue', checksum: false } }),
      /port of the tunnel: found nothing, expected a whole number from 1 to 65535/,
    ],
    [
      server('10.1.0.9', 80, { forwarding: 'TUN', tunnel: { type: 'l2tp', checksum: false } }),
      /kind of tunnel: found 'l2tp', expected one of gre, gue/,
    ],
    [
      { op: 'server.delete', service: web, server: { address: '10.9.9.9', port: null } },
      /has no real server 10\.9\.9\.9:80/,
    ],
    [
      { op: 'server.add', service: snat, server: { address: '203.0.113.9', port: 80 }, set: {} },
      /an address to leave with has port 0/,
    ],
    [
      { op: 'local.add', service: web, device: 'dpdk9', address: '10.1.0.211' },
      /no device 'dpdk9'; dpvs\.conf has dpdk0, dpdk1/,
    ],
    [
      { op: 'local.add', service: web, device: 'dpdk0.kni', address: '10.1.0.211' },
      /dpdk0\.kni is the kernel's/,
    ],
    [
      { op: 'local.add', service: web, device: 'dpdk0', address: '203.0.113.1' },
      /wanted on dpdk0 and on dpdk1/,
    ],
    [
      { op: 'local.delete', service: web, device: 'dpdk1', address: '10.1.0.210' },
      /is on dpdk0, not on dpdk1/,
    ],
    [
      { op: 'address.add', device: 'dpdk1', prefix: '198.51.100.80/32', local: false },
      /is a virtual_ipaddress of wan \(k:\d+\)/,
    ],
    [
      { op: 'address.add', device: 'dpdk0', prefix: '10.1.0.200', local: false },
      /in local_address_group lips/,
    ],
    [
      { op: 'address.add', device: 'dpdk0', prefix: '203.0.113.1/24', local: false },
      /is on dpdk1 already; change it by `dpip addr set`/,
    ],
    [
      { op: 'address.add', device: 'dpdk0', prefix: '10.0.0.1/33', local: false },
      /a prefix length of 10\.0\.0\.1 is from 0 to 32/,
    ],
    [
      { op: 'address.delete', device: 'dpdk1', prefix: '203.0.113.1/24' },
      /is there as 203\.0\.113\.1\/32/,
    ],
    [
      route({ prefix: '10.9.0.1/16' }),
      /bits beyond its prefix length; did you mean 10\.9\.0\.0\/16\?/,
    ],
    [route({ device: null }), /dev is missing/],
    [
      route({ device: null, gateway: '172.16.0.1' }),
      /dev is missing; name the device the gateway is on/,
    ],
    [route({ gateway: 'fd00::1' }), /via fd00::1 is not of the family/],
    [route({ mtu: 20 }), /mtu: found 20, expected a whole number from 68/],
    [route({ scope: 'kni_host' }), /scope kni_host is of one address/],
    [
      { op: 'neighbour.add', device: 'dpdk0', address: '10.1.0.8', mac: 'ff:ff:ff:ff:ff:ff' },
      /no unicast hardware address/,
    ],
    [
      { op: 'service.add', service: { ...snat, match: { ...snat.match, source: null } } },
      /-H needs src-range, dst-range or af/,
    ],
    [
      { op: 'service.add', service: { ...snat, match: { ...snat.match, destination: 'fd00::1' } } },
      /not of the family of the rest/,
    ],
    [
      {
        op: 'service.add',
        service: { ...snat, match: { ...snat.match, source: '10.0.0.9-10.0.0.1' } },
      },
      /src-range: found/,
    ],
    [{ op: 'timeouts.set', tcp: -1, tcpFin: 0, udp: 0 }, /timeout tcp \(seconds\): found -1/],
  ];
  for (const [command, expected] of cases)
    t.regex(why([command]), expected, JSON.stringify(command));
});

test('two commands about one match mean the same service, however it is written', (t) => {
  const again = { ...snat, match: { ...snat.match, source: '10.1.0.0-10.1.0.255' } };
  t.regex(why([{ op: 'service.add', service: again, set: {} }]), /is there already/);
});

test('whatever JSON comes in: a state, or one sentence', (t) => {
  const loose = fc.oneof(
    fc.constantFrom(...good),
    fc.record(
      {
        op: fc.constantFrom(...good.map((c) => c.op)),
        service: fc.anything(),
        set: fc.anything(),
        server: fc.anything(),
        device: fc.anything(),
        prefix: fc.anything(),
      },
      { requiredKeys: [] },
    ),
    fc.anything(),
  );
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(loose, { maxLength: 5 }), (list) => {
        const r = applyCommands(config, emptyRuntime, list);
        return r.ok || r.error.reason !== '';
      }),
      { numRuns: 1000 },
    ),
  );
});

test('a local address that a file has on another device is refused, whoever asks', (t) => {
  const here = { op: 'local.add', service: web, device: 'dpdk1', address: '10.1.0.200' };
  t.regex(why([here]), /local address 10\.1\.0\.200 is in local_address_group lips .* on dpdk0/);
  t.is(why([{ ...here, device: 'dpdk0' }]), 'accepted');
});

// ---- with the files

test('what commands set is wanted beside the files, and a reload keeps it', (t) => {
  const n = runningNode(config);
  n.tell({ type: 'runtime', runtime: run(config, good) });
  const both = () => n.wanted().services.map((s) => `${s.address}:${s.port}`);
  t.true(both().includes('198.51.100.80:80') && both().includes('203.0.113.1:80'));
  t.is(n.wanted().routes.length, 2);
  t.is(n.wanted().neighbours.length, 1);
  t.is(n.wanted().params.tcpEstablished, 600_000);
  n.tell({ type: 'config', config: configOf(service(80) + service(81)) });
  t.true(both().includes('198.51.100.80:81') && both().includes('203.0.113.1:80'));
  n.tell({ type: 'runtime', runtime: emptyRuntime });
  t.deepEqual(both(), ['198.51.100.80:80', '198.51.100.80:81']);
});

test('the files win: the same object of a command is kept aside, named, and comes back', (t) => {
  const mine = { protocol: 'TCP', address: '198.51.100.80', port: 80, match: null };
  const runtime = run(empty, [{ op: 'service.add', service: mine, set: { scheduler: 'sh' } }]);
  const n = runningNode(empty);
  n.tell({ type: 'runtime', runtime });
  const scheduler = () => n.wanted().services.find((s) => s.port === 80)?.scheduler;
  t.is(scheduler(), 'sh');
  n.tell({ type: 'config', config });
  t.is(scheduler(), 'rr');
  t.is(n.wanted().services.length, 1);
  t.like(shadowedIn(config, runtime)[0], { what: 'TCP 198.51.100.80:80' });
  t.regex(shadowedIn(config, runtime)[0]?.why ?? '', /the same service is in k:\d+/);
  n.tell({ type: 'config', config: empty });
  t.is(scheduler(), 'sh');
});

test('match rules of commands come after those of the files', (t) => {
  const n = runningNode(config);
  n.tell({ type: 'runtime', runtime: run(config, good) });
  const order = n.wanted().services.find((s) => s.match !== null)?.match?.order ?? -1;
  t.true(order >= config.keepalived.virtualServers.length);
});

test('a service that a command adds on an announced address does not withdraw it', (t) => {
  const n = runningNode(config);
  const more = { protocol: 'TCP', address: '198.51.100.80', port: 8443, match: null };
  const effects = n.tell({
    type: 'runtime',
    runtime: run(config, [{ op: 'service.add', service: more, set: {} }]),
  });
  t.deepEqual(
    effects.map((e) => e.type),
    ['setDesired'],
  );
});

test('a route that is only for the kernel stays out of the data plane', (t) => {
  const n = runningNode(config);
  const kni = {
    op: 'route.add',
    prefix: '10.1.0.5/32',
    family: 4,
    device: 'dpdk0',
    gateway: null,
    source: null,
    mtu: null,
    metric: null,
    scope: 'kni_host',
  };
  const runtime = run(config, [kni]);
  n.tell({ type: 'runtime', runtime });
  t.is(runtime.routes.length, 1);
  t.deepEqual(n.wanted().routes, []);
});
