import test from 'ava';
import { changesBetween } from '../../../src/node/changes.js';
import { configOf, runningNode, service } from '../cluster/fixture.js';

const stateOf = (
  services: string,
  change: (c: ReturnType<typeof configOf>) => object = () => ({}),
) => {
  const config = configOf(services);
  return runningNode({ ...config, ...change(config) }).state();
};

test('a reload of the same files has changed nothing, wherever things stand in them', (t) => {
  t.deepEqual(changesBetween(stateOf(service(80)), stateOf(service(80))), []);
  t.deepEqual(changesBetween(stateOf(service(80)), stateOf(`\n\n${service(80)}`)), []);
});

test('services that came, went, or are others than before', (t) => {
  t.deepEqual(changesBetween(stateOf(service(80)), stateOf(service(81))).slice(0, 2), [
    '- TCP 198.51.100.80:80',
    '+ TCP 198.51.100.80:81',
  ]);
  t.deepEqual(
    changesBetween(stateOf(service(80)), stateOf(service(80).replaceAll('weight 10', 'weight 9'))),
    ['~ TCP 198.51.100.80:80'],
  );
});

test('what is said besides services is told as well', (t) => {
  const before = stateOf(service(80));
  t.deepEqual(changesBetween(before, stateOf(service(80, 'delay_loop 9'))), ['~ health checks']);
  t.deepEqual(
    changesBetween(before, stateOf(service(80).replace('TCP_CHECK {', 'TCP_CHECK {\n retry 7'))),
    ['~ health checks'],
  );
  const dpvs = '~ timeouts and parameters of dpvs.conf';
  for (const part of [{ resetExpired: false }, { reuseStates: [] }, { vipLeaseMs: 900 }])
    t.deepEqual(
      changesBetween(
        before,
        stateOf(service(80), (c) => ({ dpvs: { ...c.dpvs, ...part } })),
      ),
      [dpvs],
      JSON.stringify(part),
    );
});
