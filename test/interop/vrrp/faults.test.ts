/** What goes wrong on an active Keelson node, with Debian's keepalived waiting. Needs root. */
import test from 'ava';
import { instanceDefaults } from '../../../src/vrrp/messages.js';
import {
  createLab,
  type KeelsonNode,
  type Lab,
  type Router,
  until,
} from '../../support/vrrp/lab.js';

const vip = '10.9.0.100';
const advertMs = 100;
/** Of the backup, priority 100. */
const skew = (156 / 256) * advertMs;

interface Pair {
  readonly lab: Lab;
  readonly keelson: Router;
  readonly keepalived: Router;
  readonly node: KeelsonNode;
  /** Priorities seen from Keelson, in their order. */
  readonly sent: () => readonly number[];
}

const backupConfig = (addresses: readonly string[]): string => `vrrp_instance V {
  interface eth0
  version 3
  virtual_router_id 51
  priority 100
  advert_int 0.1
  virtual_ipaddress {
    ${addresses.join('\n    ')}
  }
}
`;

/** Keelson active, keepalived backup, and a capture of what follows. */
async function withPair(run: (pair: Pair) => Promise<void>): Promise<void> {
  const lab = createLab('fault');
  try {
    const keelson = lab.router('a');
    const keepalived = lab.router('b');
    const node = lab.keelson(keelson, [
      {
        ...instanceDefaults,
        name: 'V',
        interface: 'eth0',
        vrid: 51,
        version: 3,
        advertMs,
        priority: 150,
        addresses: [vip],
      },
    ]);
    await until('keelson to be active', () => lab.has(keelson, vip), 5000);
    const backup = lab.keepalived(keepalived, backupConfig([vip]));
    await until('keepalived to run', () => backup.output().includes('Entering BACKUP'), 5000);
    await lab.capture();
    const sent = (): readonly number[] =>
      lab
        .adverts()
        .filter((a) => a.source === keelson.address)
        .map((a) => a.priority);
    await run({ lab, keelson, keepalived, node, sent });
  } finally {
    await lab.close();
  }
}

const reasonOf = (node: KeelsonNode): string => {
  const last = node.states('V').at(-1);
  return last === undefined ? '' : `${last.state}: ${last.reason}`;
};

test.serial(
  'the source address is removed: fault, with priority 0; it comes back: active again',
  (t) =>
    withPair(async ({ lab, keelson, keepalived, node, sent }) => {
      lab.exec(keelson, 'ip', 'addr', 'del', `${keelson.address}/24`, 'dev', 'eth0');
      const took = await until('keepalived to take over', () => lab.has(keepalived, vip), 3000);
      t.true(took < skew + 300, `${took} ms`);
      t.regex(reasonOf(node), /^fault: interface eth0 has no IPv4 address/);
      lab.exec(keelson, 'ip', 'addr', 'add', `${keelson.address}/24`, 'dev', 'eth0');
      await until('keelson to be active again', () => lab.has(keelson, vip), 3000);
      await until('keepalived to give up', () => !lab.has(keepalived, vip), 3000);
      await lab.stopCapture();
      t.true(sent().includes(0));
      t.is(sent().at(-1), 150);
    }),
);

test.serial('the interface goes down: fault; it comes up: active again on a new socket', (t) =>
  withPair(async ({ lab, keelson, keepalived, node }) => {
    lab.exec(keelson, 'ip', 'link', 'set', 'eth0', 'down');
    await until('keepalived to take over', () => lab.has(keepalived, vip), 3000);
    await until(
      'the fault',
      () => reasonOf(node).startsWith('fault: interface eth0 is down'),
      5000,
    );
    lab.exec(keelson, 'ip', 'link', 'set', 'eth0', 'up');
    await until('keelson to be active again', () => reasonOf(node).startsWith('active'), 3000);
    await until('keepalived to give up', () => !lab.has(keepalived, vip), 3000);
    t.pass();
  }),
);

test.serial(
  'keepalived with another list of addresses: one active, one remark (RFC 9568 §7.1)',
  (t) =>
    withPair(async ({ lab, keepalived, node }) => {
      const other = lab.router('c');
      const better = backupConfig([vip, '10.9.0.101']).replace('priority 100', 'priority 200');
      lab.keepalived(other, better);
      await until('the better one to take over', () => lab.has(other, vip), 3000);
      await until('keelson to yield', () => reasonOf(node).startsWith('backup'), 3000);
      const remarks = node
        .output()
        .split('\n')
        .filter((line) => line.includes('address list mismatch'));
      t.true(remarks.length >= 1 && remarks.length <= 2, `${remarks.length} remarks`);
      t.false(lab.has(keepalived, '10.9.0.101'));
    }),
);
