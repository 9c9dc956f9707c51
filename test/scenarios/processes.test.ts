/**
 * The processes of one node: each may die, hang or be replaced, and what happens then. Real
 * processes, on a host with two ports and nobody to talk to.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { idOf, isRunning, type ProcessId } from '../../src/kernel/io/proc.js';
import { type KeelsonNode, keelsonNode, program } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { until } from '../support/lab/programs.js';

const conf = fileURLToPath(new URL('../../../conf/commands', import.meta.url));
const patienceMs = 60_000;

const roles = ['dataplane', 'vrrp', 'healthcheck', 'controller'] as const;
type Name = (typeof roles)[number] | 'keelson';

const idIn = (node: KeelsonNode, name: Name): ProcessId | null => {
  try {
    return idOf(readFileSync(path.join(node.runDir, `${name}.pid`), 'utf8'));
  } catch {
    return null;
  }
};
const running = (node: KeelsonNode, name: Name): ProcessId | null => {
  const id = idIn(node, name);
  return id !== null && isRunning(id) ? id : null;
};
const pidOf = (node: KeelsonNode, name: Name): number => running(node, name)?.pid ?? 0;
const pids = (node: KeelsonNode): readonly number[] => roles.map((r) => pidOf(node, r));

/** All run, and the controller has the data plane. */
const isUp = async (node: KeelsonNode): Promise<boolean> => {
  const s = await node.status();
  return (
    s?.dataplane.state === 'up' &&
    s.processes.length === 5 &&
    s.processes.every((p) => p.state === 'running') &&
    s.processes.some((p) => p.name === 'supervisor' && p.pid === pidOf(node, 'keelson')) &&
    roles.every((r) => running(node, r) !== null)
  );
};
const comeUp = async (node: KeelsonNode, what: string): Promise<void> =>
  void (await until(`${what}\n${node.output()}`, () => isUp(node), patienceMs));

interface Place {
  readonly lab: Lab;
  readonly node: KeelsonNode;
  readonly confDir: string;
}

const place = (): Place => {
  const lab = createLab(`pro-${process.pid}-`);
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  lab.addHost('lb');
  lab.connect('lb', 'wan0', 'wan', null);
  lab.connect('lb', 'lan0', 'lan', null);
  // The user of the health checks passes through it.
  chmodSync(lab.directory, 0o711);
  const confDir = path.join(lab.directory, 'conf');
  cpSync(conf, confDir, { recursive: true });
  return { lab, node: keelsonNode(lab, 'lb', confDir), confDir };
};

const inPlace = async (body: (p: Place) => Promise<void>): Promise<void> => {
  const p = place();
  try {
    await body(p);
  } finally {
    await p.lab.close();
  }
};

const kill = (id: ProcessId | null, signal: NodeJS.Signals): void => {
  if (id !== null) process.kill(id.pid, signal);
};

test('each process has its own user and capabilities, and none can gain more', async (t) => {
  await inPlace(async ({ node }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    const fields = (name: Name): ReadonlyMap<string, string> =>
      new Map(
        readFileSync(`/proc/${pidOf(node, name)}/status`, 'utf8')
          .split('\n')
          .map((l) => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 1).trim()] as const),
      );
    const capabilities = (name: Name): bigint => BigInt(`0x${fields(name).get('CapEff')}`);
    const bit = (n: number): bigint => 1n << BigInt(n);
    const [netAdmin, netRaw, sysAdmin, sysNice] = [bit(12), bit(13), bit(21), bit(23)];
    for (const name of roles) {
      t.is(fields(name).get('NoNewPrivs'), '1', name);
      t.is(fields(name).get('CapInh'), '0000000000000000', name);
    }
    // Only files outside of everybody's reach may have added the right to read them (bit 2).
    t.is(capabilities('vrrp') & ~bit(2), netAdmin | netRaw | sysNice);
    t.is(capabilities('controller') & ~bit(2), netAdmin);
    t.is(capabilities('healthcheck') & ~bit(2), 0n);
    t.true((capabilities('dataplane') & sysAdmin) !== 0n);
    t.is(capabilities('dataplane') & bit(16), 0n, 'no kernel modules');
    const [uid] = (fields('healthcheck').get('Uid') ?? '').split('\t');
    const mapped = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
    // A user namespace with a single user has nobody else to become.
    if (mapped[2] !== '1' && capabilities('healthcheck') === 0n) t.not(uid, '0');
    await node.stop();
    t.deepEqual(pids(node), [0, 0, 0, 0]);
  });
});

/** Whether a program has a handler for a signal, by SigCgt of /proc/PID/status. */
const catches = (pid: number, signal: number): boolean => {
  try {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return ((BigInt(`0x${mask ?? '0'}`) >> BigInt(signal - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
};

test("a reload at any moment of the start ends nothing, and no signal opens Node's inspector", async (t) => {
  await inPlace(async ({ node }) => {
    const [sighup, sigusr1] = [1, 10];
    node.start();
    const supervisor = node.pid();
    await until('the program to listen', () => catches(supervisor, sighup), patienceMs);
    const hangUps = setInterval(() => node.signal('SIGHUP'), 30);
    await comeUp(node, 'the node to come up').finally(() => clearInterval(hangUps));
    const listeners = [
      supervisor,
      ...(['vrrp', 'healthcheck', 'controller'] as const).map((r) => pidOf(node, r)),
    ];
    for (const pid of listeners) {
      t.true(catches(pid, sigusr1));
      process.kill(pid, 'SIGUSR1');
    }
    await comeUp(node, 'the node to be whole after SIGUSR1');
    // 9229 in hexadecimal, state 0A: listening.
    t.false(/:240D 00000000:0000 0A/.test(readFileSync(`/proc/${supervisor}/net/tcp`, 'utf8')));
    await node.stop();
  });
});

test('a process that dies is started again, and none of the processes that serve goes with it', async (t) => {
  await inPlace(async ({ node }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    for (const name of ['healthcheck', 'vrrp', 'controller', 'dataplane'] as const) {
      const before = new Map(roles.map((r) => [r, pidOf(node, r)]));
      kill(running(node, name), 'SIGKILL');
      const old = before.get(name) ?? 0;
      await until(`${name} to be another`, () => ![0, old].includes(pidOf(node, name)), patienceMs);
      await comeUp(node, `the node to be whole again after the end of ${name}`);
      for (const other of roles)
        if (other !== name)
          t.is(pidOf(node, other), before.get(other) ?? 0, `${other} after ${name}`);
    }
    const s = await node.status();
    for (const name of roles)
      t.is(s?.processes.find((p) => p.name === name)?.restarts, 1, `restarts of ${name}`);
    await node.stop();
  });
});

test('a supervisor that dies takes nothing along; the next one adopts, a second one is refused', async (t) => {
  await inPlace(async ({ node, lab, confDir }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    const before = pids(node);
    for (const end of ['kill', 'upgrade'] as const) {
      if (end === 'kill') kill(running(node, 'keelson'), 'SIGKILL');
      else node.command('upgrade');
      await until('the supervisor to end', () => !node.isRunning(), 30_000);
      await pause(1000);
      t.deepEqual(pids(node), before);
      node.start();
      await comeUp(node, 'the node to be adopted');
      t.deepEqual(pids(node), before);
    }
    const second = keelsonNode(lab, 'lb', confDir);
    second.start();
    await until('the second one to end', () => !second.isRunning(), 30_000);
    t.regex(second.output(), /a node already runs with .*\(pid \d+\)/);
    t.deepEqual(pids(node), before);
    // Stopped from outside, with nobody to watch it.
    kill(running(node, 'keelson'), 'SIGKILL');
    await until('the supervisor to end', () => !node.isRunning(), 30_000);
    t.regex(node.command('stop'), /stopped/);
    t.deepEqual(pids(node), [0, 0, 0, 0]);
    t.deepEqual(lab.processes('lb'), []);
    t.regex(node.command('stop'), /no node runs/);
  });
});

test('a supervisor that is killed at any moment of its start leaves nothing that the next one does not own', async (t) => {
  await inPlace(async ({ node, lab }) => {
    for (const afterMs of [0, 5, 20, 60, 150, 400]) {
      node.start();
      // It writes its pid just before it starts the first process.
      await until(
        'the supervisor to begin',
        () => running(node, 'keelson') !== null || !node.isRunning(),
        patienceMs,
      );
      await pause(afterMs);
      node.signal('SIGKILL');
      await until('the supervisor to end', () => !node.isRunning(), 30_000);
    }
    node.start();
    await comeUp(node, 'the node to come up');
    // The supervisor and its four, each once.
    await until('nobody else', () => lab.processes('lb').length === 5, 30_000);
    t.pass();
    await node.stop();
    t.deepEqual(lab.processes('lb'), []);
  });
});

test('a supervisor is found without its pid file, and writes it again', async (t) => {
  await inPlace(async ({ node, lab, confDir }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    const file = path.join(node.runDir, 'keelson.pid');
    rmSync(file);
    await until('the pid file to be back', () => running(node, 'keelson') !== null, 30_000);
    // Nothing can be written in its place.
    rmSync(file);
    mkdirSync(path.join(file, 'in-the-way'), { recursive: true });
    const second = keelsonNode(lab, 'lb', confDir);
    second.start();
    await until('the second one to end', () => !second.isRunning(), 30_000);
    t.regex(second.output(), /a node already runs with .*\(pid \d+\)/);
    t.regex(node.command('stop'), /stopped/);
    t.deepEqual(lab.processes('lb'), []);
  });
});

test('a node whose run directory is removed stops, all of it', async (t) => {
  await inPlace(async ({ node, lab }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    rmSync(node.runDir, { recursive: true, force: true });
    await until('everything to end', () => lab.processes('lb').length === 0, patienceMs);
    t.regex(node.output(), /was removed or replaced; the node stops/);
    mkdirSync(node.runDir);
    node.start();
    await comeUp(node, 'the next one to come up');
    await node.stop();
    t.deepEqual(lab.processes('lb'), []);
  });
});

test('a stranger with the command line of a process is neither adopted nor stopped', async (t) => {
  await inPlace(async ({ node, lab }) => {
    const strangers = [`--socket=${node.runDir}/vrrp.sock`, `${node.runDir}/dataplane.sock`].map(
      (word) => lab.start('lb', 'stranger', ['sh', '-c', 'sleep 600; :', 'sh', '--socket', word]),
    );
    node.start();
    await comeUp(node, 'the node to come up beside strangers');
    await node.stop();
    for (const s of strangers) t.true(s.isRunning());
    // Stopped from outside, with nothing of its own left.
    t.regex(node.command('stop'), /no node runs/);
    for (const s of strangers) t.true(s.isRunning());
  });
});

test('a supervisor that was stopped for long kills nobody, nor does a pause of all', async (t) => {
  await inPlace(async ({ node, lab }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    const before = pids(node);
    const supervisor = running(node, 'keelson');
    kill(supervisor, 'SIGSTOP');
    await pause(14_000);
    kill(supervisor, 'SIGCONT');
    await pause(3000);
    t.deepEqual(pids(node), before, 'after a pause of the supervisor');
    const all = lab.processes('lb');
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await pause(14_000);
    for (const pid of all) process.kill(pid, 'SIGCONT');
    await pause(3000);
    t.deepEqual(pids(node), before, 'after a pause of all');
    await node.stop();
  });
});

test('a process that hangs is killed and started again, the data plane as well', async (t) => {
  await inPlace(async ({ node }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    const before = pids(node);
    for (const name of ['healthcheck', 'dataplane'] as const) kill(running(node, name), 'SIGSTOP');
    await until(
      'both to be others',
      () => {
        const now = pids(node);
        return now[0] !== before[0] && now[2] !== before[2] && now.every((p) => p !== 0);
      },
      120_000,
    );
    await comeUp(node, 'the node to be whole again');
    t.regex(node.output(), /dataplane has been silent for 10 s; killed/);
    t.is(pids(node)[1], before[1]);
    await node.stop();
  });
});

test('a full disk under the log and a pipe that nobody reads end nothing', async (t) => {
  await inPlace(async ({ node, confDir, lab }) => {
    node.start('--log-file', '/dev/full');
    await comeUp(node, 'a node with a full log');
    kill(running(node, 'vrrp'), 'SIGKILL');
    await until('vrrp to be gone', () => running(node, 'vrrp') === null, 30_000);
    await comeUp(node, 'the node to be whole again');
    t.true(node.isRunning());
    await node.stop();
    // Its reader takes one line and goes.
    const keelson = fileURLToPath(new URL('../../../bin/keelson', import.meta.url));
    const line = `"${process.execPath}" "${keelson}" start --conf-dir "${confDir}" --run-dir "${node.runDir}" | head -n 1`;
    const shell = lab.start('lb', 'a node with a short reader', ['sh', '-c', line]);
    await comeUp(node, 'a node without a reader');
    const before = pids(node);
    kill(running(node, 'controller'), 'SIGKILL');
    await until(
      'the controller to be another',
      () => pidOf(node, 'controller') !== before[3],
      30_000,
    );
    await comeUp(node, 'the node to be whole again');
    t.is(pids(node)[0], before[0]);
    node.command('stop');
    await shell.ended;
    t.deepEqual(pids(node), [0, 0, 0, 0]);
  });
});

test('a controller that starts while the files are wrong runs on with what was accepted', async (t) => {
  await inPlace(async ({ node, confDir }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    await until('it to be kept', () => existsSync(`${node.runDir}/accepted.json`), 30_000);
    const file = path.join(confDir, 'keepalived.conf');
    const right = readFileSync(file, 'utf8');
    writeFileSync(file, `${right}\nvirtual_server {\n`);
    const before = pids(node);
    kill(running(node, 'controller'), 'SIGKILL');
    await until(
      'the controller to be another',
      () => pidOf(node, 'controller') !== before[3],
      30_000,
    );
    await comeUp(node, 'the node to be whole again');
    const s = await node.status();
    t.is(s?.configuration.source, 'accepted');
    t.truthy(s?.configuration.error);
    writeFileSync(file, right);
    node.command('reload');
    t.like((await node.status())?.configuration, { source: 'files', error: null });
    // An orderly stop forgets it: the next start has the files alone, and says what is wrong.
    await node.stop();
    writeFileSync(file, `${right}\nvirtual_server {\n`);
    node.start();
    await until('the start to be refused', () => !node.isRunning(), 30_000);
    t.regex(node.output(), /not started/);
    t.deepEqual(pids(node), [0, 0, 0, 0]);
  });
});

test('a controller that starts with files the data plane refuses runs on with what was accepted', async (t) => {
  await inPlace(async ({ node, confDir }) => {
    node.start();
    await comeUp(node, 'the node to come up');
    await until('it to be kept', () => existsSync(`${node.runDir}/accepted.json`), 30_000);
    const before = await node.status();
    // More services than a data plane has room for.
    const many = Array.from(
      { length: 16_385 },
      (_, i) =>
        `virtual_server 198.51.100.81 ${i + 1} {\n protocol TCP\n lb_algo rr\n lb_kind FNAT\n laddr_group_name lips\n real_server 10.1.0.2 80 {\n }\n}\n`,
    );
    const lips = 'local_address_group lips {\n 10.1.0.200 dpdk0\n}\n';
    const head = readFileSync(path.join(confDir, 'keepalived.conf'), 'utf8');
    const file = `${head.includes('local_address_group lips') ? '' : lips}${many.join('')}`;
    writeFileSync(path.join(confDir, 'keepalived.conf'), `${head}\n${file}`);
    kill(running(node, 'controller'), 'SIGKILL');
    await until(
      'what was accepted to be in force',
      async () => {
        const s = await node.status();
        return s?.configuration.source === 'accepted' && s.configuration.refused === null;
      },
      patienceMs,
    );
    const s = await node.status();
    t.regex(s?.configuration.error ?? '', /the data plane refuses the files: .*16384 services/);
    t.is(s?.virtualServers.length, before?.virtualServers.length);
    await node.stop();
  });
});

test('a stop removes the interfaces that a data plane has left, whether a supervisor lives or not', async (t) => {
  await inPlace(async ({ node, lab }) => {
    const interfaces = (): readonly string[] =>
      lab.exec('lb', 'ip', '-o', 'link', 'show').match(/dpdk\d\.kni/g) ?? [];
    for (const hasSupervisor of [true, false]) {
      node.start();
      await comeUp(node, 'the node to come up');
      await until('it to be kept', () => existsSync(`${node.runDir}/accepted.json`), 30_000);
      t.true(interfaces().length > 0);
      const dataplane = running(node, 'dataplane');
      if (hasSupervisor) {
        // It does not hear, and is killed in the end.
        kill(dataplane, 'SIGSTOP');
        await node.stop();
      } else {
        kill(running(node, 'keelson'), 'SIGKILL');
        await until('the supervisor to end', () => !node.isRunning(), 30_000);
        kill(dataplane, 'SIGKILL');
        await until('the data plane to end', () => running(node, 'dataplane') === null, 30_000);
        t.true(interfaces().length > 0, 'they outlive it');
        // As an operator would: on the host of the node.
        lab.exec('lb', process.execPath, program, 'stop', '--run-dir', node.runDir);
      }
      t.deepEqual(interfaces(), []);
      t.deepEqual(lab.processes('lb'), []);
    }
  });
});
