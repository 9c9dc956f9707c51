/** What the node knows of its neighbours, in virtual time. */
import test from 'ava';
import type { Snapshot } from '../../../src/dataplane/snapshot.js';
import { decodeAsk, encodeGreeting } from '../../support/sim/frames.js';
import { type Kind, macOf, ports, sides, wanted, withSim } from '../../support/sim/world.js';

const kind: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
const routers = ['198.51.100.97', '198.51.100.98'] as const;

/** Two ways side by side: each router is asked whether it is used or not. */
const twoWays = (params: Snapshot['params']): Snapshot => ({
  ...wanted(kind),
  params,
  routes: routers.map((gateway) => ({
    device: 'dpdk1',
    destination: '203.0.113.0',
    prefixLength: 24,
    gateway,
    source: null,
    mtu: 0,
    metric: 0,
  })),
});

test('a shorter timeout holds for neighbours that are known already', async (t) => {
  await withSim(kind, 1, async (sim) => {
    const asked = async (ms: number): Promise<readonly string[]> =>
      (await sim.advance(ms)).flatMap((o) => {
        const ask = o.fate === 'tx' ? decodeAsk(o.bytes) : null;
        return ask === null ? [] : [ask.target];
      });
    await sim.apply(twoWays({}));
    for (const address of routers) {
      const to = { mac: ports.dpdk1, address: sides[4].wan };
      await sim.frame('dpdk1', encodeGreeting(address, macOf(address), to));
    }
    t.deepEqual(await asked(30_000), [], 'a minute by default');
    await sim.apply(twoWays({ neighbourTimeout: 2000 }));
    t.deepEqual([...new Set(await asked(3000))].sort(), [...routers]);
  });
});
