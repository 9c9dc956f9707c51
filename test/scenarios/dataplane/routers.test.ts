/** Clients behind two routers, whom the kernel's routes name: connections stay whole while routers fail, come back, change. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import {
  argumentsOf,
  cableUp,
  type Session,
  serve,
  startDataplane,
} from '../../support/dataplane/process.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { type Program, until } from '../../support/lab/programs.js';
import { patience } from '../../support/patience.js';

const script = fileURLToPath(
  new URL('../../../../test/support/dataplane/control.py', import.meta.url),
);

/** What lies where, by family: behind the routers are the clients. */
const places = {
  4: {
    vip: '10.2.0.1',
    node: '10.2.0.5',
    lan: '10.1.0.1',
    local: '10.1.0.101',
    servers: ['10.1.0.11', '10.1.0.12'],
    routers: ['10.2.0.21', '10.2.0.22'],
    far: ['10.3.0.1', '10.3.0.2'],
    client: '10.3.0.99',
    behind: '10.3.0.0/24',
    wan: '10.2.0.0/24',
    plen: 24,
    host: 32,
  },
  6: {
    vip: 'fd00:2::80',
    node: 'fd00:2::5',
    lan: 'fd00:1::1',
    local: 'fd00:1::101',
    servers: ['fd00:1::11', 'fd00:1::12'],
    routers: ['fd00:2::21', 'fd00:2::22'],
    far: ['fd00:3::1', 'fd00:3::2'],
    client: 'fd00:3::99',
    behind: 'fd00:3::/64',
    wan: 'fd00:2::/64',
    plen: 64,
    host: 128,
  },
} as const;
type Place = (typeof places)[4 | 6];

const wish = (p: Place): Snapshot => {
  const address = (device: string, a: string, prefixLength: number) => ({
    device,
    address: a,
    prefixLength,
    leased: false,
    local: false,
  });
  return {
    ...emptySnapshot,
    addresses: [
      address('dpdk0', p.lan, p.plen),
      { ...address('dpdk1', p.vip, p.host), leased: true },
      { ...address('dpdk0', p.local, p.host), local: true },
    ],
    services: [
      {
        protocol: 'TCP',
        address: p.vip,
        port: 80,
        scheduler: 'rr',
        expireQuiescent: false,
        onePacket: false,
        quic: null,
        schedulerPort: false,
        persistenceMs: 0,
        persistencePrefixLength: 32,
        match: null,
        expireTemplate: false,
        establishedTimeoutMs: 0,
        realServers: p.servers.map((a) => ({
          address: a,
          port: 80,
          forwarding: 'FNAT',
          weight: 1,
        })),
        localAddresses: [{ device: 'dpdk0', address: p.local }],
      },
    ],
    // A silent router is noticed in seconds rather than in minutes.
    params: { neighbourTimeout: 1000 },
  };
};

const cable = (lab: Lab, p: Place): void => {
  cableUp(lab);
  lab.addSwitch('far');
  for (const name of ['r1', 'r2']) lab.addHost(name);
  lab.addHost('guest');
  const six = p.host === 128;
  const up = (host: string, device: string, address: string): void => {
    lab.exec(host, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=${six ? 0 : 1}`);
    const dad = six ? ['nodad'] : [];
    lab.exec(host, 'ip', 'address', 'add', `${address}/${p.plen}`, 'dev', device, ...dad);
  };
  for (const [i, name] of ['r1', 'r2'].entries()) {
    lab.connect(name, 'eth0', 'wan', null);
    lab.connect(name, 'eth1', 'far', null);
    lab.exec(name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    up(name, 'eth0', p.routers[i] ?? '');
    up(name, 'eth1', p.far[i] ?? '');
    // Whoever changes its MAC says so.
    lab.exec(name, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_notify=1');
    if (six) {
      lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.eth0.ndisc_notify=1');
      // Addresses stay when a link goes down, as IPv4's do.
      lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.eth0.keep_addr_on_down=1');
    }
  }
  lab.connect('guest', 'eth0', 'far', null);
  up('guest', 'eth0', p.client);
  lab.exec('guest', 'ip', 'route', 'add', p.wan, 'via', p.far[0]);
  if (six) for (const [i, name] of ['rs1', 'rs2'].entries()) up(name, 'eth0', p.servers[i] ?? '');
};

const forwardedBy = (lab: Lab, router: string): number =>
  Number(lab.exec(router, 'cat', '/sys/class/net/eth1/statistics/tx_packets'));

/** How far each of the connections is. */
const progress = (crowd: Program): readonly number[] =>
  (crowd.output().split('progress ').at(-2)?.split('\n')[0] ?? '').split(' ').map(Number);

for (const family of [4, 6] as const)
  test.serial(
    `IPv${family}: connections go on by the other router, and by another card`,
    async (t) => {
      const p = places[family];
      const lab = createLab(`rt-${process.pid}-`);
      let session: Session | null = null;
      try {
        cable(lab, p);
        const socket = path.join(lab.directory, 'dp.sock');
        const program = await startDataplane(lab, argumentsOf(socket, 2));
        t.true(program.isRunning(), program.output());
        const six = family === 6;
        if (six) lab.exec('lb', 'sysctl', '-qw', 'net.ipv6.conf.dpdk1/kni.disable_ipv6=0');
        const dad = six ? ['nodad'] : [];
        const route = (verb: string, ...way: readonly string[]) =>
          lab.exec('lb', 'ip', 'route', verb, p.behind, ...way);
        lab.exec('lb', 'ip', 'addr', 'add', `${p.node}/${p.plen}`, 'dev', 'dpdk1.kni', ...dad);
        route('add', 'nexthop', 'via', p.routers[0], 'nexthop', 'via', p.routers[1]);
        session = await serve(socket, wish(p));
        const part = (host: string, ...args: readonly string[]) =>
          lab.start(host, args[0] ?? '', ['python3', script, ...args]);
        const servers = p.servers.map((a, i) => part(`rs${i + 1}`, 'serve', a, '80'));
        await until('servers', () => servers.every((s) => s.output().includes('ready')), 10_000);
        const crowd = part('guest', 'crowd', p.vip, '80', '20', '1000000', '32');
        await until(
          'connections',
          () => {
            if (!crowd.isRunning()) throw new Error(crowd.output());
            return progress(crowd).every((n) => n > 5);
          },
          15_000,
        );
        /** Every connection gets twenty rounds further than it is now; the milliseconds that took. */
        const everybodyGoesOn = async (what: string): Promise<number> => {
          const then = progress(crowd);
          const begin = performance.now();
          await until(what, () => progress(crowd).every((n, i) => n > (then[i] ?? 0) + 20), 25_000);
          return Math.round(performance.now() - begin);
        };
        const grows = (router: string, what: string) => {
          const before = forwardedBy(lab, router);
          return until(what, () => forwardedBy(lab, router) > before + 100, 15_000);
        };
        await Promise.all([grows('r1', 'the first router'), grows('r2', 'the second router')]);

        lab.exec('r2', 'ip', 'link', 'set', 'eth0', 'down');
        const failed = await everybodyGoesOn('without the second router');
        lab.exec('r2', 'ip', 'link', 'set', 'eth0', 'up');
        await grows('r2', 'the second router again');
        await everybodyGoesOn('with both');

        route('replace', 'via', p.routers[1]);
        const changed = await everybodyGoesOn('another gateway');
        const before = forwardedBy(lab, 'r1');
        await everybodyGoesOn('by the second router alone');
        t.true(forwardedBy(lab, 'r1') - before < 10, 'the first has nothing to do');

        lab.exec('r2', 'ip', 'link', 'set', 'eth0', 'address', '02:bb:00:00:00:22');
        const moved = await everybodyGoesOn('another MAC');
        t.true(changed < 3000 * patience(), `${changed} ms`);
        t.true(crowd.isRunning());
        t.log(
          `a router silent: ${failed} ms, another gateway: ${changed} ms, another MAC: ${moved} ms`,
        );
      } finally {
        session?.close();
        await lab.close();
      }
    },
  );

/** OSPF on one interface, with what lies behind another; equal ways are one route with several next hops. */
const birdConfig = (id: string, device: string, stub: string | null): string => `
router id ${id};
protocol device { scan time 1; }
protocol kernel { ipv4 { import none; export ${stub === null ? 'all' : 'none'}; }; merge paths on; }
protocol ospf v2 {
  ipv4 { import all; export none; };
  area 0 {
    interface "${device}" { type broadcast; hello 1; dead 4; wait 2; };
    ${stub === null ? '' : `interface "${stub}" { stub yes; };`}
  };
}
`;

test.serial(
  'BIRD on the kernel interface speaks OSPF with two routers, and its routes are followed',
  async (t) => {
    const p = places[4];
    const lab = createLab(`ospf-${process.pid}-`);
    let session: Session | null = null;
    try {
      cable(lab, p);
      const socket = path.join(lab.directory, 'dp.sock');
      const program = await startDataplane(lab, argumentsOf(socket, 2));
      t.true(program.isRunning(), program.output());
      lab.exec('lb', 'ip', 'addr', 'add', `${p.node}/${p.plen}`, 'dev', 'dpdk1.kni');
      session = await serve(socket, wish(p));
      const bird = (host: string, id: string, device: string, stub: string | null): Program => {
        const file = (end: string): string => path.join(lab.directory, `bird-${host}.${end}`);
        writeFileSync(file('conf'), birdConfig(id, device, stub));
        const files = ['-c', file('conf'), '-s', file('ctl'), '-P', file('pid')];
        return lab.start(host, 'bird', ['bird', '-f', ...files]);
      };
      const speakers = [
        bird('lb', p.node, 'dpdk1.kni', null),
        bird('r1', p.routers[0], 'eth0', 'eth1'),
        bird('r2', p.routers[1], 'eth0', 'eth1'),
      ];
      const routes = (): string => lab.exec('lb', 'ip', 'route', 'show', p.behind);
      await until('both ways', () => (routes().match(/nexthop/g) ?? []).length === 2, 30_000);
      const part = (host: string, ...args: readonly string[]) =>
        lab.start(host, args[0] ?? '', ['python3', script, ...args]);
      const servers = p.servers.map((a, i) => part(`rs${i + 1}`, 'serve', a, '80'));
      await until('servers', () => servers.every((s) => s.output().includes('ready')), 10_000);
      const before = [forwardedBy(lab, 'r1'), forwardedBy(lab, 'r2')];
      const crowd = part('guest', 'crowd', p.vip, '80', '20', '100', '32');
      const used = (i: number): number => forwardedBy(lab, `r${i + 1}`) - (before[i] ?? 0);
      await until('both routers', () => used(0) > 200 && used(1) > 200, 15_000);
      // The second router's OSPF ends: its way goes, connections go on by the first.
      await speakers[2]?.end('SIGTERM');
      await until('one way', () => routes().includes(`via ${p.routers[0]} `), 15_000);
      await crowd.ended;
      t.true(crowd.output().includes('done'), crowd.output());
      const left = forwardedBy(lab, 'r2');
      t.is(
        lab.exec('guest', 'ping', '-c', '3', '-i', '0.2', p.vip).includes(' 0% packet loss'),
        true,
      );
      t.is(forwardedBy(lab, 'r2'), left);
    } finally {
      session?.close();
      await lab.close();
    }
  },
);
