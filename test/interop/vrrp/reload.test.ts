/** The vrrp process under its controller: reloads, sync groups, and the journal it leaves. Needs root. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { readJournal, replayable, replayLines } from '../../../src/kernel/journal.js';
import { vrrpKind } from '../../../src/vrrp/journal.js';
import { type InstanceConfig, instanceDefaults } from '../../../src/vrrp/messages.js';
import type { MemberEffect } from '../../../src/vrrp/syncgroup.js';
import { patience } from '../../support/patience.js';
import { createLab, type KeelsonNode, until } from '../../support/vrrp/lab.js';

const instance = (name: string, vrid: number, o: Partial<InstanceConfig> = {}): InstanceConfig => ({
  ...instanceDefaults,
  name,
  interface: 'eth0',
  vrid,
  version: 3,
  advertMs: 100,
  addresses: [`10.9.0.${100 + vrid}`],
  ...o,
});

const stateOf = (node: KeelsonNode, name: string): string =>
  node.states(name).at(-1)?.state ?? 'none';
const are = (node: KeelsonNode, state: string, ...names: readonly string[]): Promise<number> =>
  until(`${names} to be ${state}`, () => names.every((n) => stateOf(node, n) === state), 5000);

test.serial(
  'a reload removes one instance, renames another and leaves the rest alone',
  async (t) => {
    const lab = createLab('reload');
    try {
      const router = lab.router('a');
      await lab.capture();
      const node = lab.keelson(router, [
        instance('one', 1),
        instance('two', 2),
        instance('three', 3),
      ]);
      await are(node, 'active', 'one', 'two', 'three');
      node.reload([instance('uno', 1), instance('three', 3)]);
      await are(node, 'active', 'uno', 'three');
      await until('two to be gone', () => !lab.has(router, '10.9.0.102'), 2000);
      await lab.stopCapture();

      const sent = (vrid: number) => lab.adverts().filter((a) => a.vrid === vrid);
      t.deepEqual(
        [1, 2, 3].map((vrid) => sent(vrid).some((a) => a.priority === 0)),
        [false, true, false],
      );
      t.is(sent(2).at(-1)?.priority, 0);
      for (const vrid of [1, 3]) {
        const times = sent(vrid).map((a) => a.at);
        const gaps = times.slice(1).map((at, i) => at - (times[i] ?? at));
        t.true(Math.max(...gaps) < 100 + 30 * patience(), `longest gap ${Math.max(...gaps)} ms`);
      }
      t.true(lab.has(router, '10.9.0.101'));
      t.is(lab.complaints(), '');
    } finally {
      await lab.close();
    }
  },
);

test.serial(
  'members that are put into a sync group at a reload keep their state, and then share their fate',
  async (t) => {
    const lab = createLab('sync');
    try {
      const router = lab.router('a');
      const rival = lab.router('b');
      const node = lab.keelson(router, [instance('in', 1), instance('out', 2)]);
      await are(node, 'active', 'in', 'out');
      const members = ['eth0 1 inet', 'eth0 2 inet'];
      node.reload([instance('in', 1), instance('out', 2)], [{ name: 'G', members }]);
      await are(node, 'active', 'in', 'out');
      // A better router for one of them only.
      const better = lab.keelson(rival, [instance('in', 1, { priority: 200 })]);
      await are(better, 'active', 'in');
      await until('out to follow in', () => stateOf(node, 'out') === 'backup', 2000);
      t.false(node.states('in').some((s) => s.state === 'fault'));
      t.is(stateOf(node, 'in'), 'backup');
    } finally {
      await lab.close();
    }
  },
);

test.serial('a journal that was written on the wire replays to the same transitions', async (t) => {
  const lab = createLab('journal');
  try {
    const router = lab.router('a');
    const rival = lab.router('b');
    const file = path.join(lab.directory, `${router.namespace}-journal.jsonl`);
    const node = lab.keelson(router, [instance('V', 1)]);
    await are(node, 'active', 'V');
    const better = lab.keelson(rival, [instance('V', 1, { priority: 200 })]);
    await are(node, 'backup', 'V');
    await better.kill('SIGTERM');
    await are(node, 'active', 'V');
    const transitions = (): readonly string[] =>
      [...replayLines(readJournal(readFileSync(file, 'utf8')), [replayable(vrrpKind)])].flatMap(
        (step) =>
          'effects' in step
            ? (step.effects as readonly MemberEffect[]).flatMap(({ effect: e }) =>
                e.type === 'transition' ? [`${e.to}: ${e.reason}`] : [],
              )
            : [],
      );
    await until('the journal to be written', () => transitions().length >= 4, 5000);

    const lived = node
      .states('V')
      .filter((s, i, all) => s.state !== all[i - 1]?.state && s.state !== 'initialize')
      .map((s) => `${s.state}: ${s.reason}`);
    t.deepEqual(transitions(), lived);
    t.deepEqual(
      lived.map((l) => l.split(':')[0]),
      ['backup', 'active', 'backup', 'active'],
    );
  } finally {
    await lab.close();
  }
});
