import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import pino from 'pino';
import type { KernelPlan } from '../../../src/cluster/plan.js';
import { applyKernelPlan } from '../../../src/node/kernel-addresses.js';
import { kernelQueue } from '../../../src/node/kernel-queue.js';

const place = { file: 'k', line: 1, column: 1 };
const address = (a: string) => ({ address: a, prefixLength: 24, dev: 'dpdk0.kni', place });
const route = (destination: string, prefixLength: number, via: string) => ({
  destination,
  prefixLength,
  via,
  dev: null,
  src: null,
  metric: null,
  place,
});
const first: KernelPlan = {
  addresses: [address('10.1.0.1'), address('10.1.0.2')],
  routes: [route('0.0.0.0', 0, '10.1.0.254'), route('::', 0, '2001:db8::1')],
};

test('a plan is one run of ip, however many routes it has', async (t) => {
  const runs: (readonly string[])[] = [];
  const routes = Array.from({ length: 1000 }, (_, i) =>
    route(`10.2.${i >> 8}.${i & 255}`, 32, '10.1.0.254'),
  );
  const failures = await applyKernelPlan({ addresses: [], routes }, null, async (lines) => {
    runs.push(lines);
    return null;
  });
  t.deepEqual(failures, []);
  t.is(runs.length, 1);
  t.is(runs[0]?.length, 1000);
});

test('what is gone leaves before what is there is set', async (t) => {
  let lines: readonly string[] = [];
  const run = async (l: readonly string[]): Promise<null> => {
    lines = l;
    return null;
  };
  await applyKernelPlan(first, null, run);
  t.deepEqual(lines, [
    'address replace 10.1.0.1/24 dev dpdk0.kni',
    'address replace 10.1.0.2/24 dev dpdk0.kni',
    'route replace 0.0.0.0/0 via 10.1.0.254',
    'route replace ::/0 via 2001:db8::1',
  ]);
  await applyKernelPlan({ addresses: [address('10.1.0.2')], routes: [] }, first, run);
  t.deepEqual(lines, [
    'route del 0.0.0.0/0 via 10.1.0.254',
    'route del ::/0 via 2001:db8::1',
    'address del 10.1.0.1/24 dev dpdk0.kni',
    'address replace 10.1.0.2/24 dev dpdk0.kni',
  ]);
});

test('each failure is reported with the command it is about', async (t) => {
  const text = 'Cannot find device "dpdk0.kni"\nCommand failed -:2\nError: x.\nCommand failed -:4';
  t.deepEqual(await applyKernelPlan(first, null, async () => text), [
    'ip address replace 10.1.0.2/24 dev dpdk0.kni: Cannot find device "dpdk0.kni"',
    'ip route replace ::/0 via 2001:db8::1: Error: x.',
  ]);
  t.deepEqual(await applyKernelPlan(first, null, async () => 'spawn ip ENOENT'), [
    'ip -batch: spawn ip ENOENT',
  ]);
});

test('what is not there need not be deleted, and is no failure', async (t) => {
  const text = 'RTNETLINK answers: No such process\nCommand failed -:1';
  t.deepEqual(await applyKernelPlan({ addresses: [], routes: [] }, first, async () => text), []);
});

/** A kernel that obeys ip(8): addresses by device, routes by destination and metric. */
const modelled = () => {
  const held = new Map<string, string>();
  const run = async (lines: readonly string[]): Promise<null> => {
    for (const line of lines) {
      const [kind = '', verb, what = '', ...more] = line.split(' ');
      const at = more.indexOf('metric');
      const metric = at < 0 ? '-' : more[at + 1];
      const key = kind === 'route' ? `route ${what} ${metric}` : `address ${what} ${more[1]}`;
      if (verb === 'del') held.delete(key);
      else held.set(key, line);
    }
    return null;
  };
  return { held, run };
};

test('law: after any plans and restarts the kernel holds what a fresh one would', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'kernel-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const log = pino({ level: 'silent' });
  const anAddress = fc.constantFrom('10.1.0.1', '10.1.0.2').map(address);
  const aRoute = fc
    .tuple(
      fc.constantFrom('10.5.0.0', '10.6.0.0'),
      fc.constantFrom('10.1.0.254', '10.1.0.253'),
      fc.constantFrom(null, 10, 20),
    )
    .map(([to, via, metric]) => ({ ...route(to, 16, via), metric }));
  const aPlan = fc.record({
    addresses: fc.uniqueArray(anAddress, { selector: (a) => a.address }),
    routes: fc.uniqueArray(aRoute, { selector: (r) => `${r.destination} ${r.metric}` }),
  });
  let files = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(aPlan, fc.boolean()), { minLength: 1 }), async (steps) => {
      const path = join(dir, `${files++}.json`);
      const kernel = modelled();
      let queue = kernelQueue(path, log, kernel.run);
      let last: KernelPlan = { addresses: [], routes: [] };
      for (const [plan, restarts] of steps) {
        if (restarts) queue = kernelQueue(path, log, kernel.run);
        queue.apply(plan);
        await queue.settled();
        last = plan;
      }
      const fresh = modelled();
      await applyKernelPlan(last, null, fresh.run);
      t.deepEqual([...kernel.held].sort(), [...fresh.held].sort());
    }),
    { numRuns: 100 },
  );
});
