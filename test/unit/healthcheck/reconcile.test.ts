import test from 'ava';
import fc from 'fast-check';
import { reconcile } from '../../../src/healthcheck/reconcile.js';
import type { CheckerConfig } from '../../../src/healthcheck/types.js';
import { checkerConfig, http, tcp, udp } from './samples.js';

const on = (port: number): CheckerConfig => ({
  ...checkerConfig,
  probe: { ...tcp, endpoint: { ...tcp.endpoint, port } },
});
const web: CheckerConfig = { ...checkerConfig, probe: http };

function plan(old: readonly CheckerConfig[], wanted: readonly CheckerConfig[]) {
  let fresh = 0;
  const r = reconcile(
    old.map((config, i) => ({ key: `old ${i}`, config })),
    wanted,
    () => `new ${fresh++}`,
  );
  return { keys: r.checkers.map((c) => c.key), removed: r.removed };
}

test('checkers with the very same probe are paired wherever they stand', (t) => {
  t.deepEqual(plan([on(1), on(2), web], [web, on(2), on(1)]), {
    keys: ['old 2', 'old 1', 'old 0'],
    removed: [],
  });
});

test('a checker whose parameters changed is still the same checker', (t) => {
  t.deepEqual(plan([on(1), on(2)], [on(3), on(1)]), { keys: ['old 1', 'old 0'], removed: [] });
});

test('a checker of another kind is another checker', (t) => {
  t.deepEqual(plan([on(1)], [web]), { keys: ['new 0'], removed: ['old 0'] });
});

test('law: no key is used twice, and every old key is kept or removed', (t) => {
  const some = fc.array(
    fc.constantFrom(on(1), on(2), on(3), web, { ...checkerConfig, probe: udp }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(some, some, (old, wanted) => {
      const { keys, removed } = plan(old, wanted);
      t.is(new Set([...keys, ...removed]).size, keys.length + removed.length);
      t.is(keys.length, wanted.length);
      t.is([...keys, ...removed].filter((k) => k.startsWith('old')).length, old.length);
      if (JSON.stringify(old) === JSON.stringify(wanted)) t.deepEqual(removed, []);
    }),
  );
});
