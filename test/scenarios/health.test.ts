/** The health checks of a real node over the death of its processes, and the journals they leave. */
import { appendFileSync, chmodSync, cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { idOf, isRunning } from '../../src/kernel/io/proc.js';
import { replayJournal } from '../../src/node/replay.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { until } from '../support/lab/programs.js';

const conf = fileURLToPath(new URL('../../../conf/commands', import.meta.url));
const patienceMs = 60_000;

/** Nobody listens on port 1 of the loopback interface: a dead server, known at the first check. */
const deadService = `
local_address_group dead_lips {
    10.1.0.240 dpdk0
}
virtual_server 198.51.100.99 8080 {
    delay_loop 3
    lb_algo rr
    lb_kind FNAT
    protocol TCP
    laddr_group_name dead_lips
    real_server 10.1.0.9 8080 {
        weight 1
        TCP_CHECK {
            connect_ip 127.0.0.1
            connect_port 1
            warmup 0
        }
    }
}
`;

const place = (): { readonly lab: Lab; readonly node: KeelsonNode } => {
  const lab = createLab(`hea-${process.pid}-`);
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  lab.addHost('lb');
  lab.connect('lb', 'wan0', 'wan', null);
  lab.connect('lb', 'lan0', 'lan', null);
  chmodSync(lab.directory, 0o711);
  const confDir = path.join(lab.directory, 'conf');
  cpSync(conf, confDir, { recursive: true });
  appendFileSync(path.join(confDir, 'keepalived.conf'), deadService);
  return { lab, node: keelsonNode(lab, 'lb', confDir) };
};

const deadIsUp = async (node: KeelsonNode): Promise<boolean | null> => {
  const s = await node.status();
  const servers = s?.virtualServers.flatMap((v) => v.realServers) ?? [];
  return servers.find((r) => r.address === '10.1.0.9')?.up ?? null;
};

const kill = (node: KeelsonNode, name: string): number => {
  const id = idOf(readFileSync(path.join(node.runDir, `${name}.pid`), 'utf8'));
  if (id === null || !isRunning(id)) return 0;
  process.kill(id.pid, 'SIGKILL');
  return id.pid;
};

test('a dead server stays out when healthcheck or the controller dies (D6); the journals replay', async (t) => {
  const { lab, node } = place();
  try {
    node.start();
    await until(
      'the dead server to be out',
      async () => (await deadIsUp(node)) === false,
      patienceMs,
    );
    for (const name of ['healthcheck', 'controller']) {
      const old = kill(node, name);
      t.not(old, 0, name);
      let seen = 0;
      // Longer than the first check after a start takes to come.
      for (const end = Date.now() + 6000; Date.now() < end || seen === 0; ) {
        const isUp = await deadIsUp(node);
        t.not(isUp, true, `after the death of ${name}`);
        if (isUp === false) seen++;
        await pause(100);
      }
    }
    await node.stop();
    for (const file of ['journal.jsonl', 'journal.jsonl.1', 'healthcheck/journal.jsonl']) {
      const name = path.join(node.runDir, file);
      t.true(existsSync(name), file);
      const steps = replayJournal(readFileSync(name, 'utf8')).filter((d) => 'effects' in d);
      t.true(steps.length > 0, file);
    }
  } finally {
    t.log(node.output().slice(-3000));
    await lab.close();
  }
});
