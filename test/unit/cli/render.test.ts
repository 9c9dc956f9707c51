import { readFileSync } from 'node:fs';
import test from 'ava';
import { changedWorker } from '../../../src/api/status.js';
import type { SessionView, StatusView } from '../../../src/api/views.js';
import { explain } from '../../../src/cli/drops.js';
import { renderDrops, renderSessions } from '../../../src/cli/render.js';
import { ago, renderStatus, renderWatch } from '../../../src/cli/status.js';
import { suggest } from '../../../src/cli/suggest.js';
import { plain, type Screen, screenOf } from '../../../src/cli/terminal.js';

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
  configuration: {
    source: 'files',
    loadedAt: iso(t0),
    error: null,
    refused: null,
    notKept: null,
  },
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
    /workers 2 \(45\.7 % of packets changed worker\)\nVIP lease 1800 ms/,
  );
  const none = { ...view.dataplane, changedWorker: null };
  t.regex(renderStatus({ ...view, dataplane: none }, t0), /workers 2\nVIP lease/);
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
  t.is(renderDrops({ drops: [] }), 'nothing was dropped\n');
});

const terminal: Screen = { columns: 80, rows: 24, hasColour: false };
const lines = (text: string): readonly string[] => text.replace(/\n$/, '').split('\n');
const widest = (text: string): number => Math.max(...lines(text).map((l) => l.length));

test('drops have heads, meanings and what to do, and fit 80 columns with any number of workers', (t) => {
  const drops = (workers: number) => ({
    drops: [
      { reason: 'ttl', total: 5, perWorker: [5, ...Array(workers).fill(0)] },
      {
        reason: 'l4-checksum',
        total: 1_200_000,
        perWorker: [1_200_000, ...Array(workers).fill(0)],
      },
    ],
  });
  const text = renderDrops(drops(1), terminal);
  t.regex(text, /^reason +packets +worker 0 +main +meaning\n/);
  t.regex(text, /l4-checksum +1200000 +1200000 +0 +wrong TCP, UDP or SCTP/);
  t.regex(text, /l4-checksum: .*ethtool -K IFACE tx off/s);
  for (const workers of [1, 2, 4, 16, 64])
    t.true(widest(renderDrops(drops(workers), terminal)) <= 80);
});

test('every drop of the data plane is explained', (t) => {
  const header = readFileSync('native/core/ks_drop.h', 'utf8');
  const names = [...header.matchAll(/X\([A-Z0-9_]+, "([^"]+)",/g)].map((m) => m[1] ?? '');
  t.true(names.length > 30);
  for (const name of names.filter((n) => n !== 'none')) t.not(explain(name).means, '', name);
});

const session: SessionView = {
  worker: 0,
  protocol: 'tcp',
  state: 'ESTABLISHED',
  expiresMs: 90_000,
  client: '192.0.2.11:43210',
  vip: '198.51.100.80:80',
  lip: '10.1.0.200:1025',
  realServer: '10.1.0.11:8080',
};

test('sessions do not wrap at 80 columns, and nothing is cut where there is room', (t) => {
  const long = {
    ...session,
    client: '[2001:db8:1111:2222:3333:4444:5555:6666]:43210',
    vip: '[2001:db8:1111:2222:3333:4444:5555:7777]:443',
  };
  for (const rows of [[session], [long], [session, long]]) {
    const text = renderSessions(rows, terminal);
    t.true(widest(text) <= 80, text);
    for (const r of rows) t.true(text.includes(r.client) && text.includes(r.realServer), text);
  }
  t.is(lines(renderSessions([long])).length, 2, 'a pipe has any width');
});

/** A node with so many of everything, of which one server in ten is out. */
const many = (instances: number, services: number, servers: number): StatusView => {
  const [vrrp] = view.vrrp;
  const [vip] = view.vips;
  const [service] = view.virtualServers;
  const [server] = service?.realServers ?? [];
  if (!vrrp || !vip || !service || !server) throw new Error('no row');
  const out = (i: number): boolean => i % 10 === 7;
  return {
    ...view,
    serving: {
      ok: true,
      text: 'all of it, with a sentence that is much too long for one line of a terminal',
    },
    processes: [
      {
        name: 'vrrp',
        state: 'gone',
        pid: null,
        version: '0.1.0',
        since: iso(t0),
        restarts: 3,
        reason: 'killed by SIGKILL; it did not answer for five seconds and more',
      },
    ],
    vrrp: Array.from({ length: instances }, (_, i) => ({ ...vrrp, name: `VI_${i}` })),
    vips: Array.from({ length: instances }, (_, i) => ({ ...vip, address: `203.0.113.${i}/32` })),
    summary: { ...view.summary, virtualServers: services, realServers: services * servers },
    virtualServers: Array.from({ length: services }, (_, i) => ({
      ...service,
      port: 80 + i,
      realServers: Array.from({ length: servers }, (_, k) => ({
        ...server,
        address: `10.1.0.${k}`,
        up: !out(k),
        draining: out(k),
        reason: out(k) ? 'connection refused by the host itself, which is rather long' : 'ok',
      })),
    })),
  };
};

test('a screen of --watch fits 80x24 with any number of everything; what is out comes first', (t) => {
  for (const [instances, services, servers] of [
    [0, 1, 1],
    [1, 1, 3],
    [1, 1, 32],
    [2, 3, 9],
    [255, 24, 20],
    [1, 24, 2000],
  ] as const) {
    const text = renderWatch(many(instances, services, servers), t0, terminal);
    const name = `${instances} ${services} ${servers}`;
    t.true(lines(text).length <= 23, `${name}: ${lines(text).length} lines\n${text}`);
    t.true(widest(text) <= 80, `${name}: ${widest(text)} columns\n${text}`);
    t.regex(text, /serving: /, name);
    t.regex(text, /vrrp +gone/, name);
    if (servers > 7) t.regex(text, /10\.1\.0\.7:8080 .*OUT/, name);
    if (servers > 20) t.regex(text, /\.\.\. \d+ more real servers/, name);
    if (services > 20) t.regex(text, /\.\.\. \d+ more virtual servers/, name);
  }
});

test('the whole status fits 80 columns; colours only where the terminal has them', (t) => {
  const whole = renderStatus(many(3, 3, 32), t0, terminal);
  t.true(widest(whole) <= 80);
  t.false(whole.includes('\u001b'));
  t.true(renderStatus(many(3, 3, 32), t0, { ...terminal, hasColour: true }).includes('\u001b[31m'));
  const tty = { isTTY: true, columns: 132, rows: 50 };
  t.deepEqual(screenOf(tty, {}), { columns: 132, rows: 50, hasColour: true });
  t.false(screenOf(tty, { NO_COLOR: '1' }).hasColour);
  t.false(screenOf(tty, { TERM: 'dumb' }).hasColour);
  t.deepEqual(screenOf({}, {}), plain);
});

test('a word that was mistyped finds the one that was meant', (t) => {
  const known = ['status', 'sessions', 'start', 'stop', 'drops'];
  t.is(suggest('stauts', known), 'status');
  t.is(suggest('drop', known), 'drops');
  t.is(suggest('frobnicate', known), null);
});
