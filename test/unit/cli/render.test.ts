import test from 'ava';
import { changedWorker } from '../../../src/api/status.js';
import type { StatusView } from '../../../src/api/views.js';
import { ago, renderDrops, renderSessions, renderStatus } from '../../../src/cli/render.js';

const t0 = Date.parse('2026-01-02T03:04:05.000Z');
const iso = (ms: number): string => new Date(ms).toISOString();

const view: StatusView = {
  node: {
    routerId: 'lb-a',
    version: '0.1.0',
    pid: 7,
    startedAt: iso(t0 - 7_500_000),
    configLoadedAt: iso(t0),
    configError: null,
  },
  serving: null,
  configuration: { source: 'files', loadedAt: iso(t0), error: null, refused: null },
  processes: [],
  leases: [],
  journals: [],
  loop: { longestTurnMs: 0, at: null, over50Ms: 0 },
  summary: { virtualServers: 1, realServers: 2, quorumLost: 0, out: 1, draining: 0, full: 0 },
  dataplane: {
    state: 'up',
    reason: null,
    pid: 8,
    generation: 12,
    workers: 2,
    changedWorker: 0.4567,
    leaseLeftMs: 1800,
    noRoom: { sessionTable: 0, localPorts: 0, serversFull: 0 },
  },
  vrrp: [
    {
      name: 'VI_1',
      interface: 'dpdk1.kni',
      vrid: 51,
      family: 4,
      errors: {},
      state: 'active',
      reason: 'Active_Down_Timer fired',
      since: iso(t0 - 65_000),
      priority: 150,
      activeAddress: null,
    },
  ],
  runtime: {
    commands: 0,
    shadowed: [{ what: 'TCP 203.0.113.9:80', why: 'the same service is in k.conf:3' }],
  },
  vips: [
    {
      address: '203.0.113.9/32',
      device: 'dpdk1',
      instance: 'VI_1',
      announced: true,
      reason: 'VI_1 is active',
    },
  ],
  leaving: [],
  virtualServers: [
    {
      address: '203.0.113.9',
      port: 80,
      protocol: 'TCP',
      scheduler: 'rr',
      forwarding: 'FNAT',
      quorumUp: true,
      origin: 'file',
      reason: '',
      realServers: [
        {
          address: '10.1.0.11',
          port: 8080,
          weight: 100,
          up: false,
          since: iso(t0 - 3000),
          reason: 'connection refused',
          activeSessions: 4,
          inactiveSessions: 1,
          draining: true,
          localPorts: { used: 5, of: 1000 },
          limit: null,
          full: false,
          connections: 1200,
        },
      ],
    },
  ],
};

test('durations are as short as they can be read', (t) => {
  const at = (ms: number): string => ago(iso(t0 - ms), t0);
  t.deepEqual([0, 59_999, 60_000, 3_599_000, 7_500_000, 100_000_000].map(at), [
    '0s',
    '59s',
    '1m00s',
    '59m59s',
    '2h05m',
    '1d03h',
  ]);
  t.is(ago(iso(t0 + 5000), t0), '0s');
});

test('status tells who is active and why, and which server is out since when', (t) => {
  const text = renderStatus(view, t0);
  t.regex(text, /node lb-a {2}keelson 0\.1\.0 {2}up 2h05m/);
  t.regex(text, /VI_1 .*active .*150 .*1m05s .*Active_Down_Timer fired/);
  t.regex(text, /203\.0\.113\.9\/32 .*yes .*VI_1 is active/);
  t.regex(text, /10\.1\.0\.11:8080 .*OUT, 5 left .*3s .*0\.5 % .*connection refused/);
});

test('draining shows how many sessions are left, and that none is', (t) => {
  const [v] = view.virtualServers;
  const [r] = v?.realServers ?? [];
  if (v === undefined || r === undefined) throw new Error('no row');
  const text = (part: Partial<typeof r>): string =>
    renderStatus(
      { ...view, virtualServers: [{ ...v, realServers: [{ ...r, up: true, ...part }] }] },
      t0,
    );
  t.regex(text({ weight: 0 }), /:8080 .*draining, 5 left/);
  t.regex(text({ weight: 0, activeSessions: 0, inactiveSessions: 0 }), /draining, drained/);
  t.regex(text({ draining: false }), /:8080 .* up /);
  t.regex(text({ draining: false, limit: 5, full: true }), /:8080 .* full, limit 5 /);
  t.regex(text({ localPorts: { used: 999, of: 1000 } }), /100 %/);
  t.regex(text({ localPorts: null }), / - +connection refused/);
  const leaving = [{ service: 'TCP 203.0.113.9:80', realServer: '10.1.0.9:80', sessions: 3 }];
  t.regex(
    renderStatus({ ...view, leaving }, t0),
    /TCP 203\.0\.113\.9:80: 10\.1\.0\.9:80 was removed, 3 sessions left/,
  );
});

test('what found no room is told, with what to do about it', (t) => {
  t.notRegex(renderStatus(view, t0), /no room/);
  const noRoom = { sessionTable: 0, localPorts: 7, serversFull: 2 };
  const text = renderStatus({ ...view, dataplane: { ...view.dataplane, noRoom } }, t0);
  t.regex(text, /no room for 7 packets .*: no local port left .*; add local addresses/);
  t.regex(text, /no room for 2 packets .*: every real server at its threshold/);
  t.notRegex(text, /session table/);
});

test('with several workers the share of packets that changed worker is told', (t) => {
  t.regex(
    renderStatus(view, t0),
    /workers 2 \(45\.7 % of packets changed worker\) {2}VIP lease 1800 ms/,
  );
  const none = { ...view.dataplane, changedWorker: null };
  t.regex(renderStatus({ ...view, dataplane: none }, t0), /workers 2 {2}VIP lease/);
  const row = (rx: number, out: number) => ({ rx_packets: rx, handed_out: out, handed_in: 0 });
  const counters = {
    generation: 1,
    leaseLeftMs: 0,
    heartbeat: 1,
    workers: [row(300, 90), row(100, 10)],
    main: row(7, 7),
    ports: {},
    realServers: [],
    leaving: [],
  };
  t.is(changedWorker(counters), 0.25);
  t.is(changedWorker({ ...counters, workers: [row(0, 0)] }), null);
  t.is(changedWorker(null), null);
});

test('a configuration that was refused stays in sight', (t) => {
  const node = { ...view.node, configError: '2 errors in keepalived.conf' };
  t.regex(renderStatus({ ...view, node }, t0), /not reloaded: 2 errors in keepalived\.conf/);
});

test('empty lists say so instead of printing a head alone', (t) => {
  t.is(renderSessions([]), 'no sessions\n');
  t.is(renderDrops({ drops: [] }), 'nothing dropped\n');
});

test('drops stand in columns with their figures to the right', (t) => {
  const text = renderDrops({
    drops: [
      { reason: 'ttl', total: 5, perWorker: [5, 0] },
      { reason: 'no-real-server', total: 120, perWorker: [100, 20] },
    ],
  });
  t.is(
    text,
    [
      'reason          total  per worker',
      'ttl                 5  5 0',
      'no-real-server    120  100 20',
      '',
    ].join('\n'),
  );
});
