import test from 'ava';
import fc from 'fast-check';
import type { LinkView, TableRowView } from '../../../src/api/views.js';
import { parse } from '../../../src/cli/dpip/parse.js';
import {
  renderAddresses,
  renderLinks,
  renderNeighbours,
  renderRoutes,
} from '../../../src/cli/dpip/render.js';
import { UsageError } from '../../../src/cli/usage.js';

const read = (text: string) => parse(text.split(' ').filter((w) => w !== ''));
const command = (text: string) => {
  const { request } = read(text);
  return request.kind === 'change' ? request.command : null;
};
const why = (text: string): string => {
  try {
    read(text);
  } catch (e) {
    if (e instanceof UsageError) return e.message;
    throw e;
  }
  return 'accepted';
};

test('addresses', (t) => {
  t.deepEqual(command('addr add 198.51.100.80/32 dev dpdk1'), {
    op: 'address.add',
    device: 'dpdk1',
    prefix: '198.51.100.80/32',
    local: false,
  });
  t.like(command('addr replace 10.0.0.1/24 dev dpdk0 sapool scope global valid_lft forever'), {
    op: 'address.set',
    local: true,
  });
  t.deepEqual(command('addr del 10.0.0.1 dev dpdk0'), {
    op: 'address.delete',
    device: 'dpdk0',
    prefix: '10.0.0.1',
  });
  t.deepEqual(command('-6 addr flush dev dpdk0'), {
    op: 'address.flush',
    device: 'dpdk0',
    family: 6,
  });
});

test('routes', (t) => {
  t.deepEqual(command('route add default via 10.3.15.254 src 10.3.0.48 dev dpdk0'), {
    op: 'route.add',
    prefix: 'default',
    family: 4,
    device: 'dpdk0',
    gateway: '10.3.15.254',
    source: '10.3.0.48',
    mtu: null,
    metric: null,
    scope: null,
  });
  t.like(command('-6 route add default dev dpdk1'), { family: 6 });
  t.like(command('route add 2001:db8::/64 dev dpdk1 mtu 1400 metric 9 scope link'), {
    family: 6,
    mtu: 1400,
    metric: 9,
    scope: 'link',
  });
  const kni = read('route add 10.0.0.9/32 scope kni_host dev dpdk0').request;
  t.true(kni.kind === 'change' && kni.remark !== null);
  t.deepEqual(command('route flush'), { op: 'route.flush', device: null, family: null });
});

test('neighbours, and what is shown', (t) => {
  t.deepEqual(command('neigh add 10.0.0.2 lladdr 02:00:00:00:00:01 dev dpdk0'), {
    op: 'neighbour.add',
    address: '10.0.0.2',
    mac: '02:00:00:00:00:01',
    device: 'dpdk0',
  });
  t.deepEqual(read('neigh').request, { kind: 'show', what: 'neigh', device: null });
  t.deepEqual(read('link show dpdk1').request, { kind: 'show', what: 'link', device: 'dpdk1' });
  t.like(read('addr show -s dev dpdk0 -4').options, { stats: true, family: 4 });
  t.like(read('-s -i 2 -c 3 link show').options, { stats: true, interval: 2, count: 3 });
  t.is(read('--run-dir /tmp/x addr').options.runDir, '/tmp/x');
});

test('what is wrong is told with the word and what there is', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /an object is missing: link, addr, route, neigh/],
    ['adr show', /unknown object 'adr'; did you mean 'addr'\?/],
    ['addr sho', /dpip addr: unknown verb 'sho'; did you mean 'show'\?/],
    ['addr add dev dpdk0', /dpip addr add: the address is missing/],
    ['addr add 10.0.0.1/24', /dpip addr add: dev is missing/],
    ['addr add 10.0.0.1/24 dev', /dev needs a value/],
    ['addr add 10.0.0.1/24 dev dpdk0 dev dpdk1', /dev is given twice/],
    ['addr add 10.0.0.1/24 dev dpdk0 valid_lft 60', /addresses have no lifetime/],
    ['addr add 10.0.0.1/24 dev dpdk0 shiny', /unknown word 'shiny'; there is dev, /],
    ['addr add 10.0.0.1/24 dev dpdk0 broadcast 10.0.0.255', /no use for it; leave it out/],
    ['route add 10.0.0.0/8 dev dpdk0 local', /local: an address of our own is `dpip addr add`/],
    ['route add 10.0.0.0/8 dev dpdk0 scope universe', /scope universe: expected link, global/],
    ['route add 10.0.0.0/8 dev dpdk0 metric 1x', /metric: found '1x'/],
    ['link set dpdk0 promisc on', /dpip link set: settings of a link are part of dpvs\.conf/],
    ['-C addr show', /-C \(colours\) is not supported/],
    ['--shiny addr', /unknown option '--shiny'/],
    ['-i zero addr', /-i: found 'zero'/],
  ];
  for (const [text, expected] of cases) t.regex(why(text), expected, text);
  for (const object of [
    'vlan',
    'tunnel',
    'qsch',
    'cls',
    'ipset',
    'flow',
    'iftraf',
    'eal-mem',
    'maddr',
    'lldp',
  ])
    t.regex(why(`${object} show`), new RegExp(`^dpip ${object}: .*: not supported yet$`));
});

test('whatever is typed: a request, or one line that says what is wrong', (t) => {
  const token = fc.oneof(
    fc.constantFrom(
      ...'link addr route neigh vlan add del set show flush dev via src mtu metric scope sapool lladdr -4 -6 -s -v -i -c -f --json default 10.0.0.1/24 constructor __proto__'.split(
        ' ',
      ),
    ),
    fc.string({ maxLength: 10 }),
  );
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(token, { maxLength: 9 }), (argv) => {
        try {
          return parse(argv).request.kind !== undefined;
        } catch (e) {
          return e instanceof UsageError && e.message !== '' && !e.message.includes('undefined');
        }
      }),
      { numRuns: 2000 },
    ),
  );
});

const row: TableRowView = {
  device: 'dpdk0',
  family: 4,
  address: '10.0.0.0',
  prefixLength: 16,
  command: true,
  kernel: false,
  connected: false,
  leased: false,
  local: false,
  mtu: 1500,
  metric: 0,
  gateway: null,
  source: null,
  mac: null,
  state: null,
  ageMs: 2500,
  localPortsUsed: null,
  localPortsFree: null,
};

test('help is found behind an object, too', (t) => {
  for (const text of ['help', 'addr help', '-h', 'route --help'])
    t.is(read(text).request.kind, 'help', text);
});

test('a route is shown once, and an address of our own as a route to itself', (t) => {
  const kernel = { ...row, command: false, kernel: true };
  const auto = { ...row, command: false, connected: true };
  t.is(renderRoutes([kernel, row, auto]).split('\n').length, 2);
  t.regex(renderRoutes([kernel, row]), /proto static\n$/);
  t.is(
    renderRoutes([], [{ ...row, address: '10.0.0.9', prefixLength: 16 }]),
    'inet 10.0.0.9/32 via 0.0.0.0 src 0.0.0.0 dev dpdk0 mtu 1500 tos 0 scope host metric 0 proto auto\n',
  );
});

test('rows as dpip prints them', (t) => {
  t.is(
    renderRoutes([row, { ...row }, { ...row, family: 6, address: '2001:db8::', prefixLength: 64 }]),
    'inet 10.0.0.0/16 via 0.0.0.0 src 0.0.0.0 dev dpdk0 mtu 1500 tos 0 scope link metric 0 proto static\n' +
      'inet6 2001:db8::/64 dev dpdk0 mtu 1500 scope link metric 0 proto static\n',
  );
  t.is(
    renderAddresses(
      [
        {
          ...row,
          address: '10.0.0.9',
          prefixLength: 32,
          local: true,
          localPortsUsed: 4,
          localPortsFree: 96,
        },
      ],
      true,
    ),
    'inet 10.0.0.9/32 scope global dpdk0 sapool\n     valid_lft forever preferred_lft forever sa_used 4 sa_free 96\n',
  );
  t.is(
    renderNeighbours(
      [{ ...row, address: '10.0.0.2', mac: '02:00:00:00:00:01', state: 'STALE' }],
      true,
    ),
    '10.0.0.2 lladdr 02:00:00:00:00:01 state STALE dev dpdk0 for 2s\n',
  );
});

test('a link, and what it counted in a second', (t) => {
  const link: LinkView = {
    index: 1,
    name: 'dpdk0',
    kniName: 'dpdk0.kni',
    mtu: 1500,
    rxQueues: 8,
    txQueues: 4,
    promisc: true,
    up: true,
    mbps: 10_000,
    mac: '02:00:5e:10:00:01',
    counters: { rx_packets: 700, rx_bytes: 10_000 },
  };
  const before = { ...link, counters: { rx_packets: 100, rx_bytes: 4000 } };
  const head =
    '1: dpdk0: mtu 1500 rx-queue 8 tx-queue 4\n    UP 10000 Mbps full-duplex promisc\n    addr 02:00:5e:10:00:01 kni dpdk0.kni\n';
  t.is(renderLinks([link], { stats: false, verbose: false }, [], 1), head);
  t.true(
    renderLinks([link], { stats: true, verbose: false }, [before], 2).startsWith(
      `${head}    ipackets/pps        opackets/pps        ibytes/Bps          obytes/Bps\n    300                 0                   3000                0\n`,
    ),
  );
});
