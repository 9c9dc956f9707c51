import test from 'ava';
import type { ServicesView, ServiceView } from '../../../src/api/views.js';
import {
  between,
  inOrder,
  number9,
  renderCounts,
  renderLocals,
  renderServices,
  renderSessions,
  renderTimeouts,
} from '../../../src/cli/ipvsadm/render.js';

const none = {
  active: 0,
  inactive: 0,
  conns: 0,
  inPackets: 0,
  outPackets: 0,
  inBytes: 0,
  outBytes: 0,
  upperThreshold: 0,
  lowerThreshold: 0,
  full: false,
};
const plain: ServiceView = {
  service: { protocol: 'TCP', address: '203.0.113.9', port: 443, match: null },
  name: 'TCP 203.0.113.9:443',
  key: '6 203.0.113.9 443',
  file: null,
  scheduler: 'wrr',
  schedulerPort: false,
  expireQuiescent: true,
  onePacket: false,
  quic: false,
  persistenceMs: 0,
  persistencePrefixLength: 32,
  establishedTimeoutMs: 300_000,
  localAddresses: [{ device: 'dpdk0', address: '10.1.9.2', sessions: 7 }],
  realServers: [
    {
      ...none,
      address: '10.1.0.21',
      port: 8443,
      forwarding: 'FNAT',
      weight: 100,
      active: 12,
      inactive: 40,
      conns: 5,
      inPackets: 123_456_789,
      outBytes: 12_345_678_901,
    },
    { ...none, address: 'fd00::22', port: 8443, forwarding: 'FNAT', weight: 0 },
  ],
};
const snat: ServiceView = {
  ...plain,
  service: {
    protocol: 'TCP',
    address: '',
    port: 0,
    match: { family: 4, source: '10.1.0.0', destination: null, iif: null, oif: 'dpdk1' },
  },
  name: 'MATCH tcp,from=10.1.0.0,oif=dpdk1',
  key: '6 0.1.2.3 0',
  scheduler: 'rr',
  expireQuiescent: false,
  establishedTimeoutMs: 0,
  localAddresses: [],
  realServers: [{ ...none, address: '203.0.113.40', port: 0, forwarding: 'SNAT', weight: 100 }],
};
const view: ServicesView = {
  version: '9.9',
  generation: 3,
  timeouts: { tcp: 90, tcpFin: 7, udp: 300 },
  services: [plain, snat],
};

test('services in the columns of ipvsadm', (t) => {
  t.is(
    renderServices(view, view.services),
    [
      'IP Virtual Server version 9.9 (size=0)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      'TCP  203.0.113.9:443 wrr conn-timeout 300 expire-quiescent',
      '  -> 10.1.0.21:8443               FullNat 100    12         40        ',
      '  -> [fd00::22]:8443              FullNat 0      0          0         ',
      'MATCH tcp,from=10.1.0.0,oif=dpdk1 rr',
      '  -> 203.0.113.40:0               SNAT    100    0          0         ',
      '',
    ].join('\n'),
  );
});

test('flags in their order', (t) => {
  const flags = (more: Partial<ServiceView>): string =>
    renderServices(view, [{ ...plain, ...more, realServers: [] }]).split('\n')[3] ?? '';
  t.is(
    flags({
      scheduler: 'mh',
      schedulerPort: true,
      persistenceMs: 360_000,
      persistencePrefixLength: 24,
    }),
    'TCP  203.0.113.9:443 mh (mh-port) persistent 360 mask 255.255.255.0 conn-timeout 300 expire-quiescent',
  );
  t.is(
    flags({
      service: { protocol: 'UDP', address: '2001:db8::1', port: 53, match: null },
      persistenceMs: 1000,
      persistencePrefixLength: 64,
      onePacket: true,
      establishedTimeoutMs: 0,
      expireQuiescent: false,
    }),
    'UDP  [2001:db8::1]:53 wrr persistent 1 mask 64 ops',
  );
});

test('numbers of nine places', (t) => {
  t.deepEqual(
    [0, 99_999_999, 100_000_000, 1_000_000_000, 123_456_789_012, 1e15].map((n) =>
      number9(n, false),
    ),
    ['        0', ' 99999999', '  100000K', '    1000M', '     123G', '    1000T'],
  );
  t.is(number9(123_456_789_012, true), '123456789012');
});

test('what was counted, of servers and summed; a second of it', (t) => {
  const counted = [
    { view: plain, servers: plain.realServers.map((r) => ({ view: r, counts: r })) },
  ];
  t.is(
    renderCounts(view, counted, 'stats', false),
    [
      'IP Virtual Server version 9.9 (size=0)',
      'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes',
      '  -> RemoteAddress:Port',
      'TCP  203.0.113.9:443                     5  123456K        0        0   12345M',
      '  -> 10.1.0.21:8443                      5  123456K        0        0   12345M',
      '  -> [fd00::22]:8443                     0        0        0        0        0',
      '',
    ].join('\n'),
  );
  t.regex(
    renderCounts(view, counted, 'rate', false),
    /Port {17}CPS {4}InPPS {3}OutPPS {4}InBPS {3}OutBPS/,
  );
  t.like(between({ ...none, conns: 30, inBytes: 5 }, { ...none, conns: 10, inBytes: 50 }, 2), {
    conns: 10,
    inBytes: 3,
  });
  t.like(between({ ...none, conns: 30 }, undefined, 1), { conns: 0 });
});

test('in order of protocol, address and port', (t) => {
  const at = (protocol: string, address: string, port: number): ServiceView => ({
    ...plain,
    service: { protocol, address, port, match: null },
  });
  const list = [
    at('UDP', '1.1.1.1', 1),
    at('TCP', '2.2.2.2', 1),
    at('TCP', '1.1.1.1', 90),
    at('TCP', '1.1.1.1', 9),
  ];
  t.deepEqual(
    inOrder(list).map((s) => `${s.service.protocol} ${s.service.address} ${s.service.port}`),
    ['TCP 1.1.1.1 9', 'TCP 1.1.1.1 90', 'TCP 2.2.2.2 1', 'UDP 1.1.1.1 1'],
  );
});

test('sessions, local addresses, timeouts', (t) => {
  t.is(
    renderSessions([
      {
        worker: 3,
        protocol: 'tcp',
        state: 'TCP_EST',
        expiresMs: 83_100,
        client: '198.51.100.7:40222',
        vip: '203.0.113.9:443',
        lip: '10.1.9.2:1031',
        realServer: '10.1.0.21:8443',
      },
    ]),
    '[3]tcp 84s TCP_EST 198.51.100.7:40222 203.0.113.9:443 10.1.9.2:1031 10.1.0.21:8443\n',
  );
  t.is(
    renderLocals([plain]),
    [
      'VIP:VPORT            TOTAL    SNAT_IP              CONFLICTS  CONNS     ',
      '203.0.113.9:443      1                                                  ',
      '                              10.1.9.2             0          7         ',
      '',
    ].join('\n'),
  );
  t.is(renderTimeouts(view), 'Timeout (tcp tcpfin udp): 90 7 300\n');
});
