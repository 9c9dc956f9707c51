import test from 'ava';
import fc from 'fast-check';
import { millis } from '../../../src/kernel/machine.js';
import { groupState, planGroups, sameMembers } from '../../../src/vrrp/groups.js';
import { routerId } from '../../../src/vrrp/identity.js';
import { type Input, initial, restore, type State } from '../../../src/vrrp/state.js';
import { type GroupState, syncGroup } from '../../../src/vrrp/syncgroup.js';
import { address, instance, packetsOf, startInputs } from '../../support/vrrp/simulation.js';

const inside = instance({ name: 'inside', interface: 'eth0', vrid: 1 });
const outside = instance({ name: 'outside', interface: 'eth1', vrid: 2, priority: 90 });
const [plan] = planGroups(
  [inside, outside],
  [{ name: 'G', members: ['eth0 1 inet', 'eth1 2 inet'] }],
);
if (plan === undefined) throw new Error('no group planned');

const feed = (g: GroupState, at: number, member: string, ...inputs: readonly Input[]): GroupState =>
  inputs.reduce(
    (s, input) => syncGroup.step(s, { type: 'member', member, input }, millis(at))[0],
    g,
  );
const tags = (g: GroupState): readonly string[] =>
  Object.values(g.members).map((s: State) => s.phase.tag);
const started = (): GroupState => {
  const one = feed(
    groupState(plan, () => undefined),
    0,
    'eth0 1 inet',
    ...startInputs('10.9.0.1'),
  );
  return feed(one, 0, 'eth1 2 inet', ...startInputs('10.9.1.1'));
};
const tick = (g: GroupState): GroupState => {
  const at = syncGroup.deadline(g);
  return at === null ? g : syncGroup.step(g, { type: 'tick' }, at)[0];
};

test('no member begins before all can', (t) => {
  const one = feed(
    groupState(plan, () => undefined),
    0,
    'eth0 1 inet',
    ...startInputs('10.9.0.1'),
  );
  t.deepEqual(tags(one), ['initialize', 'initialize']);
  t.deepEqual(tags(started()), ['backup', 'backup']);
});

test('the first member whose timer fires takes all along', (t) => {
  t.deepEqual(tags(tick(started())), ['active', 'active']);
});

const runTo = (g: GroupState, end: number): GroupState => {
  let next = g;
  for (;;) {
    const at = syncGroup.deadline(next);
    if (at === null || at > end) return next;
    next = syncGroup.step(next, { type: 'tick' }, at)[0];
  }
};

test('a fault of one yields all; its end lets all begin again', (t) => {
  const g = feed(tick(started()), 4000, 'eth1 2 inet', {
    type: 'interface',
    up: false,
    reason: 'interface eth1 is down',
  });
  const yielding = runTo(g, 4100);
  t.deepEqual(tags(yielding), ['yielding', 'yielding']);
  const gone = ['eth0 1 inet', 'eth1 2 inet'].reduce(
    (s, id) => feed(s, 4101, id, { type: 'leaseReleased' }),
    yielding,
  );
  t.deepEqual(tags(gone), ['fault', 'fault']);
  t.is(gone.members['eth0 1 inet']?.phase.reason, 'sync group G: outside: interface eth1 is down');
  const back = feed(gone, 5000, 'eth1 2 inet', { type: 'interface', up: true, reason: 'x' });
  t.deepEqual(tags(back), ['backup', 'backup']);
});

test('a member that was paused takes the others along; a shutdown of one does not', (t) => {
  const g = tick(started());
  const paused = syncGroup.step(g, { type: 'tick' }, millis(60_000))[0];
  t.deepEqual(tags(paused), ['backup', 'backup']);
  const stopping = feed(g, 4000, 'eth0 1 inet', { type: 'shutdown', reason: 'stop' });
  t.deepEqual(tags(stopping), ['yielding', 'active']);
});

test('a member that is added to an active group becomes active with it', (t) => {
  const alone = groupState({ ...plan, instances: [inside] }, () => undefined);
  const active = tick(feed(alone, 0, 'eth0 1 inet', ...startInputs('10.9.0.1')));
  t.deepEqual(tags(active), ['active']);
  const joined = groupState(plan, (id) => active.members[id]);
  const at = 4000;
  t.deepEqual(tags(feed(joined, at, 'eth1 2 inet', ...startInputs('10.9.1.1'))), [
    'active',
    'active',
  ]);
});

test('two groups of one name stay two', (t) => {
  const groups = planGroups(
    [inside, outside],
    [
      { name: 'G', members: ['eth0 1 inet'] },
      { name: 'G', members: ['eth1 2 inet', 'eth0 1 inet'] },
    ],
  );
  t.deepEqual(
    groups.map((g) => [g.key, g.instances.length]),
    [
      ['eth0 1 inet', 1],
      ['eth1 2 inet', 1],
    ],
  );
});

test('losing to a better router in one place gives up all', (t) => {
  const better = { ...initial(inside), source: address('10.9.0.2') };
  const [bytes = new Uint8Array(0)] = packetsOf(better, 200);
  const g = feed(tick(started()), 4000, 'eth0 1 inet', { type: 'packet', bytes });
  t.deepEqual(tags(g), ['backup', 'backup']);
});

test('instances outside any group are groups of one', (t) => {
  const groups = planGroups([inside, outside], []);
  t.deepEqual(
    groups.map((g) => g.key),
    ['eth0 1 inet', 'eth1 2 inet'],
  );
});

test('a member that moves between groups keeps its state', (t) => {
  const before = tick(started());
  const [alone] = planGroups([inside], []);
  if (alone === undefined) return t.fail('nothing planned');
  t.false(sameMembers(before, alone));
  const after = groupState(alone, (identity) => before.members[identity]);
  t.is(after.members[routerId(inside)]?.phase.tag, 'active');
  return undefined;
});

/** Advert of a router with another priority than ours. */
const advertOf = (config: typeof inside, priority: number): Input => {
  const [bytes = new Uint8Array(0)] = packetsOf(
    { ...initial(config), source: address('10.9.0.2') },
    priority,
  );
  return { type: 'packet', bytes };
};

test('a reload that groups an active router and a backup leaves all or none active, for good', (t) => {
  const [alone, other] = planGroups([inside, outside], []);
  if (alone === undefined || other === undefined) return t.fail('nothing planned');
  const start = (p: typeof alone, id: string, source: string): GroupState =>
    feed(
      groupState(p, () => undefined),
      0,
      id,
      ...startInputs(source),
    );
  const one = runTo(start(alone, 'eth0 1 inet', '10.9.0.1'), 4000);
  const two = [900, 1900, 2900, 3900].reduce(
    (g, at) => feed(g, at, 'eth1 2 inet', advertOf(outside, 200)),
    start(other, 'eth1 2 inet', '10.9.1.1'),
  );
  t.deepEqual([...tags(one), ...tags(two)], ['active', 'backup']);
  const members = { ...one.members, ...two.members };
  let g = groupState(plan, (id) => members[id]);
  for (const c of [inside, outside])
    g = feed(g, 4000, routerId(c), { type: 'configure', config: c }, { type: 'startup' });
  t.deepEqual(tags(g), ['backup', 'backup']);
  // The better router goes on: nobody of the group comes and goes.
  for (let at = 4100; at < 60_000; at += 100) {
    if (at % 1000 === 0) g = feed(g, at, 'eth1 2 inet', advertOf(outside, 200));
    g = runTo(g, at);
    t.deepEqual(tags(g), ['backup', 'backup']);
  }
  // It is silent: the group takes over, together.
  t.deepEqual(tags(runTo(g, 64_500)), ['active', 'active']);
  return undefined;
});

test('a member without addresses goes on with the group when the process is replaced', (t) => {
  const bare = { ...outside, vips: [] };
  const service = { bootId: '1', ok: true, reason: 'x' };
  const before = { service, delta: 0, wasActive: true };
  const from = (id: string): State =>
    restore(id === routerId(inside) ? inside : bare, before, millis(0));
  for (const order of [
    ['eth0 1 inet', 'eth1 2 inet'],
    ['eth1 2 inet', 'eth0 1 inet'],
  ]) {
    let g = groupState({ ...plan, instances: [inside, bare] }, from);
    for (const id of order) g = feed(g, 0, id, ...startInputs('10.9.0.1'));
    t.deepEqual(tags(g), ['initialize', 'initialize']);
    g = feed(g, 5, 'eth0 1 inet', { type: 'leaseQueried', renewedAgoMs: 300 });
    t.deepEqual(tags(g), ['active', 'active']);
  }
});

test('whatever a member lacks that a reload adds, the active ones go on; it joins when it can', (t) => {
  const no: Input = {
    type: 'serviceable',
    service: { bootId: '1', ok: false, reason: 'in no acknowledged generation' },
  };
  const down: Input = { type: 'interface', up: false, reason: 'down' };
  const anyInput = fc.constantFrom<Input>(no, down, ...startInputs('10.9.1.1'));
  const alone = groupState({ ...plan, instances: [inside] }, () => undefined);
  const active = tick(feed(alone, 0, 'eth0 1 inet', ...startInputs('10.9.0.1')));
  const configure = (c: typeof inside): Input => ({ type: 'configure', config: c });
  fc.assert(
    fc.property(fc.array(anyInput, { maxLength: 8 }), (inputs) => {
      let g = groupState(plan, (id) => active.members[id]);
      const yields: string[] = [];
      const play = (at: number, member: string, input: Input): void => {
        const [next, effects] = syncGroup.step(g, { type: 'member', member, input }, millis(at));
        g = next;
        for (const { member: who, effect } of effects)
          if (who === 'eth0 1 inet') yields.push(effect.type);
      };
      play(4000, 'eth0 1 inet', configure(inside));
      const isIn = (): boolean => g.members['eth1 2 inet']?.hasTakenPart === true;
      for (const input of [configure(outside), ...inputs])
        if (!isIn()) play(4001, 'eth1 2 inet', input);
      t.false(yields.includes('releaseLease'));
      t.is(g.members['eth0 1 inet']?.phase.tag, 'active');
      for (const input of startInputs('10.9.1.1')) play(4002, 'eth1 2 inet', input);
      t.deepEqual(tags(g), ['active', 'active']);
      // From now on its fault is everybody's.
      play(4003, 'eth1 2 inet', no);
      t.deepEqual(tags(g), ['yielding', 'yielding']);
    }),
  );
});

test('a member that has never taken part takes nothing from the others when the process is replaced', (t) => {
  const service = { bootId: '1', ok: true, reason: 'x' };
  let g = groupState(plan, (id) =>
    restore(
      id === routerId(inside) ? inside : outside,
      { service, delta: 0, wasActive: id === routerId(inside) },
      millis(0),
    ),
  );
  g = feed(g, 0, 'eth0 1 inet', ...startInputs('10.9.0.1'));
  g = feed(g, 5, 'eth0 1 inet', { type: 'leaseQueried', renewedAgoMs: 300 });
  t.deepEqual(tags(g), ['active', 'initialize']);
});
