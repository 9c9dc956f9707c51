import test from 'ava';
import fc from 'fast-check';
import { indexOf } from '../../../src/cluster/config-index.js';
import type { Effect } from '../../../src/cluster/diff.js';
import type { Input } from '../../../src/cluster/facts.js';
import type { ClusterInput } from '../../../src/cluster/machine.js';
import { cluster, initialState } from '../../../src/cluster/machine.js';
import { realServerName } from '../../../src/cluster/names.js';
import { servicesOf } from '../../../src/cluster/services.js';
import { digest } from '../../../src/dataplane/snapshot.js';
import type { Entry } from '../../../src/kernel/driver.js';
import { replay } from '../../../src/kernel/journal.js';
import { millis } from '../../../src/kernel/machine.js';
import {
  batch,
  configOf,
  dataplaneUp,
  fresh,
  healthOf,
  type Node,
  node,
  quorum,
  realServer,
  runningNode,
  service,
  vrrpState,
  wan,
} from './fixture.js';

const types = (effects: readonly Effect[]): readonly string[] => effects.map((e) => e.type);
const serviceable = (effects: readonly Effect[]) =>
  effects.flatMap((e) => (e.type === 'serviceable' ? e.instances : []));
const helds = (effects: readonly Effect[]) =>
  effects.flatMap((e) =>
    e.type === 'configureHealth'
      ? [...e.virtualServers].flatMap((v) => v.realServers.map((r) => r.held))
      : [],
  );
const held = (service: string, server: string, weight = 10) => ({ service, server, weight });
/** All but what goes to the data plane. */
const outside = (effects: readonly Effect[]) => types(effects).filter((x) => x !== 'setDesired');
const servers = (n: Node, at = 0) => n.wanted().services[at]?.realServers.map((r) => r.address);

test('the beginning asks the data plane for all services and all VIPs, as leased addresses', (t) => {
  const n = node(configOf(service(80)));
  t.deepEqual(types(n.tell({ type: 'start' })), ['setDesired']);
  t.deepEqual(n.wanted().addresses, [
    { device: 'dpdk1', address: '198.51.100.80', prefixLength: 32, leased: true, local: false },
  ]);
  t.is(n.wanted().services.length, 1);
  t.is(n.wanted().services[0]?.realServers.length, 2);
  t.is(n.wanted().services[0]?.localAddresses.length, 2);
});

test('a peer is briefed with everything once it has reported its whole state', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  t.deepEqual(types(n.tell({ type: 'connected', peer: 'vrrp', at: 1 })), []);
  const [, report] = fresh('vrrp');
  t.deepEqual(types(n.tell(report as ClusterInput)), ['configureVrrp']);
  t.deepEqual(types(n.tell(report as ClusterInput)), [], 'once for each connection');
  t.deepEqual(types(n.tell(batch(...fresh('vrrp')))), ['configureVrrp']);
  const early = n.tell(batch(...fresh('healthcheck')));
  t.deepEqual(types(early), [], 'not before the data plane has told which servers were dead');
  t.true(types(n.tell(dataplaneUp())).includes('configureHealth'));
  t.deepEqual(types(n.tell(batch(...fresh('healthcheck')))), ['configureHealth']);
});

test('a peer that reported before the start is briefed with the start', (t) => {
  const n = node(configOf(service(80)));
  n.tell(batch(...fresh('vrrp')));
  t.deepEqual(types(n.tell({ type: 'start' })), ['setDesired', 'configureVrrp']);
});

test('an instance is serviceable only after a generation with its services was acknowledged (law 4)', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  n.tell(batch(...fresh('vrrp')));
  const up = n.tell(dataplaneUp());
  t.deepEqual(serviceable(up), [], 'unknown: nothing is acknowledged or refused yet');
  const acked = n.ack(1);
  t.deepEqual(acked.slice(1), [
    {
      type: 'serviceable',
      bootId: 'a',
      whole: false,
      instances: [{ id: wan, ok: true, reason: 'generation 1 serves its addresses' }],
    },
  ]);
});

test('a controller that starts beside a data plane which serves reports nothing before it knows', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  const briefing = n.tell(batch(...fresh('vrrp')));
  t.deepEqual(types(briefing), ['configureVrrp'], 'vrrp keeps what it was told before');
  const up = n.tell(dataplaneUp({ generation: 7 }));
  t.false(types(up).includes('serviceable'));
  t.true(serviceable(n.ack(7))[0]?.ok);
});

test('VRRP states change nothing for the data plane: leases decide', (t) => {
  const n = runningNode(configOf(service(80)));
  t.deepEqual(types(n.tell(vrrpState('active'))), []);
  t.deepEqual(types(n.tell(vrrpState('backup'))), []);
  t.is(n.state().facts.vrrp.get(wan)?.state, 'backup');
});

test('a lost connection to vrrp or healthcheck changes nothing; the facts stay', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(vrrpState('active'));
  n.tell(realServer('10.1.0.12', false));
  for (const peer of ['vrrp', 'healthcheck'] as const)
    t.deepEqual(n.tell({ type: 'disconnected', peer, reason: 'it died', at: 5 }), []);
  t.is(n.state().facts.vrrp.get(wan)?.state, 'active');
  t.like(n.state().facts.peers.vrrp, { connected: false, since: 5, reason: 'it died' });
});

test('a restarted healthcheck is briefed with what is known now: a dead server stays out (D6)', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.11', true));
  n.tell(realServer('10.1.0.12', false));
  const effects = n.tell(batch(...fresh('healthcheck')));
  t.deepEqual(helds(effects), ['up', 'down']);
  t.false(types(effects).includes('setDesired'));
  t.deepEqual(servers(n), ['10.1.0.11']);
});

test('what the data plane held is the first fact of the servers of that moment, not of later ones (D7)', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  n.tell(
    dataplaneUp({ generation: 3, adopted: [held('[198.51.100.80]:tcp:80', '[10.1.0.12]:tcp:80')] }),
  );
  t.deepEqual(servers(n), ['10.1.0.12']);
  t.deepEqual(helds(n.tell(batch(...fresh('healthcheck')))), ['down', 'up']);
  n.ack(4);
  const added = n.tell({ type: 'config', config: configOf(service(80) + service(443)) });
  t.deepEqual(outside(added), []);
  t.deepEqual(helds(n.ack(5)), ['down', 'up', null, null]);
  t.deepEqual(servers(n, 1), ['10.1.0.11', '10.1.0.12']);
});

const grouped = `
virtual_server_group web {
  198.51.100.80 80
  198.51.100.80 81
}
${service(80).replace('virtual_server 198.51.100.80 80', 'virtual_server group web')}
`;
const draining = service(90).replace('weight 10', 'weight 0');
const sorry = service(95, 'sorry_server 10.1.0.99 95');
const inhibited = service(97).replaceAll('weight 10', 'weight 10\n inhibit_on_failure');
const matched = `
virtual_server match outgoing {
  delay_loop 1
  lb_algo rr
  protocol TCP
  src-range 10.1.0.0/24
  real_server 10.1.0.11 0 {
    weight 10
    TCP_CHECK {
      connect_port 80
    }
  }
}
`;

test('law: a restart beside a data plane that serves asks for the services that it holds', (t) => {
  const one = fc.subarray([grouped, draining, sorry, inhibited, matched], { minLength: 1 });
  const facts = fc.array(fc.tuple(fc.constantFrom('11', '12'), fc.boolean()), { maxLength: 6 });
  fc.assert(
    fc.property(one, facts, fc.boolean(), (parts, reports, hasQuorum) => {
      const config = configOf(parts.join('\n'));
      const before = runningNode(config);
      for (const x of indexOf(config).virtualServer.values()) {
        for (const [n, up] of reports) {
          const rs = x.servers.find((s) => s.server.address === `10.1.0.${n}`)?.name ?? '';
          before.tell(healthOf([{ vs: x.id, rs, up, delta: 0, reason: '', since: 1 }]));
        }
        const up = { vs: x.id, quorumUp: hasQuorum, liveWeight: 1, reason: '', since: 1 };
        if (x.v.sorryServer !== null) before.tell(healthOf([], [up]));
      }
      const { services } = before.wanted();
      const holds = services.flatMap((s) =>
        s.realServers.map((r) =>
          held(
            realServerName(s.address, s.port, s.protocol),
            realServerName(r.address, r.port, s.protocol),
            r.weight,
          ),
        ),
      );
      const n = node(config);
      n.tell({ type: 'start' });
      n.tell(dataplaneUp({ generation: 3, adopted: holds }));
      t.deepEqual(n.wanted().services, services);
    }),
  );
});

test('a name that is used again inherits nothing (D16)', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.12', false));
  n.tell({ type: 'config', config: configOf(service(443)) });
  n.ack(2);
  const again = n.tell({ type: 'config', config: configOf(service(80)) });
  t.deepEqual(outside(again), []);
  t.deepEqual(helds(n.ack(3)), [null, null]);
  t.deepEqual(servers(n), ['10.1.0.11', '10.1.0.12']);
});

test('a fact about something that is not configured is not learned', (t) => {
  const n = runningNode(configOf(service(80)));
  t.deepEqual(n.tell(realServer('10.1.0.99', false)), []);
  t.deepEqual(n.tell(realServer('10.1.0.12', false, 443)), []);
  n.tell(vrrpState('active', { id: 'eth9 1 inet' }));
  t.is(n.state().facts.vrrp.size, 0);
});

test('a vrrp_instance that gets another name is the same virtual router (D1)', (t) => {
  const named = (name: string) =>
    configOf(
      service(80),
      `vrrp_instance ${name} {
        interface dpdk1.kni
        dpdk_interface dpdk1
        virtual_router_id 51
        virtual_ipaddress {
          198.51.100.80/32
        }
      }`,
    );
  const n = runningNode(named('wan'));
  n.tell(vrrpState('active'));
  const renamed = n.tell({ type: 'config', config: named('other') });
  t.false(types(renamed).includes('setDesired'));
  t.deepEqual(serviceable(renamed), []);
  t.is(n.state().facts.vrrp.get(wan)?.state, 'active');
});

test('a real server that fails leaves the next generation and comes back with its weight', (t) => {
  const n = runningNode(configOf(service(80)));
  t.deepEqual(types(n.tell(realServer('10.1.0.12', false))), ['setDesired']);
  t.deepEqual(servers(n), ['10.1.0.11']);
  n.tell(realServer('10.1.0.12', true, 80, 5));
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => [r.address, r.weight]),
    [
      ['10.1.0.11', 10],
      ['10.1.0.12', 15],
    ],
  );
});

test('a weight in the files is in the plan at once, with what the checkers add (D11)', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.12', true, 80, 5));
  const config = configOf(service(80).replaceAll('weight 10', 'weight 7'));
  t.true(types(n.tell({ type: 'config', config })).includes('setDesired'));
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => r.weight),
    [7, 12],
  );
});

test('a batch is planned once', (t) => {
  const n = runningNode(configOf(service(80)));
  const effects = n.tell(
    batch(realServer('10.1.0.11', false), realServer('10.1.0.12', false), quorum(false)),
  );
  t.deepEqual(types(effects), ['setDesired']);
  t.deepEqual(servers(n), []);
});

test('a set that comes in pages is planned with its last page, or when the rest is lost', (t) => {
  const page = (rs: string, more: boolean): ClusterInput => {
    const input = realServer(rs, false);
    if (input.type !== 'healthcheck' || input.message.type !== 'states') throw new Error('states');
    return { ...input, message: { ...input.message, more } };
  };
  const n = runningNode(configOf(service(80)));
  t.deepEqual(types(n.tell(page('10.1.0.11', true))), []);
  t.deepEqual(types(n.tell(page('10.1.0.12', false))), ['setDesired']);
  t.deepEqual(servers(n), []);
  const other = runningNode(configOf(service(80)));
  other.tell(page('10.1.0.11', true));
  other.tell({ type: 'disconnected', peer: 'healthcheck', reason: 'it died', at: 1 });
  t.deepEqual(servers(other), ['10.1.0.12']);
});

test('inhibit_on_failure keeps a failed server with weight 0', (t) => {
  const n = runningNode(configOf(service(80, 'inhibit_on_failure')));
  n.tell(realServer('10.1.0.12', false));
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => r.weight),
    [10, 0],
  );
});

test('with the quorum lost the sorry server is the only one, in one generation', (t) => {
  const n = runningNode(configOf(service(80, 'sorry_server 10.1.0.99 8080')));
  const lost = n.tell(
    batch(realServer('10.1.0.11', false), realServer('10.1.0.12', false), quorum(false)),
  );
  t.is(types(lost).filter((x) => x === 'setDesired').length, 1);
  t.deepEqual(
    n.wanted().services[0]?.realServers.map((r) => `${r.address}:${r.port}`),
    ['10.1.0.99:8080'],
  );
});

test('a lost quorum is the affair of its service, not of the virtual router', (t) => {
  const n = runningNode(configOf(service(80)));
  t.deepEqual(serviceable(n.tell(quorum(false))), []);
});

test('what is held stays held: an instance that was served stays serviceable while it is changed', (t) => {
  const n = runningNode(configOf(service(80)));
  const more = n.tell({ type: 'config', config: configOf(service(80) + service(443)) });
  t.deepEqual(serviceable(more), []);
  t.true(n.state().plan?.serviceable.get(wan)?.ok);
  const refused = n.refuse('no room');
  t.deepEqual(serviceable(refused), []);
});

test('another data plane has served nothing yet; the same one again goes on', (t) => {
  const n = runningNode(configOf(service(80)));
  const lost = n.tell({ type: 'dataplaneLost', reason: 'it closed the connection' });
  t.deepEqual(serviceable(lost), []);
  t.true(
    lost.some((e) => e.type === 'configureHealth' && [...e.virtualServers][0]?.suspended === true),
    'checks would blame the servers',
  );
  const again = n.tell(dataplaneUp({ generation: 1 }));
  t.deepEqual(serviceable(again), []);
  t.true(
    again.some((e) => e.type === 'kernel'),
    'the kernel interfaces may be new',
  );
  n.tell({ type: 'dataplaneLost', reason: 'it closed the connection' });
  const other = n.tell(dataplaneUp({ bootId: 'b' }));
  t.false(types(other).includes('serviceable'), 'unknown, so that an active router waits for it');
  const acked = n.ack(1);
  t.true(serviceable(acked)[0]?.ok);
  t.like(acked.find((e) => e.type === 'serviceable') ?? null, { bootId: 'b' });
});

test('a reload changes only what changed', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.11', false));
  const same = n.tell({ type: 'config', config: configOf(service(80)) });
  t.false(types(same).includes('setDesired'), 'the same files');
  n.tell({ type: 'config', config: configOf(service(80) + service(443)) });
  t.deepEqual(
    n.wanted().services.map((s) => [s.port, s.realServers.length]),
    [
      [80, 1],
      [443, 2],
    ],
    'the failed server stays out',
  );
});

test('a refused configuration is taken back, and a dead server leaves nevertheless (D15)', (t) => {
  const first = configOf(service(80));
  const n = runningNode(first);
  n.tell({ type: 'config', config: configOf(service(80) + service(443)) });
  const back = n.refuse('there is no room');
  t.true(back.some((e) => e.type === 'takenBack' && e.reason === 'there is no room'));
  t.is(n.state().facts.config, first);
  t.is(n.state().facts.refused, 'there is no room');
  t.is(n.wanted().services.length, 1);
  n.tell(realServer('10.1.0.12', false));
  t.deepEqual(servers(n), ['10.1.0.11']);
});

test('a refused configuration does not make anybody forget a dead server', (t) => {
  const n = runningNode(configOf(service(80)));
  n.tell(realServer('10.1.0.12', false));
  n.tell({ type: 'config', config: configOf(service(443)) });
  n.refuse('no');
  t.deepEqual(servers(n), ['10.1.0.11']);
});

test('a first configuration that is refused is reported where the addresses are not announced', (t) => {
  const n = node(configOf(service(80)));
  n.tell({ type: 'start' });
  n.tell(batch(...fresh('vrrp')));
  n.tell(dataplaneUp());
  t.regex(
    serviceable(n.refuse('no memory'))[0]?.reason ?? '',
    /refuses the configuration: no memory/,
  );
});

test('unchanged services are the same references, and the digest is that of a plan from nothing', (t) => {
  const n = runningNode(configOf(service(80) + service(443)));
  const before = n.wanted();
  n.tell(realServer('10.1.0.12', false, 443));
  const after = n.wanted();
  t.is(after.services[0], before.services[0]);
  t.not(after.services[1], before.services[1]);
  t.is(digest(after), digest({ ...after }));
});

const anyInput: fc.Arbitrary<ClusterInput> = fc.oneof(
  fc.constantFrom<ClusterInput>(
    vrrpState('active'),
    vrrpState('backup'),
    { type: 'disconnected', peer: 'vrrp', reason: 'died', at: 2 },
    { type: 'disconnected', peer: 'healthcheck', reason: 'died', at: 2 },
    { type: 'dataplaneLost', reason: 'gone' },
    dataplaneUp(),
    dataplaneUp({ bootId: 'b' }),
    batch(...fresh('vrrp')),
    batch(...fresh('healthcheck')),
  ),
  fc
    .record({ rs: fc.constantFrom('10.1.0.11', '10.1.0.12'), up: fc.boolean() })
    .map(({ rs, up }) => realServer(rs, up)),
  fc.boolean().map((up) => quorum(up)),
);

test('a journal of any history gives the same effects again (law 10)', (t) => {
  const config = configOf(service(80));
  fc.assert(
    fc.property(fc.array(anyInput, { maxLength: 40 }), (history) => {
      const inputs: readonly ClusterInput[] = [{ type: 'start' }, ...history];
      const journal: Entry<ClusterInput>[] = inputs.map((input, i) => ({ at: millis(i), input }));
      const written = JSON.parse(JSON.stringify(journal)) as Entry<ClusterInput>[];
      const first = replay(cluster, initialState(config), journal);
      const second = replay(cluster, initialState(config), written);
      t.deepEqual(second.steps, first.steps);
    }),
    { numRuns: 50 },
  );
});

test('the pages of a set are prepared as they come: the plan after the last one makes little', (t) => {
  const services = Array.from({ length: 40 }, (_, i) => service(1000 + i)).join('');
  const config = configOf(services);
  const n = runningNode(config);
  const before = n.state().plan?.snapshot.services;
  const page = (from: number, more: boolean): Input => ({
    type: 'healthcheck',
    message: {
      type: 'states',
      whole: true,
      more,
      realServers: Array.from({ length: 20 }, (_, i) => ({
        vs: `[198.51.100.80]:tcp:${1000 + from + i}`,
        rs: `[10.1.0.11]:tcp:${1000 + from + i}`,
        up: false,
        delta: 0,
        reason: 'connection refused',
        since: 1,
      })),
      virtualServers: [],
    },
  });
  t.deepEqual(n.tell(page(0, true)), []);
  t.is(n.state().plan?.snapshot.services, before, 'nothing is planned before the last page');
  const { facts } = n.state();
  const health = facts.incoming ?? facts.health;
  const prepared = indexOf(config).virtualServers.map((x) => servicesOf({ config, health }, x));
  n.tell(page(20, false));
  const after = n.state().plan?.snapshot.services ?? [];
  for (let i = 0; i < 20; i++) t.is(after[i], prepared[i]?.[0]);
  t.true(after.every((s) => s.realServers.length === 1));
});
