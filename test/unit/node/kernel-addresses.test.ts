import test from 'ava';
import type { KernelPlan } from '../../../src/cluster/plan.js';
import { applyKernelPlan } from '../../../src/node/kernel-addresses.js';

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
    'route del 0.0.0.0/0',
    'route del ::/0',
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
