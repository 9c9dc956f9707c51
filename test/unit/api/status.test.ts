import test from 'ava';
import { nothingMore } from '../../../src/api/status.js';
import { pieces } from '../../../src/api/stream.js';
import type { StatusView, VirtualServerView } from '../../../src/api/views.js';
import type { State } from '../../../src/cluster/machine.js';
import { applyCommands } from '../../../src/cluster/runtime/apply.js';
import { emptyRuntime } from '../../../src/cluster/runtime/types.js';
import { apiBackend } from '../../../src/node/api-backend.js';
import { configOf, runningNode } from '../cluster/fixture.js';

const config = configOf('');
const service = (address: string) => ({
  op: 'service.add',
  service: { protocol: 'TCP', address, port: 80, match: null },
});

const never = (): never => {
  throw new Error('not asked for in this test');
};

const statusOf = async (state: State): Promise<StatusView> => {
  const backend = apiBackend({
    state: () => state,
    dataplane: {
      overview: () => null,
      servers: () => null,
      list: never,
      sessionPages: never,
      lease: async () => [],
    },
    startedAt: 0,
    configuration: () => ({ loadedAt: 0, error: null }),
    more: () => nothingMore,
    reload: never,
    change: never,
    isStopping: () => false,
    log: { info: () => undefined },
  });
  let text = '';
  for await (const piece of pieces(await backend.status({ services: 0, first: 'all' }), 'json'))
    text += piece;
  return JSON.parse(text) as StatusView;
};

const views = async (...commands: readonly object[]): Promise<readonly VirtualServerView[]> => {
  const runtime = applyCommands(config, emptyRuntime, commands);
  if (!runtime.ok) throw new Error(runtime.error.reason);
  const n = runningNode(config);
  n.tell({ type: 'runtime', runtime: runtime.value });
  n.ack(2);
  return (await statusOf(n.state())).virtualServers;
};

test('a service whose address is on no device says so, and what to do', async (t) => {
  const [four] = await views(service('203.0.113.1'));
  t.is(
    four?.reason,
    'set by a command; 203.0.113.1 is on no device: dpip addr add 203.0.113.1/32 dev DEVICE',
  );
  t.regex(
    (await views(service('2001:db8::1')))[0]?.reason ?? '',
    /dpip addr add 2001:db8::1\/128 dev/,
  );
  const address = {
    op: 'address.add',
    device: 'dpdk1',
    prefix: '203.0.113.1/32',
    local: false,
  };
  t.is((await views(address, service('203.0.113.1')))[0]?.reason, 'set by a command');
});
