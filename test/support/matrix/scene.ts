/**
 * A pair of nodes (conf/demo: priorities 150 and 100, adverts each second) under constant load: HTTP requests, 30 connections
 * that echo a line each 0.2 s, and a prober that asks all the time by ARP who has the virtual address.
 */
import { appendFileSync, cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type KeelsonNode, keelsonNode } from '../lab/keelson.js';
import { createLab, type Lab } from '../lab/lab.js';
import { type Load, startLoad } from '../lab/load.js';
import { realServer } from '../lab/nginx.js';
import { pidOf, processNames } from '../lab/processes.js';
import { type Program, until } from '../lab/programs.js';
import { root } from '../programs/programs.js';
import { connections } from './judge.js';
import { readSeen, type Seen } from './watched.js';

/** Of node a, which is active whenever a case begins. */
export const activeAddress = '198.51.100.2';
export const vip = '198.51.100.80';
/** Three adverts missed and the skew of the backup (priority 100): RFC 9568 §6.1. */
export const activeDownMs = 3000 + ((256 - 100) * 1000) / 256;

const support = path.join(root, 'test/support/matrix');
const servers = { rs1: '10.1.0.11', rs2: '10.1.0.12', rs3: '10.1.0.13' } as const;

const echoService = `
virtual_server ${vip} 7 {
    delay_loop 1
    lb_algo rr
    lb_kind FNAT
    protocol TCP
    laddr_group_name lips
${Object.values(servers)
  .map(
    (address) => `    real_server ${address} 7 {
        TCP_CHECK {
            connect_timeout 2
            retry 1
            delay_before_retry 1
        }
    }
`,
  )
  .join('')}}
`;

export interface Scene {
  readonly lab: Lab;
  readonly a: KeelsonNode;
  readonly b: KeelsonNode;
  readonly load: Load;
  /** Lines of both watchers since the beginning. */
  readonly seen: () => readonly Seen[];
  /** Node a is active, b backup, every process runs, and all connections are alive. */
  readonly settled: (what: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Everything that a program has printed; only what is new is parsed each time. */
const reader = (program: Program): (() => readonly Seen[]) => {
  const all: Seen[] = [];
  let read = 0;
  return () => {
    const text = program.output();
    const end = text.lastIndexOf('\n') + 1;
    all.push(...readSeen(text.slice(read, end)));
    read = end;
    return all;
  };
};

const isIn = async (node: KeelsonNode, role: 'active' | 'backup'): Promise<boolean> => {
  const view = await node.status();
  return (
    view !== null &&
    view.dataplane.state === 'up' &&
    view.vrrp.every((v) => v.state === role) &&
    view.virtualServers.length === 2 &&
    view.virtualServers.every((v) => v.realServers.every((r) => r.up)) &&
    processNames.every((name) => pidOf(node.runDir, name) !== null)
  );
};

const begin = async (node: KeelsonNode, role: 'active' | 'backup'): Promise<void> => {
  node.start();
  try {
    await until(`node ${node.host} to be ${role}`, () => isIn(node, role), 30_000);
  } catch (e) {
    const [view, output] = [await node.status(), node.output()];
    throw new Error(`${String(e)}\n${JSON.stringify(view)}\n${output.slice(-4000)}`);
  }
};

export async function openScene(): Promise<Scene> {
  const lab = createLab(`km-${process.pid}-`);
  try {
    return await build(lab);
  } catch (e) {
    await lab.close();
    throw e;
  }
}

async function build(lab: Lab): Promise<Scene> {
  const conf = path.join(lab.directory, 'conf');
  mkdirSync(conf);
  cpSync(path.join(root, 'conf/demo'), conf, { recursive: true });
  appendFileSync(path.join(conf, 'services.conf'), echoService);
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  lab.addHost('client');
  lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
  const node = (name: string): KeelsonNode => {
    lab.addHost(name);
    lab.connect(name, 'wan0', 'wan', null);
    lab.connect(name, 'lan0', 'lan', null);
    return keelsonNode(lab, name, path.join(conf, name));
  };
  const [a, b] = [node('a'), node('b')];
  const python = (host: string, script: string, ...args: readonly string[]): Program =>
    lab.start(host, script, ['python3', path.join(support, script), ...args]);
  for (const [host, address] of Object.entries(servers)) {
    lab.addHost(host);
    lab.connect(host, 'eth0', 'lan', `${address}/24`);
    await realServer(lab, host, address).start();
    const echo = python(host, 'connections.py', 'serve', '7');
    await until(`echo on ${host}`, () => echo.output().includes('ready'), 10_000);
  }
  await begin(a, 'active');
  await begin(b, 'backup');
  const held = python('client', 'connections.py', 'hold', vip, '7', String(connections));
  const watch = python('client', 'watch.py', 'eth0', vip, '50');
  const load = startLoad(lab, 'client', {
    address: vip,
    port: 80,
    everyMs: 50,
    timeoutMs: 1000,
    count: 0,
  });
  const [fromHeld, fromWatch] = [reader(held), reader(watch)];
  const alive = (): number => {
    for (const s of [...fromHeld()].reverse()) if ('alive' in s) return s.alive;
    return 0;
  };
  const inPlace = async (): Promise<boolean> =>
    alive() === connections && (await isIn(a, 'active')) && (await isIn(b, 'backup'));
  return {
    lab,
    a,
    b,
    load,
    seen: () => [...fromHeld(), ...fromWatch()].sort((x, y) => x.at - y.at),
    settled: async (what) => {
      await until(`${what}: the pair to settle`, inPlace, 40_000);
      // A move that is already due would belong to the next case.
      await pause(300);
      await until(`${what}: the pair to stay settled`, inPlace, 40_000);
    },
    close: () => lab.close(),
  };
}
