/** Laws of controller and vrrp together: what dies or is refused beside it moves no address. */
import test from 'ava';
import fc from 'fast-check';
import type { Config } from '../../../src/config/config.js';
import { type Joint, joint, type Part } from '../../support/joint-world.js';
import { configOf, service, wan } from '../cluster/fixture.js';

const vip = 'dpdk1 198.51.100.80';
const advertMs = 1000;

const another = `
vrrp_instance lan {
  interface dpdk1.kni
  dpdk_interface dpdk1
  virtual_router_id 52
  virtual_ipaddress {
    198.51.100.90/32
  }
}
`;
const plain = configOf(service(80));
const larger = configOf(service(80) + service(443));
/** Parsed, and refused by the data plane: `wan` is not in it, so its removal would be seen. */
const refused = configOf(service(8080), another);
const refuses = (c: Config): boolean => c === refused;
const configs = { plain, larger, refused };
type Name = keyof typeof configs;

type Event =
  | { readonly type: 'reload'; readonly files: Name }
  | { readonly type: 'dataplane'; readonly downMs: number }
  | {
      readonly type: 'controller';
      readonly files: Name;
      readonly downMs: number;
      readonly order: readonly Part[];
      readonly gapMs: number;
      readonly checksToo: boolean;
      readonly lateMs: number;
    };

const files = fc.constantFrom<Name[]>('plain', 'larger', 'refused');
const parts: readonly Part[] = ['dataplane', 'vrrp', 'healthcheck'];
const order = fc.shuffledSubarray([...parts], { minLength: 3, maxLength: 3 });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant('reload' as const), files }),
  fc.record({ type: fc.constant('dataplane' as const), downMs: fc.constantFrom(200, 800, 1500) }),
  fc.record({
    type: fc.constant('controller' as const),
    files,
    downMs: fc.constantFrom(50, 1000, 5000),
    order,
    gapMs: fc.constantFrom(0, 50, 700),
    checksToo: fc.boolean(),
    lateMs: fc.constantFrom(0, 500, 6000),
  }),
);

interface Watched {
  readonly node: Joint;
  readonly broken: readonly string[];
}

/** An active router, and everything that is seen of it from then on. */
const watched = async (): Promise<Watched> => {
  const broken: string[] = [];
  let node: Joint | null = null;
  let isActive = false;
  let sent = 0;
  let lastAdvert = 0;
  const watch = (): void => {
    if (node === null) return;
    const now = node.vrrp.clock.now();
    if (node.vrrp.sent.length > sent) lastAdvert = now;
    sent = node.vrrp.sent.length;
    const state = node.vrrp.known().get(wan)?.state;
    isActive = isActive || state === 'active';
    if (!isActive) return;
    if (state !== 'active') broken.push(`${now}: ${state}`);
    if (!node.vrrp.leases.has(vip)) broken.push(`${now}: released`);
    if (now - lastAdvert >= 3 * advertMs) broken.push(`${now}: no advert since ${lastAdvert}`);
  };
  node = await joint(plain, refuses, watch);
  await node.run(6000);
  if (!isActive) throw new Error('it is not active');
  return { node, broken };
};

const play = async (node: Joint, e: Event): Promise<void> => {
  node.answerAfter(0);
  if (e.type === 'reload') node.reload(configs[e.files]);
  else if (e.type === 'dataplane') await node.restartDataplane(e.downMs);
  else {
    node.answerAfter(e.lateMs);
    await node.restartController({ ...e, config: configs[e.files] });
  }
  await node.run(8000);
};

test('law: no death and no refusal beside an active router takes its role or its silence', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 4 }), async (events) => {
      const { node, broken } = await watched();
      for (const e of events) await play(node, e);
      if (broken.length > 0) throw new Error(broken.slice(0, 3).join(', '));
    }),
    { numRuns: 40 },
  );
  t.pass();
});

test('law: a dead server stays out, in whatever order a controller that is new finds the others', async (t) => {
  await fc.assert(
    fc.asyncProperty(order, fc.constantFrom(0, 50, 700), fc.boolean(), async (o, gapMs, both) => {
      const { node } = await watched();
      node.down('[10.1.0.12]:tcp:80');
      await node.run(500);
      const before = node.servers();
      const config = plain;
      await node.restartController({ config, downMs: 200, order: o, gapMs, checksToo: both });
      await node.run(3000);
      return before.join() === '10.1.0.11:80' && node.servers().join() === before.join();
    }),
    { numRuns: 20 },
  );
  t.pass();
});
