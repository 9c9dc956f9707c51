import test from 'ava';
import fc from 'fast-check';
import { probeQueue } from '../../../src/healthcheck/queue.js';
import type { ProbeResult } from '../../../src/healthcheck/types.js';
import { tcp } from './samples.js';

const ok: ProbeResult = { type: 'ok', weightDelta: 0 };

/** A queue whose probes end when told to. */
function bench(limit: number) {
  const running = new Map<number, (r: ProbeResult) => void>();
  const log: string[] = [];
  let most = 0;
  let next = 0;
  const queue = probeQueue(limit, (_spec, ended) => {
    const id = next++;
    running.set(id, ended);
    most = Math.max(most, running.size);
    return () => running.delete(id);
  });
  const add = (name: string) =>
    queue.add(tcp, {
      started: () => log.push(`${name} started`),
      ended: (r) => log.push(`${name} ${r.type}`),
    });
  const end = (id: number): void => {
    const ended = running.get(id);
    running.delete(id);
    ended?.(ok);
  };
  return { queue, add, end, log, running, most: () => most };
}

test('the rest wait their turn, first come, first served', (t) => {
  const b = bench(2);
  for (const name of ['a', 'b', 'c', 'd']) b.add(name);
  t.deepEqual(b.log, ['a started', 'b started']);
  t.is(b.queue.counters().probesQueued, 2);
  b.end(1);
  b.end(0);
  t.deepEqual(b.log.slice(2), ['b ok', 'c started', 'a ok', 'd started']);
});

test('a cancelled probe ends without a result and leaves its place', (t) => {
  const b = bench(1);
  const cancelA = b.add('a');
  const cancelB = b.add('b');
  b.add('c');
  cancelB();
  cancelA();
  cancelA();
  t.deepEqual(b.log, ['a started', 'c started']);
  t.is(b.queue.counters().probesRunning, 1);
});

test('law: never more than the limit on the wire, and all that is not cancelled ends', (t) => {
  const deeds = fc.array(
    fc.oneof(fc.constant(-1), fc.nat({ max: 20 }), fc.integer({ min: 100, max: 120 })),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), deeds, (limit, all) => {
      const b = bench(limit);
      const cancels: (() => void)[] = [];
      for (const d of all) {
        if (d < 0) cancels.push(b.add(`${cancels.length}`));
        else if (d < 100) b.end(d);
        else cancels[d - 100]?.();
        t.is(b.queue.counters().probesRunning, b.running.size);
      }
      for (let id = 0; id < 100; id++) b.end(id);
      t.true(b.most() <= limit);
      const c = b.queue.counters();
      t.is(c.probesRunning + c.probesQueued, 0);
    }),
  );
});
