/** Forwarding modes but FNAT, between real hosts: an HTTP client, nginx, and the kernel's own TCP on both ends. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  argumentsOf,
  cableUp,
  clientAddress,
  drops,
  ownAddress,
  realServers,
  serve,
  startDataplane,
  total,
  vip,
  wanted,
} from '../../support/dataplane/process.js';
import { summarise } from '../../support/lab/answers.js';
import { capture } from '../../support/lab/capture.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { startLoad } from '../../support/lab/load.js';
import { realServer } from '../../support/lab/nginx.js';
import { until } from '../../support/lab/programs.js';

const decapsulator = fileURLToPath(
  new URL('../../../../test/support/lab/decapsulate.py', import.meta.url),
);
const clientOnLan = '10.1.0.99';
const hosts = ['rs1', 'rs2'] as const;

const sysctl = (lab: Lab, host: string, ...settings: readonly string[]): void => {
  lab.exec(host, 'sysctl', '-qw', ...settings);
};

/** The real server has the VIP itself, tells nobody, and answers the client by a way of its own. */
const answersDirectly = (lab: Lab): void => {
  lab.connect('client', 'eth1', 'lan', `${clientOnLan}/24`);
  sysctl(lab, 'client', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.eth1.rp_filter=0');
  for (const host of hosts) {
    sysctl(lab, host, 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
    sysctl(lab, host, 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0');
    lab.exec(host, 'ip', 'address', 'add', `${vip}/32`, 'dev', 'lo');
    lab.exec(host, 'ip', 'route', 'add', `${clientAddress}/32`, 'via', clientOnLan);
  }
};

const endTunnels = async (lab: Lab): Promise<void> => {
  for (const host of hosts) {
    const program = lab.start(host, 'decapsulate', ['python3', decapsulator, 'tun0']);
    await until('the tunnel', () => program.output().includes('ready'), 5000);
  }
};

const prepare = {
  NAT: async (lab: Lab) => {
    for (const host of hosts)
      lab.exec(host, 'ip', 'route', 'add', `${clientAddress}/32`, 'via', ownAddress);
  },
  DR: async (lab: Lab) => answersDirectly(lab),
  TUN: async (lab: Lab) => {
    answersDirectly(lab);
    await endTunnels(lab);
  },
} as const;

/** nginx of a one-way service listens where the client believes it to be. */
const listensOn = (mode: keyof typeof prepare, address: string): string =>
  mode === 'NAT' ? address : vip;

for (const mode of ['NAT', 'DR', 'TUN'] as const)
  for (const workers of [1, 3])
    test.serial(`${mode} with ${workers} workers`, async (t) => {
      const lab = createLab(`mode-${process.pid}-`);
      try {
        cableUp(lab);
        await prepare[mode](lab);
        for (const [i, address] of realServers.entries())
          await realServer(lab, `rs${i + 1}`, listensOn(mode, address)).start();
        const socket = path.join(lab.directory, 'dp.sock');
        const program = await startDataplane(lab, argumentsOf(socket, workers));
        const session = await serve(socket, wanted(mode));
        const inspect = await capture(lab, 'lan');
        const load = startLoad(lab, 'client', {
          address: vip,
          port: 80,
          everyMs: 2,
          timeoutMs: 2000,
          count: 200,
        });
        await load.done;
        const seen = summarise(load.answers());
        t.like(seen, { requests: 200, good: 200, wrong: 0, errors: 0 });
        for (const n of Object.values(seen.perServer)) t.true(Math.abs(n - 100) <= workers, `${n}`);
        await inspect.stop();
        t.deepEqual(inspect.judge().complaints, []);
        // Servers that answer past us ask the whole segment for the client.
        const { 'drop.arp-not-ours': _, ...dropped } = drops(session.dataplane);
        t.deepEqual(dropped, {});
        t.is(total(session.dataplane, 'sessions_created'), 200);
        session.close();
        await program.end('SIGTERM');
      } finally {
        await lab.close();
      }
    });
