import test from 'ava';
import fc from 'fast-check';
import { generationMessages } from '../../../src/dataplane/codec.js';
import { apply, diff, type Op, paramDefaults } from '../../../src/dataplane/diff.js';
import {
  digest,
  emptySnapshot,
  neighbourKey,
  routeKey,
  type Snapshot,
} from '../../../src/dataplane/snapshot.js';
import { anySnapshot, manyServices, sorted } from '../../support/dataplane/snapshots.js';
import { patience } from '../../support/patience.js';

/** A parameter that is not named and one that has its default are the same to the data plane. */
const effective = (s: Snapshot): Snapshot => ({
  ...sorted(s),
  params: { ...paramDefaults, ...s.params },
});

test('law: applying the difference gives the wish', (t) => {
  fc.assert(
    fc.property(anySnapshot, anySnapshot, (a, b) => {
      t.deepEqual(effective(apply(diff(a, b), a)), effective(b));
    }),
    { numRuns: 500 },
  );
});

test('law: nothing differs from itself, in whatever order it is named', (t) => {
  fc.assert(
    fc.property(anySnapshot, (a) => {
      t.deepEqual(diff(a, { ...sorted(a) }), []);
    }),
  );
});

type Id = Pick<Snapshot['services'][number], 'protocol' | 'address' | 'port'>;
const serviceName = (s: Id): string => `service ${s.protocol} ${s.address} ${s.port}`;

/** What an operation is about, on which device if it matters, and what must be there before it. */
const subject = (
  op: Op,
): { readonly name: string; readonly on: string; readonly under: string } => {
  if ('address' in op) return { name: op.address.address, on: op.address.device, under: '' };
  if ('route' in op) return { name: `route ${routeKey(op.route)}`, on: '', under: '' };
  if ('neighbour' in op)
    return { name: `neighbour ${neighbourKey(op.neighbour)}`, on: '', under: '' };
  if (op.type === 'paramSet') return { name: op.param, on: '', under: '' };
  const under = serviceName(op.service);
  if ('realServer' in op)
    return { name: `${under} > ${op.realServer.address} ${op.realServer.port}`, on: '', under };
  if ('local' in op) return { name: `${under} > ${op.local.address}`, on: '', under };
  return { name: under, on: '', under: '' };
};

/** Everything a snapshot holds, by name. */
const holdings = (s: Snapshot): Map<string, string> =>
  new Map(diff(emptySnapshot, s).map((op) => [subject(op).name, subject(op).on]));

/** What the data plane refuses: to delete what is not there, to add to a service that is not there, an address on two devices. */
const objection = (op: Op, held: ReadonlyMap<string, string>): string | null => {
  const { name, on, under } = subject(op);
  if (under !== '' && !held.has(under)) return `${op.type}: there is no ${under}`;
  if ((held.get(name) ?? on) !== on) return `${op.type}: ${name} is on another device`;
  if (op.type.endsWith('Del') && !held.has(name)) return `${op.type}: there is no ${name}`;
  return null;
};

const take = (op: Op, held: Map<string, string>): void => {
  const { name, on } = subject(op);
  if (!op.type.endsWith('Del')) held.set(name, on);
  else for (const k of held.keys()) if (k === name || k.startsWith(`${name} > `)) held.delete(k);
};

const firstObjection = (ops: readonly Op[], a: Snapshot): string | null => {
  const held = holdings(a);
  for (const op of ops) {
    const why = objection(op, held);
    if (why !== null) return why;
    take(op, held);
  }
  return null;
};

test('law: the data plane can follow the operations in their order', (t) => {
  fc.assert(
    fc.property(anySnapshot, anySnapshot, (a, b) => {
      t.is(firstObjection(diff(a, b), a), null);
    }),
    { numRuns: 500 },
  );
});

test('a real server that changes its weight is one operation', (t) => {
  const a = manyServices(3, 3);
  const b: Snapshot = {
    ...a,
    services: a.services.map((s, i) =>
      i !== 1
        ? s
        : { ...s, realServers: s.realServers.map((r, k) => (k === 2 ? { ...r, weight: 0 } : r)) },
    ),
  };
  const ops = diff(a, b);
  t.is(ops.length, 1);
  t.like(ops[0], { type: 'realServerSet', realServer: { weight: 0 } });
});

test('an address that moves leaves one device before it comes to the other', (t) => {
  const on = (device: string): Snapshot => ({
    ...emptySnapshot,
    addresses: [{ device, address: '10.0.0.1', prefixLength: 32, leased: true, local: false }],
  });
  t.deepEqual(
    diff(on('dpdk0'), on('dpdk1')).map((op) => op.type),
    ['addressDel', 'addressSet'],
  );
});

test('10,000 services with 10 real servers each: digest, difference and encoding are quick', (t) => {
  const s = manyServices(10_000, 10);
  const took: Record<string, number> = {};
  const time = <T>(name: string, run: () => T): T => {
    const begun = performance.now();
    const result = run();
    took[name] = Math.round(performance.now() - begun);
    return result;
  };
  const d = time('digest', () => digest(s));
  const ops = time('whole', () => diff(emptySnapshot, s));
  const messages = time('encode', () => [
    ...generationMessages(1, { base: 0n, generation: 1n, digest: d }, ops),
  ]);
  time('same', () => diff(s, { ...manyServices(10_000, 10) }));
  t.is(ops.length, 120_000);
  t.true(messages.length > 90);
  t.log(took);
  // Generous, because the machine may be busy; the second is for all of it.
  t.true(
    Object.values(took).every((ms) => ms < 5000 * patience()),
    JSON.stringify(took),
  );
});
