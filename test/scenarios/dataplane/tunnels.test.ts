/** Tunnels of every kind between real hosts: clients and nginx, and at the real server's end a program that reads the headers by itself. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { emptySnapshot, type Snapshot, type Tunnel } from '../../../src/dataplane/snapshot.js';
import {
  argumentsOf,
  cableUp,
  drops,
  serve,
  startDataplane,
  total,
} from '../../support/dataplane/process.js';
import { summarise } from '../../support/lab/answers.js';
import { capture } from '../../support/lab/capture.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { startLoad } from '../../support/lab/load.js';
import { realServer } from '../../support/lab/nginx.js';
import { type Program, until } from '../../support/lab/programs.js';

type Family = 4 | 6;

const decapsulator = fileURLToPath(
  new URL('../../../../test/support/lab/decapsulate.py', import.meta.url),
);
const vip = { 4: '10.2.0.1', 6: 'fd00:2::80' } as const;
const host = { 4: 32, 6: 128 } as const;
const client = { 4: '10.2.0.99', 6: 'fd00:2::99' } as const;
const clientOnLan = { 4: '10.1.0.99', 6: 'fd00:1::99' } as const;
const servers = { 4: ['10.1.0.11', '10.1.0.12'], 6: ['fd00:1::11', 'fd00:1::12'] } as const;
const names = ['rs1', 'rs2'] as const;

/** Servers have the VIP themselves, and a way of their own to the client. */
const answerDirectly = (lab: Lab): void => {
  const sysctl = (at: string, ...settings: readonly string[]): void =>
    void lab.exec(at, 'sysctl', '-qw', ...settings);
  lab.connect('client', 'eth1', 'lan', `${clientOnLan[4]}/24`);
  for (const at of ['client', ...names]) {
    sysctl(at, 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0');
    sysctl(at, 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.default.disable_ipv6=0');
  }
  sysctl('client', 'net.ipv4.conf.eth1.rp_filter=0');
  const add = (at: string, address: string, device: string): void =>
    void lab.exec(at, 'ip', '-6', 'address', 'add', address, 'dev', device, 'nodad');
  add('client', `${client[6]}/64`, 'eth0');
  add('client', `${clientOnLan[6]}/64`, 'eth1');
  for (const [i, rs] of names.entries()) {
    sysctl(rs, 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
    add(rs, `${servers[6][i]}/64`, 'eth0');
    add(rs, `${vip[6]}/128`, 'lo');
    lab.exec(rs, 'ip', 'address', 'add', `${vip[4]}/32`, 'dev', 'lo');
    lab.exec(rs, 'ip', 'route', 'add', `${client[4]}/32`, 'via', clientOnLan[4]);
    lab.exec(rs, 'ip', '-6', 'route', 'add', `${client[6]}/128`, 'via', clientOnLan[6]);
    // The kernels find each other first: one that is asked just after it has joined its group may miss it, and the next question comes a second later.
    for (const address of [clientOnLan[4], clientOnLan[6]])
      lab.exec(rs, 'ping', '-c', '1', '-w', '10', address);
  }
};

const wish = (outside: Family, inside: Family, tunnel: Tunnel | undefined): Snapshot => ({
  ...emptySnapshot,
  addresses: [
    ...(
      [
        ['dpdk0', '10.1.0.1', 24],
        ['dpdk0', 'fd00:1::1', 64],
        ['dpdk1', '10.2.0.2', 24],
        ['dpdk1', 'fd00:2::1', 64],
      ] as const
    ).map(([device, address, prefixLength]) => ({
      device,
      address,
      prefixLength,
      leased: false,
      local: false,
    })),
    {
      device: 'dpdk1',
      address: vip[outside],
      prefixLength: host[outside],
      leased: true,
      local: false,
    },
  ],
  services: [
    {
      protocol: 'TCP',
      address: vip[outside],
      port: 80,
      match: null,
      scheduler: 'rr',
      expireQuiescent: false,
      onePacket: false,
      quic: null,
      schedulerPort: false,
      persistenceMs: 0,
      persistencePrefixLength: host[outside],
      expireTemplate: false,
      establishedTimeoutMs: 0,
      realServers: servers[inside].map((address) => ({
        address,
        port: 80,
        forwarding: 'TUN',
        weight: 1,
        ...(tunnel === undefined ? {} : { tunnel }),
      })),
      localAddresses: [],
    },
  ],
});

interface Kind {
  readonly outside: Family;
  readonly inside: Family;
  readonly tunnel?: Tunnel;
  /** As decapsulate.py names it. */
  readonly end: string;
}

const gue = (checksum: boolean): Tunnel => ({ type: 'gue', port: 5555, checksum });
const kinds: readonly Kind[] = [
  { outside: 6, inside: 6, end: 'ip' },
  { outside: 6, inside: 4, end: 'ip' },
  { outside: 4, inside: 4, end: 'gre', tunnel: { type: 'gre', checksum: false } },
  { outside: 6, inside: 6, end: 'gre-csum', tunnel: { type: 'gre', checksum: true } },
  { outside: 6, inside: 4, end: 'gre-csum', tunnel: { type: 'gre', checksum: true } },
  { outside: 4, inside: 4, end: 'gue:5555', tunnel: gue(false) },
  { outside: 6, inside: 4, end: 'gue:5555', tunnel: gue(true) },
  { outside: 6, inside: 6, end: 'gue:5555', tunnel: gue(true) },
];

/** IPv6 hosts look for routers and groups, servers that answer past us for the client; nobody is there for that. */
const expected = new Set(['drop.arp-not-ours', 'drop.unsupported']);

for (const { outside, inside, tunnel, end } of kinds)
  test.serial(`IPv${outside} in IPv${inside}, ${end}: nginx behind it answers`, async (t) => {
    const lab = createLab(`tun-${process.pid}-`);
    try {
      cableUp(lab);
      answerDirectly(lab);
      const ends: Program[] = [];
      for (const rs of names) {
        const argv = ['python3', decapsulator, 'tun0', end, String(inside)];
        const program = lab.start(rs, 'decapsulate', argv);
        await until('the tunnel', () => program.output().includes('ready'), 5000);
        ends.push(program);
        await realServer(lab, rs, '').start();
      }
      const socket = path.join(lab.directory, 'dp.sock');
      const dataplane = await startDataplane(lab, argumentsOf(socket, 3));
      const session = await serve(socket, wish(outside, inside, tunnel));
      const inspect = await capture(lab, 'lan');
      const load = startLoad(lab, 'client', {
        address: vip[outside],
        port: 80,
        everyMs: 2,
        timeoutMs: 3000,
        count: 200,
      });
      await load.done;
      const seen = summarise(load.answers());
      t.like(seen, { requests: 200, good: 200, wrong: 0, errors: 0 });
      t.is(Object.keys(seen.perServer).length, 2);
      for (const program of ends) t.is(program.output().trim(), 'ready');
      await inspect.stop();
      t.deepEqual(inspect.judge().complaints, []);
      const dropped = Object.keys(drops(session.dataplane)).filter((d) => !expected.has(d));
      t.deepEqual(dropped, []);
      t.is(total(session.dataplane, 'sessions_created'), 200);
      session.close();
      await dataplane.end('SIGTERM');
    } finally {
      await lab.close();
    }
  });
