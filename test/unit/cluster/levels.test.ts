import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { indexOf } from '../../../src/cluster/config-index.js';
import type { Effect } from '../../../src/cluster/diff.js';
import type { Input } from '../../../src/cluster/facts.js';
import type { Config } from '../../../src/config/config.js';
import { digestText } from '../../../src/dataplane/snapshot.js';
import { type End, type World, world } from '../../support/cluster-world.js';
import { batch, configOf, dataplaneUp, node, runningNode, service, vrrpState } from './fixture.js';

/*
 * The law of reload sequences: whatever happens (reloads that rename, exchange names, move addresses,
 * add, remove, reorder; restarts of any process; lost messages; late acknowledgements), the end is the
 * plan and the last levels at each process that a fresh start with the same facts gives.
 */

interface Router {
  readonly name: string;
  readonly vrid: number;
  readonly vips: readonly string[];
}

const router = ({ name, vrid, vips }: Router): string => `
vrrp_instance ${name} {
  interface dpdk1.kni
  dpdk_interface dpdk1
  virtual_router_id ${vrid}
  virtual_ipaddress {
    ${vips.map((a) => `${a}/32`).join('\n    ')}
  }
}
`;
const a = '198.51.100.80';
const b = '198.51.100.81';
const routers: readonly (readonly Router[])[] = [
  [{ name: 'wan', vrid: 51, vips: [a] }],
  [{ name: 'other', vrid: 51, vips: [a] }],
  [{ name: 'wan', vrid: 51, vips: [a, b] }],
  [
    { name: 'wan', vrid: 51, vips: [a] },
    { name: 'lan', vrid: 52, vips: [b] },
  ],
  [
    { name: 'lan', vrid: 51, vips: [a] },
    { name: 'wan', vrid: 52, vips: [b] },
  ],
  [
    { name: 'lan', vrid: 52, vips: [a] },
    { name: 'wan', vrid: 51, vips: [b] },
  ],
  [{ name: 'wan', vrid: 52, vips: [a] }],
];
const services: readonly string[] = [
  service(80),
  service(80) + service(443),
  service(443) + service(80),
  service(80, '', '10.1.0.11 10.1.0.12 10.1.0.13'),
  service(80, 'inhibit_on_failure').replaceAll('weight 10', 'weight 7'),
  service(443, 'sorry_server 10.1.0.99 8080', '10.1.0.13'),
];

const configs: readonly Config[] = routers.flatMap((r) =>
  services.map((s) => configOf(s, r.map(router).join('\n'))),
);
const anyConfig = fc.nat(configs.length - 1);
const configAt = (n: number): Config => configs[n] ?? configOf('');

/** By the name of a real server, as healthcheck has it. */
const anyServer = fc.constantFrom(
  ...['11', '12', '13'].flatMap((n) => [80, 443].map((p) => `[10.1.0.${n}]:tcp:${p}`)),
);
const anyPeer = fc.constantFrom('vrrp' as const, 'healthcheck' as const);
const ids = ['dpdk1.kni 51 inet', 'dpdk1.kni 52 inet'];

/** The configuration at the end, and who lives: the facts that a fresh start gets, too. */
interface Run {
  readonly w: World;
  config: number;
  readonly servers: Map<string, boolean>;
}
type Event = (r: Run) => void;

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: anyConfig.map(
      (n): Event =>
        (r) => {
          r.config = n;
          r.w.reload(configAt(n));
        },
    ),
  },
  fc.tuple(anyServer, fc.boolean()).map(
    ([rs, up]): Event =>
      (r) => {
        r.servers.set(rs, up);
        r.w.server(rs, up);
      },
  ),
  fc.constant<Event>((r) => r.w.probe()),
  fc.tuple(fc.constantFrom(...ids), fc.boolean()).map(
    ([id, up]): Event =>
      (r) =>
        r.w.elect(id, up),
  ),
  {
    weight: 4,
    arbitrary: fc.nat(5).map(
      (n): Event =>
        (r) =>
          r.w.deliver(n),
    ),
  },
  fc.tuple(anyPeer, fc.boolean()).map(
    ([p, died]): Event =>
      (r) =>
        r.w.disconnect(p, died),
  ),
  {
    weight: 2,
    arbitrary: anyPeer.map(
      (p): Event =>
        (r) =>
          r.w.connect(p),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Event>((r) => r.w.acknowledge()) },
  fc.boolean().map(
    (died): Event =>
      (r) =>
        r.w.loseDataplane(died),
  ),
  fc.option(anyConfig).map(
    (n): Event =>
      (r) => {
        r.config = n ?? r.config;
        r.w.restartController(configAt(r.config));
      },
  ),
);

const settled = (r: Run, active: ReadonlySet<string>): End => {
  r.w.settle();
  for (const id of ids) r.w.elect(id, active.has(id));
  r.w.settle();
  return r.w.end();
};

/** What each process must have, from the configuration itself. */
const checkEnd = (t: ExecutionContext, end: End, r: Run): void => {
  const { routers: wanted, virtualServers } = indexOf(configAt(r.config));
  t.is(end.held, end.desired);
  t.true(end.forThisDataplane);
  t.deepEqual(
    end.serviceable,
    [...wanted.keys()].sort().map((id) => [id, true]),
  );
  t.deepEqual(end.instances.map(([id, i]) => [id, i.name]).sort(), [
    ...[...wanted].map(([id, x]) => [id, x.instance.name]).sort(),
  ]);
  t.deepEqual(end.checks.map((c) => c.id).sort(), virtualServers.map((v) => v.id).sort());
  const servers = virtualServers.flatMap((v) =>
    v.servers.map(({ name }) => [`${v.id} ${name}`, r.servers.get(name) ?? true] as const),
  );
  t.deepEqual(end.servers, servers.sort());
};

test('law: any history ends where a fresh start with the same facts ends', (t) => {
  fc.assert(
    fc.property(
      anyConfig,
      fc.array(anyEvent, { maxLength: 60 }),
      fc.subarray(ids),
      (first, history, active) => {
        const r: Run = { w: world(configAt(first)), config: first, servers: new Map() };
        for (const event of history) event(r);
        const end = settled(r, new Set(active));
        checkEnd(t, end, r);
        const fresh: Run = { ...r, w: world(configAt(r.config)) };
        for (const [rs, up] of r.servers) fresh.w.server(rs, up);
        t.deepEqual(end, settled(fresh, new Set(active)));
      },
    ),
    { numRuns: 300 },
  );
});

test('law: what a data plane has served is not called unserviceable while it is changed', (t) => {
  fc.assert(
    fc.property(anyConfig, fc.array(anyEvent, { maxLength: 60 }), (first, history) => {
      const r: Run = { w: world(configAt(first)), config: first, servers: new Map() };
      r.w.settle();
      for (const event of history) event(r);
      t.deepEqual(r.w.dropped(), []);
    }),
    { numRuns: 300 },
  );
});

test('law: where nothing is refused no instance is called unserviceable, new ones included', (t) => {
  fc.assert(
    fc.property(anyConfig, fc.array(anyEvent, { maxLength: 60 }), (first, history) => {
      const r: Run = { w: world(configAt(first)), config: first, servers: new Map() };
      r.w.settle();
      for (const event of history) event(r);
      t.deepEqual(r.w.withdrawn(), []);
    }),
    { numRuns: 300 },
  );
});

const outside = (effects: readonly Effect[]): readonly string[] =>
  effects.map((e) => e.type).filter((type) => type !== 'setDesired' && type !== 'takenBack');

test('law: a configuration that is refused has done nothing to vrrp, the checks and the kernel', (t) => {
  fc.assert(
    fc.property(anyConfig, anyConfig, (first, second) => {
      const n = runningNode(configAt(first));
      const { plan } = n.state();
      const effects = n.tell({ type: 'config', config: configAt(second) });
      // What changes nothing in the data plane is in force at once.
      if (n.state().facts.accepted?.config === configAt(second)) return;
      t.deepEqual(outside(effects), []);
      t.deepEqual(outside(n.refuse('there is no room')), []);
      t.is(n.state().facts.config, configAt(first));
      t.is(n.state().plan?.vrrp, plan?.vrrp);
      t.is(n.state().plan?.kernel, plan?.kernel);
      t.is(n.state().plan?.serviceable, plan?.serviceable);
      n.tell({ type: 'config', config: configAt(second) });
      const acked = outside(n.ack(2));
      t.true(acked.includes('kernel') && acked.includes('configureHealth'));
      // A new router begins with what is known of it.
      t.true(acked.indexOf('serviceable') <= acked.indexOf('configureVrrp'));
    }),
    { numRuns: 200 },
  );
});

test('virtual routers that run are left as they are until the data plane takes the files', (t) => {
  const n = node(configAt(18));
  n.tell({ type: 'start' });
  const report = vrrpState('active');
  const whole: Input =
    report.type === 'vrrp' && report.message.type === 'states'
      ? { type: 'vrrp', message: { ...report.message, whole: true } }
      : report;
  t.deepEqual(n.tell(batch({ type: 'connected', peer: 'vrrp', at: 1 }, whole)), []);
  t.deepEqual(outside(n.tell(dataplaneUp({ generation: 3 }))), []);
  t.deepEqual(outside(n.refuse('there is no room')), []);
  n.tell({ type: 'config', config: configAt(0) });
  t.deepEqual(outside(n.ack(3)), ['kernel', 'serviceable', 'configureVrrp']);
});

test('the refusal of an older configuration leaves the newer one in use', (t) => {
  const n = runningNode(configAt(0));
  n.tell({ type: 'config', config: configAt(1) });
  const digest = digestText(n.wanted());
  n.tell({ type: 'config', config: configAt(3) });
  n.tell({ type: 'dataplaneRejected', reason: 'there is no room', digest });
  t.is(n.state().facts.config, configAt(3));
  n.ack(2);
  t.is(n.state().facts.accepted?.config, configAt(3));
});
