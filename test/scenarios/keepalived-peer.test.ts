/**
 * A whole Keelson node is active, Debian's keepalived waits. Processes of the node die, one after the
 * other, and a reload adds a router: keepalived never has a reason to take over. When the node is silent for long it does, and
 * gives the address back.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { capture } from '../support/lab/capture.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { startKeepalived } from '../support/lab/keepalived.js';
import { createLab } from '../support/lab/lab.js';
import { type ProcessName, pidOf, processNames } from '../support/lab/processes.js';
import { signalIfThere, until } from '../support/lab/programs.js';
import { root } from '../support/programs/programs.js';

const vip = '198.51.100.80';
const own = '198.51.100.2';
const peer = '198.51.100.3';
/** Three adverts and the skew of keepalived's priority. */
const activeDownMs = 3000 + ((256 - 100) * 1000) / 256;

const keepalivedConf = `
vrrp_instance wan {
    state BACKUP
    interface wan0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        ${vip}/32
    }
}
`;

const groupOf = (...names: readonly string[]): string => `
vrrp_sync_group G {
    group {
        ${names.join('\n        ')}
    }
}
`;

const second = `
vrrp_instance two {
    state BACKUP
    interface dpdk1.kni
    dpdk_interface dpdk1
    virtual_router_id 52
    priority 150
    advert_int 1
    virtual_ipaddress {
        198.51.100.81/32
    }
}
`;

const isActive = async (node: KeelsonNode): Promise<boolean> => {
  const view = await node.status();
  return (
    view?.dataplane.state === 'up' &&
    view.vrrp.every((v) => v.state === 'active') &&
    processNames.every((name) => pidOf(node.runDir, name) !== null)
  );
};

const signal = (node: KeelsonNode, name: ProcessName, what: NodeJS.Signals): void => {
  const pid = pidOf(node.runDir, name);
  if (pid === null) throw new Error(`${name} does not run`);
  signalIfThere(pid, what);
};

test('neither the death of a process nor a new member of the sync group moves anything to keepalived; a long silence does, and back', async (t) => {
  t.timeout(900_000);
  const lab = createLab(`kp-${process.pid}-`);
  try {
    const conf = path.join(lab.directory, 'conf');
    cpSync(path.join(root, 'conf/demo/a'), conf, { recursive: true });
    const file = path.join(conf, 'keepalived.conf');
    const one = readFileSync(file, 'utf8').replace(/^include .*$/m, '');
    writeFileSync(file, one + groupOf('wan'));
    for (const name of ['wan', 'lan']) lab.addSwitch(name);
    for (const name of ['a', 'b']) lab.addHost(name);
    lab.connect('a', 'wan0', 'wan', null);
    lab.connect('a', 'lan0', 'lan', null);
    lab.connect('b', 'wan0', 'wan', `${peer}/24`);
    const node = keelsonNode(lab, 'a', conf);
    node.start();
    await until('keelson to be active', () => isActive(node), 60_000);
    const backup = startKeepalived(lab, 'b', keepalivedConf);
    await until('keepalived to run', () => backup.output().includes('Entering BACKUP'), 10_000);

    const quiet = await capture(lab, 'wan');
    const begun: (readonly [number, string])[] = [];
    for (const name of ['controller', 'vrrp', 'healthcheck', 'dataplane', 'supervisor'] as const) {
      begun.push([Date.now(), name]);
      const before = pidOf(node.runDir, name);
      signal(node, name, 'SIGKILL');
      // By then keepalived would be active.
      await pause(activeDownMs + 500);
      if (name === 'supervisor') node.start();
      await until(
        `${name} to run again`,
        () => ![null, before].includes(pidOf(node.runDir, name)) && isActive(node),
        60_000,
      );
    }
    // One more member of the sync group: what is held stays held.
    begun.push([Date.now(), 'nobody, at a reload']);
    writeFileSync(file, one + second + groupOf('wan', 'two'));
    node.command('reload');
    const hasTwo = async (): Promise<boolean> => (await node.status())?.vrrp.length === 2;
    await until('both to be active', async () => (await hasTwo()) && isActive(node), 60_000);
    await pause(activeDownMs + 500);
    await quiet.stop();
    const during = (at: number): string =>
      begun.findLast(([from]) => from <= at * 1000)?.[1] ?? 'nothing';
    const strange = quiet
      .fields('vrrp', 'ip.src', 'vrrp.prio', 'frame.time_epoch')
      .flatMap(([source = '', priority = '', at]) =>
        source === own && priority === '150'
          ? []
          : [`${source} priority ${priority} after the death of ${during(Number(at))}`],
      );
    t.deepEqual(strange, [], node.output().slice(-6000));
    t.false(backup.output().includes('Entering MASTER'));
    t.deepEqual(quiet.judge().complaints, []);

    const moved = await capture(lab, 'wan');
    signal(node, 'vrrp', 'SIGSTOP');
    await until(
      'keepalived to take over',
      () => backup.output().includes('Entering MASTER'),
      20_000,
    );
    const stopped = pidOf(node.runDir, 'vrrp');
    if (stopped !== null) signalIfThere(stopped, 'SIGCONT');
    await until(
      'keepalived to give the address back',
      () =>
        backup.output().lastIndexOf('Entering BACKUP') > backup.output().indexOf('Entering MASTER'),
      30_000,
    );
    await pause(activeDownMs + 500);
    await moved.stop();
    t.is(backup.output().split('Entering MASTER').length - 1, 1, 'keepalived was active once');
    const order = moved
      .fields('vrrp && vrrp.prio > 0 && vrrp.virt_rtr_id == 51', 'ip.src')
      .map(([source]) => source)
      .filter((source, i, all) => source !== all[i - 1]);
    t.deepEqual(order.slice(-2), [peer, own]);
    t.deepEqual(order.filter((source) => source === peer).length, 1, order.join(' '));
  } finally {
    await lab.close();
  }
});
