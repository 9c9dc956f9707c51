/** keelson-dataplane alone, stopped for a while, and cut off from everybody: what it does when it goes on. */
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import {
  argumentsOf,
  cableUp,
  drops,
  ownAddress,
  realServers,
  type Session,
  serve,
  startDataplane,
  vip,
} from '../../support/dataplane/process.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { until } from '../../support/lab/programs.js';

const kernelAddress = '10.1.0.2';

const pidOf = (lab: Lab): number => {
  const found = lab
    .processes('lb')
    .find((p) => readFileSync(`/proc/${p}/comm`, 'utf8').startsWith('keelson-datap'));
  if (found === undefined) throw new Error('the data plane does not run');
  return found;
};

/** How many of `count` echo requests are answered. */
const answered = (lab: Lab, from: string, to: string, count: number): number => {
  // ping fails without an answer.
  const script = `ping -c ${count} -i 0.2 -W 1 ${to} || true`;
  return Number(/(\d+) received/.exec(lab.exec(from, 'sh', '-c', script))?.[1] ?? -1);
};

test.serial('what was queued while the node was paused is thrown away', async (t) => {
  const lab = createLab(`dp-pause-${process.pid}-`);
  let session: Session | null = null;
  try {
    cableUp(lab);
    // So that nothing comes which nobody asked for.
    for (const host of ['lb', 'client', 'rs1', 'rs2'])
      for (const which of ['all', 'default'])
        lab.exec(host, 'sysctl', '-qw', `net.ipv6.conf.${which}.disable_ipv6=1`);
    const socket = path.join(lab.directory, 'dp.sock');
    const program = await startDataplane(lab, argumentsOf(socket, 2));
    session = await serve(socket);
    lab.exec('lb', 'ip', 'address', 'add', `${kernelAddress}/24`, 'dev', 'dpdk0.kni');
    const { dataplane } = session;
    await until('the kernel', () => answered(lab, 'lb', realServers[0], 1) === 1, 30_000);
    await until('the VIP', () => answered(lab, 'client', vip, 1) === 1, 30_000);
    const before = drops(dataplane);

    const pid = pidOf(lab);
    process.kill(pid, 'SIGSTOP');
    const outwards = answered(lab, 'lb', realServers[0], 3);
    const inwards = answered(lab, 'client', vip, 3);
    process.kill(pid, 'SIGCONT');
    t.deepEqual([outwards, inwards], [0, 0]);

    const stale = (): number => (drops(dataplane)['drop.stale'] ?? 0) - (before['drop.stale'] ?? 0);
    await until('the frames of both sides', () => stale() >= 6, 30_000);
    await until('its message', () => /did not run for \d+ ms/.test(program.output()), 30_000);
    const { 'drop.stale': _, ...rest } = drops(dataplane);
    const { 'drop.stale': __, ...others } = before;
    t.deepEqual(rest, others, 'nothing else is dropped');
    t.is(answered(lab, 'client', vip, 3), 3);
    t.is(answered(lab, 'lb', realServers[0], 3), 3);
    t.is(answered(lab, 'rs1', ownAddress, 1), 1);
  } finally {
    session?.close();
    await lab.close();
  }
});

test.serial('a data plane whose socket is gone ends, and leaves nothing behind', async (t) => {
  const lab = createLab(`dp-lost-${process.pid}-`);
  let session: Session | null = null;
  try {
    cableUp(lab);
    const socket = path.join(lab.directory, 'dp.sock');
    const program = await startDataplane(lab, argumentsOf(socket, 1));
    session = await serve(socket);
    renameSync(socket, `${socket}.away`);
    renameSync(`${socket}.away`, socket);
    await pause(3000);
    t.true(program.isRunning(), 'it is back');

    renameSync(socket, `${socket}.away`);
    await until('its end', () => !program.isRunning(), 30_000);
    t.regex(program.output(), /the control socket .* is gone or another's: ending/);
    t.notRegex(lab.exec('lb', 'ip', 'link'), /kni/);
  } finally {
    session?.close();
    await lab.close();
  }
});
