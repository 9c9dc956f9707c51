import test from 'ava';
import { capabilitiesOf, choices, prefix } from '../../../src/node/privileges.js';

const nobody = { uid: 65_534, gid: 65_534 };

test('health checks run as another user without any capability', (t) => {
  const [first] = choices('healthcheck', nobody);
  t.deepEqual(first, { user: nobody, capabilities: [], realtime: null });
  t.deepEqual(first === undefined ? [] : prefix(first), [
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
  ]);
});

test('vrrp has its real-time priority from its first instruction, where that is allowed', (t) => {
  const all = choices('vrrp', nobody);
  t.is(all[0]?.realtime, 10);
  t.is(all.at(-1)?.realtime, null);
  t.deepEqual(all[0]?.capabilities, ['net_raw', 'net_admin', 'sys_nice']);
});

test('every choice takes away privileges; none but the data plane has sys_admin', (t) => {
  for (const name of ['dataplane', 'vrrp', 'healthcheck', 'controller'] as const) {
    t.is(capabilitiesOf(name).includes('sys_admin'), name === 'dataplane');
    for (const c of choices(name, nobody)) t.true(prefix(c).includes('--no-new-privs'));
  }
});
