import test from 'ava';
import type { ProcessName } from '../../../src/node/privileges.js';
import { nextToReplace, type Running } from '../../../src/node/upgrade.js';

const order: readonly ProcessName[] = ['controller', 'healthcheck', 'vrrp'];
const all = (versions: Partial<Record<ProcessName, string | null>>): readonly Running[] =>
  (['dataplane', 'vrrp', 'healthcheck', 'controller'] as const).map((name) => ({
    name,
    state: 'running',
    version: versions[name] ?? null,
  }));

test('processes of another version are replaced one by one, the data plane never', (t) => {
  const old = { vrrp: '1', healthcheck: '1', controller: '1', dataplane: '1' };
  t.is(nextToReplace(all(old), order, '2'), 'controller');
  t.is(nextToReplace(all({ ...old, controller: '2' }), order, '2'), 'healthcheck');
  t.is(nextToReplace(all({ ...old, controller: '2', healthcheck: '2' }), order, '2'), 'vrrp');
  t.is(nextToReplace(all({ dataplane: '1' }), order, '2'), null);
});

test('nothing is replaced while a process is on its way up', (t) => {
  const running = all({ vrrp: '1', controller: '1' });
  const starting = running.map((p) =>
    p.name === 'controller' ? { ...p, state: 'starting' as const } : p,
  );
  t.is(nextToReplace(starting, order, '2'), null);
});
