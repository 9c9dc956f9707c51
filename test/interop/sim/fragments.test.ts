/** Fragments follow their session, at whatever worker they arrive, and come out as fragments of one right packet. */
import test from 'ava';
import fc from 'fast-check';
import {
  decodeFrame,
  decodeIcmpError,
  encodeFrame,
  fragment,
  reassemble,
  type Segment,
} from '../../support/sim/frames.js';
import { type Mode, type Reference, reference } from '../../support/sim/reference.js';
import type { Sim } from '../../support/sim/sim.js';
import {
  clientOf,
  type Family,
  type Kind,
  macOf,
  ports,
  serviceOf,
  sides,
  withSim,
} from '../../support/sim/world.js';

const datagram = (k: Kind, client: number, data: Uint8Array): Segment => ({
  src: clientOf(k, client).address,
  sport: clientOf(k, client).port,
  dst: sides[k.outside].vip,
  dport: 80,
  ttl: 64,
  protocol: 'UDP',
  flags: '',
  seq: 0,
  ack: 0,
  options: new Uint8Array(0),
  data,
});

/** Sends each fragment to a worker of its own; what left, and by which worker the last one did. */
const send = async (
  sim: Sim,
  device: 'dpdk0' | 'dpdk1',
  fragments: readonly Uint8Array[],
  workers: readonly number[],
) => {
  const out: Uint8Array[] = [];
  let worker = 0;
  for (const [i, f] of fragments.entries())
    for (const o of await sim.frame(device, f, workers[i % workers.length] ?? 0))
      if (o.fate === 'tx') {
        out.push(o.bytes);
        worker = o.worker;
      }
  return { out, worker };
};

const pairs: readonly (readonly [Mode, Family, Family])[] = [
  ['FNAT', 4, 4],
  ['FNAT', 6, 6],
  ['FNAT', 6, 4],
  ['FNAT', 4, 6],
  ['NAT', 4, 4],
  ['NAT', 6, 6],
  ['DR', 4, 4],
  ['DR', 6, 6],
];

/** The whole packet that came out in as many fragments as went in; null: it did not. */
const joined = (out: readonly Uint8Array[], parts: readonly Uint8Array[]) => {
  const whole = out.length === parts.length ? reassemble(out) : null;
  return whole === null ? null : decodeFrame(whole);
};

interface World {
  readonly sim: Sim;
  readonly kind: Kind;
  readonly ref: Reference;
  /** The worker each fragment arrives at, in turn. */
  readonly at: readonly number[];
}

/** One datagram to the service and one back; what is wrong with what came out. */
const exchange = async (w: World, client: number, id: number, size: number) => {
  const data = Uint8Array.from({ length: size }, (_, i) => (i * 7 + id) & 255);
  const segment = datagram(w.kind, client, data);
  const parts = fragment(encodeFrame(macOf(segment.src), ports.dpdk1, segment), 1000 + id, 96);
  const { out, worker } = await send(w.sim, 'dpdk1', parts, w.at);
  const wrong = w.ref.fromClient(segment, joined(out, parts), worker);
  const reply = w.ref.reply(segment.src, segment.sport, { data });
  if (reply === null) return wrong;
  const back = fragment(encodeFrame(macOf(reply.src), ports.dpdk0, reply), 7 + id, 128);
  const came = await send(w.sim, 'dpdk0', back, w.at);
  return [...wrong, ...w.ref.fromServer(reply, joined(came.out, back))];
};

const packet = fc.record({ client: fc.nat(5), size: fc.integer({ min: 200, max: 1400 }) });

for (const [mode, outside, inside] of pairs)
  test(`${mode} ${outside} to ${inside}: datagrams in fragments, both ways`, async (t) => {
    const kind: Kind = { mode, protocol: 'UDP', outside, inside };
    await fc.assert(
      fc.asyncProperty(
        fc.array(packet, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(7), { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 8 }),
        (packets, spread, workers) =>
          withSim(kind, workers, async (sim) => {
            const ref = reference(mode, 'UDP', serviceOf(kind));
            const world: World = { sim, kind, ref, at: spread.map((n) => n % workers) };
            for (const [id, p] of packets.entries()) {
              const wrong = await exchange(world, p.client, id, p.size);
              if (wrong.length > 0) throw new Error(wrong.join('; '));
            }
          }),
      ),
      { numRuns: 60, includeErrorInReport: true },
    );
    t.pass();
  });

test('what overtakes the first fragment, or comes long after it, is dropped by name', async (t) => {
  const kind: Kind = { mode: 'FNAT', protocol: 'UDP', outside: 4, inside: 4 };
  await withSim(kind, 2, async (sim) => {
    const frame = encodeFrame(
      macOf(clientOf(kind, 0).address),
      ports.dpdk1,
      datagram(kind, 0, new Uint8Array(500)),
    );
    const parts = fragment(frame, 5, 200);
    t.is((await send(sim, 'dpdk1', parts.slice(1), [0])).out.length, 0);
    t.is((await sim.drops())['fragment'], 2);
    t.is((await send(sim, 'dpdk1', parts, [0, 1])).out.length, 3);
    await sim.advance(16_000);
    t.is((await send(sim, 'dpdk1', parts.slice(1), [0])).out.length, 0);
    t.is((await sim.drops())['fragment'], 4);
  });
});

test('UDP without a checksum cannot be IPv6, and in fragments it cannot get one', async (t) => {
  const kind: Kind = { mode: 'FNAT', protocol: 'UDP', outside: 4, inside: 6 };
  await withSim(kind, 1, async (sim) => {
    const frame = encodeFrame(
      macOf(clientOf(kind, 0).address),
      ports.dpdk1,
      datagram(kind, 0, new Uint8Array(500)),
    );
    frame.set([0, 0], 40);
    t.is((await send(sim, 'dpdk1', fragment(frame, 5, 200).slice(0, 1), [0])).out.length, 0);
    t.is((await sim.drops())['fragment'], 1);
  });
});

test('a fragment that would be too large as IPv6 is told so before it is', async (t) => {
  const kind: Kind = { mode: 'FNAT', protocol: 'UDP', outside: 4, inside: 6 };
  await withSim(kind, 1, async (sim) => {
    const frame = encodeFrame(
      macOf(clientOf(kind, 0).address),
      ports.dpdk1,
      datagram(kind, 0, new Uint8Array(3000)),
    );
    const [fits] = (await send(sim, 'dpdk1', fragment(frame, 5, 1448), [0])).out;
    t.is(fits?.length, 14 + 40 + 8 + 1448);
    const [told] = (await send(sim, 'dpdk1', fragment(frame, 6, 1456), [0])).out;
    t.like(decodeIcmpError(told ?? new Uint8Array(64)), { type: 3, code: 4, rest: 1472 });
  });
});
