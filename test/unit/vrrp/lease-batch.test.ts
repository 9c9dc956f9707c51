import test from 'ava';
import fc from 'fast-check';
import {
  answersOf,
  batches,
  type LeaseMessage,
  type LeaseRequest,
  lastWords,
} from '../../../src/vrrp/lease-batch.js';
import { vipKey } from '../../../src/vrrp/state.js';

const vips = (...last: readonly number[]) =>
  last.map((n) => ({ device: 'dpdk0', address: `10.0.0.${n}` }));
const request = (
  kind: LeaseRequest['kind'],
  id: string,
  ms: number,
  ...last: readonly number[]
) => ({
  kind,
  id,
  ms,
  vips: vips(...last),
});

test('255 routers that act together are one message', (t) => {
  const list = Array.from({ length: 255 }, (_, i) => request('renew', `r${i}`, 2000, i));
  t.is(batches(list).length, 1);
});

test('releases go first, so an address that moves between instances ends leased', (t) => {
  const out = batches([request('renew', 'b', 2000, 1), request('release', 'a', 0, 1)]);
  t.deepEqual(
    out.map((m) => m.ms),
    [0, 2000],
  );
});

const anyRequest = fc.record({
  kind: fc.constantFrom('release', 'renew', 'query'),
  id: fc.stringMatching(/^[a-e]$/),
  ms: fc.constantFrom(250, 2000),
  vips: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 12 }).map((l) => vips(...l)),
});

test('every address is asked for once for each request, in messages that fit', (t) => {
  fc.assert(
    fc.property(fc.array(anyRequest, { maxLength: 20 }), (list) => {
      const out: readonly LeaseMessage[] = batches(list, 10);
      const asked = out.flatMap((m) => m.parts.flatMap((p) => p.vips.map(vipKey))).sort();
      t.deepEqual(asked, list.flatMap((r) => r.vips.map(vipKey)).sort());
      for (const m of out) {
        const size = m.parts.reduce((n, p) => n + p.vips.length, 0);
        // A message without addresses would release everything.
        t.true(size > 0 && size <= 10);
      }
    }),
  );
});

test('answers go to those who asked', (t) => {
  const [m] = batches([request('renew', 'a', 2000, 1, 2), request('renew', 'b', 2000, 3)]);
  if (m === undefined) return t.fail();
  const known = { known: true, leftMs: 1, renewedAgoMs: 5 };
  const unknown = { known: false, leftMs: 0, renewedAgoMs: null };
  t.deepEqual(answersOf(m, [known, unknown, known]), [
    {
      id: 'a',
      input: { type: 'leaseAnswer', granted: ['dpdk0 10.0.0.1'], missing: ['dpdk0 10.0.0.2'] },
    },
    { id: 'b', input: { type: 'leaseAnswer', granted: ['dpdk0 10.0.0.3'], missing: [] } },
  ]);
  return undefined;
});

test('a router goes on only when each known address was leased; the oldest renewal counts', (t) => {
  const [m] = batches([request('query', 'a', 0, 1, 2, 3)]);
  if (m === undefined) return t.fail();
  const ago = (...list: readonly (number | null | 'unknown')[]) =>
    answersOf(
      m,
      list.map((a) => ({
        known: a !== 'unknown',
        leftMs: 0,
        renewedAgoMs: a === 'unknown' ? null : a,
      })),
    ).map(({ input }) => (input.type === 'leaseQueried' ? input.renewedAgoMs : 'other'));
  t.deepEqual(ago(100, 900, 'unknown'), [900]);
  t.deepEqual(ago(100, null, 5), [null]);
  t.deepEqual(ago('unknown', 'unknown', 'unknown'), [null]);
  return undefined;
});

test('the last request of a router for an address is the one in force after the turn', (t) => {
  const ownAddress = fc.record({
    kind: fc.constantFrom('release', 'renew'),
    router: fc.nat({ max: 2 }),
    ms: fc.constantFrom(250, 2000),
    last: fc.uniqueArray(fc.nat({ max: 4 }), { minLength: 1 }),
  });
  const inForce = (requests: readonly LeaseRequest[]): ReadonlyMap<string, number> => {
    const out = new Map<string, number>();
    for (const r of requests)
      for (const v of r.vips)
        if (r.kind === 'release') out.delete(vipKey(v));
        else out.set(vipKey(v), r.ms);
    return out;
  };
  fc.assert(
    fc.property(fc.array(ownAddress, { maxLength: 12 }), (list) => {
      // No address belongs to two routers.
      const requests = list.map((r) =>
        request(r.kind, `r${r.router}`, r.ms, ...r.last.map((n) => 10 * r.router + n)),
      );
      const sent = batches(lastWords(requests), 3).flatMap((m) => m.parts);
      t.deepEqual([...inForce(sent)].sort(), [...inForce(requests)].sort());
    }),
  );
});

test('a release in pieces is acknowledged once, with the last of them', (t) => {
  const messages = batches([request('release', 'a', 0, 1, 2, 3)], 2);
  t.deepEqual(
    messages.map((m) => answersOf(m, []).length),
    [0, 1],
  );
});
