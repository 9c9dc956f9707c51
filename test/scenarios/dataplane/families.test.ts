/** IPv6 and between the families, by real hosts: their TCP, their neighbour discovery, their path MTU. */
import path from 'node:path';
import test from 'ava';
import { emptySnapshot, type Forwarding, type Snapshot } from '../../../src/dataplane/snapshot.js';
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

type Family = 4 | 6;
const vip = { 4: '10.2.0.1', 6: 'fd00:2::80' } as const;
const client6 = 'fd00:2::99';
const own6 = { dpdk0: 'fd00:1::1', dpdk1: 'fd00:2::1' } as const;
const realServers = { 4: ['10.1.0.11', '10.1.0.12'], 6: ['fd00:1::11', 'fd00:1::12'] } as const;
const local = { 4: ['10.1.0.101', '10.1.0.102'], 6: ['fd00:1::101', 'fd00:1::102'] } as const;
const host = { 4: 32, 6: 128 } as const;

/** The lab's hosts are IPv4 only; these get an IPv6 address as well, at once usable. */
const addIpv6 = (lab: Lab): void => {
  for (const [name, address] of [
    ['client', client6],
    ['rs1', realServers[6][0]],
    ['rs2', realServers[6][1]],
  ] as const) {
    lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0');
    lab.exec(name, 'ip', '-6', 'address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
  }
};

const plain = (device: string, address: string, prefixLength: number) => ({
  device,
  address,
  prefixLength,
  leased: false,
  local: false,
});

const wish = (forwarding: Forwarding, outside: Family, inside: Family): Snapshot => ({
  ...emptySnapshot,
  addresses: [
    plain('dpdk0', '10.1.0.1', 24),
    plain('dpdk0', own6.dpdk0, 64),
    plain('dpdk1', '10.2.0.2', 24),
    plain('dpdk1', own6.dpdk1, 64),
    { ...plain('dpdk1', vip[outside], host[outside]), leased: true },
    ...local[inside].map((address) => ({
      ...plain('dpdk0', address, host[inside]),
      local: true,
    })),
  ],
  services: [
    {
      protocol: 'TCP',
      address: vip[outside],
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
      realServers: realServers[inside].map((address) => ({
        address,
        port: 80,
        forwarding,
        weight: 1,
      })),
      localAddresses: local[inside].map((address) => ({ device: 'dpdk0', address })),
    },
  ],
  params: {},
});

/** IPv6 hosts look for routers and groups; nobody is there for that. */
const expected = new Set(['drop.arp-not-ours', 'drop.unsupported']);

const kinds = [
  ['FNAT', 6, 6],
  ['FNAT', 6, 4],
  ['FNAT', 4, 6],
  ['NAT', 6, 6],
] as const;

for (const [mode, outside, inside] of kinds)
  for (const workers of [1, 3])
    test.serial(`${mode} from IPv${outside} to IPv${inside} with ${workers} workers`, async (t) => {
      const lab = createLab(`fam-${process.pid}-`);
      try {
        cableUp(lab);
        addIpv6(lab);
        if (mode === 'NAT')
          for (const rs of ['rs1', 'rs2'])
            lab.exec(rs, 'ip', '-6', 'route', 'add', `${client6}/128`, 'via', own6.dpdk0);
        for (const rs of ['rs1', 'rs2']) await realServer(lab, rs, '').start();
        const socket = path.join(lab.directory, 'dp.sock');
        const program = await startDataplane(lab, argumentsOf(socket, workers));
        const session = await serve(socket, wish(mode, outside, inside));
        const inspect = await capture(lab, outside === 6 ? 'wan' : 'lan');
        const load = startLoad(lab, 'client', {
          address: vip[outside],
          port: 80,
          everyMs: 2,
          timeoutMs: 3000,
          count: 200,
        });
        await load.done;
        t.like(summarise(load.answers()), { requests: 200, good: 200, wrong: 0, errors: 0 });
        t.is(Object.keys(summarise(load.answers()).perServer).length, 2);
        await inspect.stop();
        t.deepEqual(inspect.judge().complaints, []);
        const dropped = Object.keys(drops(session.dataplane)).filter((d) => !expected.has(d));
        t.deepEqual(dropped, []);
        t.is(total(session.dataplane, 'sessions_created'), 200);
        if (outside === 6)
          t.regex(
            lab.exec('client', 'ping', '-c', '2', '-i', '0.2', '-w', '5', vip[6]),
            / 0% packet loss/,
          );
        session.close();
        await program.end('SIGTERM');
      } finally {
        await lab.close();
      }
    });
