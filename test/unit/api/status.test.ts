import test from 'ava';
import { nothingMore, statusView } from '../../../src/api/status.js';
import type { VirtualServerView } from '../../../src/api/views.js';
import { applyCommands } from '../../../src/cluster/runtime/apply.js';
import { emptyRuntime } from '../../../src/cluster/runtime/types.js';
import { configOf, runningNode } from '../cluster/fixture.js';

const config = configOf('');
const service = (address: string) => ({
  op: 'service.add',
  service: { protocol: 'TCP', address, port: 80, match: null },
});

const views = (...commands: readonly object[]): readonly VirtualServerView[] => {
  const runtime = applyCommands(config, emptyRuntime, commands);
  if (!runtime.ok) throw new Error(runtime.error.reason);
  const n = runningNode(config);
  n.tell({ type: 'runtime', runtime: runtime.value });
  n.ack(2);
  return statusView({
    state: n.state(),
    counters: null,
    pid: 1,
    version: '0',
    startedAt: 0,
    configLoadedAt: 0,
    configError: null,
    more: nothingMore,
    iso: (ms) => new Date(ms).toISOString(),
  }).virtualServers;
};

test('a service whose address is on no device says so, and what to do', (t) => {
  const [four] = views(service('203.0.113.1'));
  t.is(
    four?.reason,
    'set by a command; 203.0.113.1 is on no device: dpip addr add 203.0.113.1/32 dev DEVICE',
  );
  t.regex(views(service('2001:db8::1'))[0]?.reason ?? '', /dpip addr add 2001:db8::1\/128 dev/);
  const address = {
    op: 'address.add',
    device: 'dpdk1',
    prefix: '203.0.113.1/32',
    local: false,
  };
  t.is(views(address, service('203.0.113.1'))[0]?.reason, 'set by a command');
});
