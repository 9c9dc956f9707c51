/**
 * 255 virtual routers on one interface move together: each is advertised and announced. The figures
 * are printed; how long it takes is the machine's affair.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { type Capture, capture } from '../support/lab/capture.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { type ProcessName, pidOf } from '../support/lab/processes.js';
import { run, until } from '../support/lab/programs.js';
import { root } from '../support/programs/programs.js';

const count = 255;
const vrids = Array.from({ length: count }, (_, i) => i + 1);
const vipOf = (vrid: number): string => `198.51.101.${vrid}`;
const addressOf = { a: '198.51.100.2', b: '198.51.100.3' } as const;
const priorityOf = { a: 150, b: 100 } as const;
type Name = keyof typeof addressOf;

const configOf = (name: Name, interval: string): string => `
global_defs {
    router_id ${name}
}
static_ipaddress {
    ${addressOf[name]}/24 dev dpdk1.kni
}
${vrids
  .map(
    (vrid) => `vrrp_instance r${vrid} {
    state BACKUP
    interface dpdk1.kni
    dpdk_interface dpdk1
    version 3
    virtual_router_id ${vrid}
    priority ${priorityOf[name]}
    advert_int ${interval}
    virtual_ipaddress {
        ${vipOf(vrid)}/32
    }
}`,
  )
  .join('\n')}
`;

const areIn = async (node: KeelsonNode, role: 'active' | 'backup'): Promise<boolean> => {
  const view = await node.status();
  return (
    view?.dataplane.state === 'up' &&
    view.vrrp.length === count &&
    view.vrrp.every((v) => v.state === role)
  );
};

const ticks = (node: KeelsonNode, name: ProcessName): number => {
  const stat = readFileSync(`/proc/${pidOf(node.runDir, name)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

/** Per cent of a CPU, of vrrp and the data plane of each node. */
const cpuOf = async (nodes: readonly KeelsonNode[], seconds: number): Promise<string> => {
  const names = ['vrrp', 'dataplane', 'controller'] as const;
  const read = () =>
    nodes.flatMap((n) => names.map((p) => [`${n.host} ${p}`, ticks(n, p)] as const));
  const before = new Map(read());
  await pause(seconds * 1000);
  const hertz = Number(run('getconf', 'CLK_TCK'));
  return read()
    .map(
      ([who, t]) =>
        `${who} ${(((t - (before.get(who) ?? t)) / hertz / seconds) * 100).toFixed(1)} %`,
    )
    .join(', ');
};

interface Times {
  /** First advert and first gratuitous ARP of each router, ms since the epoch. */
  readonly adverts: ReadonlyMap<number, number>;
  readonly garps: ReadonlyMap<number, number>;
}

/** What `name` sent after `from`. */
const timesOf = (wire: Capture, name: Name, from: number): Times => {
  const adverts = new Map<number, number>();
  const garps = new Map<number, number>();
  const keep = (map: Map<number, number>, vrid: number, seconds: string | undefined): void => {
    const at = Number(seconds) * 1000;
    if (at >= from && !map.has(vrid)) map.set(vrid, at);
  };
  const own = `vrrp && ip.src == ${addressOf[name]} && vrrp.prio > 0`;
  for (const [at, vrid] of wire.fields(own, 'frame.time_epoch', 'vrrp.virt_rtr_id'))
    keep(adverts, Number(vrid), at);
  for (const [at, ip = ''] of wire.fields(
    'arp.isgratuitous',
    'frame.time_epoch',
    'arp.src.proto_ipv4',
  ))
    if (ip.startsWith('198.51.101.')) keep(garps, Number(ip.split('.')[3]), at);
  return { adverts, garps };
};

const spread = (map: ReadonlyMap<number, number>, from: number): string => {
  const all = [...map.values()].map((at) => at - from).sort((a, b) => a - b);
  const at = (q: number): string =>
    (all[Math.floor((all.length - 1) * q)] ?? Number.NaN).toFixed(0);
  return `first ${at(0)}, median ${at(0.5)}, last ${at(1)} ms`;
};

const build = (lab: Lab, interval: string): Readonly<Record<Name, KeelsonNode>> => {
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  const node = (name: Name): KeelsonNode => {
    const conf = path.join(lab.directory, name);
    mkdirSync(conf);
    cpSync(path.join(root, 'conf/demo', name, 'dpvs.conf'), path.join(conf, 'dpvs.conf'));
    writeFileSync(path.join(conf, 'keepalived.conf'), configOf(name, interval));
    lab.addHost(name);
    lab.connect(name, 'wan0', 'wan', null);
    lab.connect(name, 'lan0', 'lan', null);
    return keelsonNode(lab, name, conf);
  };
  return { a: node('a'), b: node('b') };
};

for (const interval of ['1', '0.1'])
  test.serial(
    `${count} routers with adverts each ${interval} s move to the backup at once`,
    async (t) => {
      t.timeout(900_000);
      const lab = createLab(`mr-${process.pid}-`);
      try {
        const { a, b } = build(lab, interval);
        a.start();
        await until('a to be active', () => areIn(a, 'active'), 60_000);
        b.start();
        await until('b to be backup', () => areIn(b, 'backup'), 60_000);
        t.log(`CPU: ${await cpuOf([a, b], 5)}`);
        const wire = await capture(lab, 'wan');
        const { done } = await a.crash();
        await until('b to be active', () => areIn(b, 'active'), 60_000);
        await pause(1000);
        await wire.stop();
        const { adverts, garps } = timesOf(wire, 'b', done);
        const first = Math.min(...adverts.values());
        t.log(
          `after the first advert, adverts: ${spread(adverts, first)}`,
          `gratuitous ARP: ${spread(garps, first)}`,
        );
        t.is(adverts.size, count);
        t.is(garps.size, count);
        // Which of the two of one router is first on the wire is a matter of microseconds: an advert
        // passes through the queue of the kernel interface, an announcement is made behind it. That
        // a router asks for it after its advert and its lease is tested in fsm.test.ts.
        t.deepEqual(wire.judge().complaints, []);
      } finally {
        await lab.close();
      }
    },
  );
