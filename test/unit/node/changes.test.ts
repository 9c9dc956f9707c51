import test from 'ava';
import { changesBetween } from '../../../src/node/changes.js';
import { configOf, realServer, runningNode, service } from '../cluster/fixture.js';

const stateOf = (
  services: string,
  change: (c: ReturnType<typeof configOf>) => object = () => ({}),
) => {
  const config = configOf(services);
  return runningNode({ ...config, ...change(config) }).state();
};

test('a reload of the same files has changed nothing, wherever things stand in them', async (t) => {
  t.deepEqual(await changesBetween(stateOf(service(80)), stateOf(service(80))), []);
  t.deepEqual(await changesBetween(stateOf(service(80)), stateOf(`\n\n${service(80)}`)), []);
});

test('services that came, went, or are others than before', async (t) => {
  t.deepEqual((await changesBetween(stateOf(service(80)), stateOf(service(81)))).slice(0, 2), [
    '- TCP 198.51.100.80:80',
    '+ TCP 198.51.100.80:81',
  ]);
  t.deepEqual(
    await changesBetween(
      stateOf(service(80)),
      stateOf(service(80).replaceAll('weight 10', 'weight 9')),
    ),
    ['~ TCP 198.51.100.80:80'],
  );
});

test('what is said besides services is told as well', async (t) => {
  const before = stateOf(service(80));
  t.deepEqual(await changesBetween(before, stateOf(service(80, 'delay_loop 9'))), [
    '~ health checks',
  ]);
  t.deepEqual(
    await changesBetween(
      before,
      stateOf(service(80).replace('TCP_CHECK {', 'TCP_CHECK {\n retry 7')),
    ),
    ['~ health checks'],
  );
  const dpvs = '~ timeouts and parameters of dpvs.conf';
  for (const part of [{ resetExpired: false }, { reuseStates: [] }, { vipLeaseMs: 900 }])
    t.deepEqual(
      await changesBetween(
        before,
        stateOf(service(80), (c) => ({ dpvs: { ...c.dpvs, ...part } })),
      ),
      [dpvs],
      JSON.stringify(part),
    );
});

test('whatever is changed of a service is found, also of a server that is down', async (t) => {
  const config = configOf(service(80));
  const [v] = config.keepalived.virtualServers;
  if (v === undefined) throw new Error('no service');
  const withService = (change: Partial<typeof v>) => {
    const keepalived = { ...config.keepalived, virtualServers: [{ ...v, ...change }] };
    return { ...config, keepalived };
  };
  const withDeadServer = (c: typeof config) => {
    const n = runningNode(c);
    n.tell(realServer('10.1.0.11', false));
    return n.state();
  };
  const heavier = v.realServers.map((r) => ({ ...r, weight: r.weight + 1 }));
  const changes: readonly Partial<typeof v>[] = [
    { realServers: heavier },
    { quorum: 2 },
    { sorryServer: { address: '10.1.0.99', port: 80 } },
    { scheduler: 'wlc' },
    { inhibitOnFailure: true },
    { establishTimeoutMs: 5 },
  ];
  for (const change of changes)
    t.deepEqual(
      await changesBetween(withDeadServer(config), withDeadServer(withService(change))),
      ['~ TCP 198.51.100.80:80'],
      JSON.stringify(change),
    );
});

test('many services are compared in many turns', async (t) => {
  const all = (weight: number) =>
    stateOf(
      Array.from({ length: 600 }, (_, i) =>
        service(1000 + i).replaceAll('weight 10', `weight ${weight}`),
      ).join(''),
    );
  let turns = 0;
  const changes = await changesBetween(all(10), all(11), async () => {
    turns += 1;
  });
  t.is(changes.length, 600);
  t.true(turns > 2);
});
