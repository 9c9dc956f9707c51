/** The packet path packet by packet, by keelson-sim, against an independent description of each mode and family. */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { decodeFrame, encodeFrame } from '../../support/sim/frames.js';
import { type Mode, type Reference, reference } from '../../support/sim/reference.js';
import type { Outcome, Sim } from '../../support/sim/sim.js';
import {
  clientOf,
  type Family,
  type Kind,
  macOf,
  ports,
  serviceOf,
  settle,
  sides,
  withSim,
} from '../../support/sim/world.js';

const forwarded = (outcomes: readonly Outcome[], device: string, t: ExecutionContext) => {
  const sent = outcomes.filter((o) => o.fate === 'tx');
  t.true(sent.length <= 1, 'one frame for one frame');
  t.true(sent.every((o) => o.device === device));
  return sent[0] === undefined ? null : decodeFrame(sent[0].bytes);
};

/** NOP NOP timestamp: what nothing may touch. */
const timestamp = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((b) => Uint8Array.from([1, 1, 8, 10, ...b]));

const action = fc.record({
  client: fc.nat(5),
  what: fc.constantFrom('open', 'data', 'reply', 'stray'),
  worker: fc.nat(7),
  ttl: fc.integer({ min: 2, max: 255 }),
  seq: fc.integer({ min: 0, max: 0xffffffff }),
  options: fc.oneof(fc.constant(new Uint8Array(0)), timestamp),
  data: fc.uint8Array({ maxLength: 40 }),
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

interface World extends Kind {
  readonly t: ExecutionContext;
  readonly sim: Sim;
  readonly reference: Reference;
  readonly workers: number;
}

const fromServer = async (w: World, a: Action): Promise<readonly string[]> => {
  const { address, port } = clientOf(w, a.client);
  const segment = w.reference.reply(address, port, {
    ttl: a.ttl,
    seq: w.protocol === 'TCP' ? a.seq : 0,
    data: a.data,
    ...(a.what === 'stray' ? { dport: 60_123 } : {}),
  });
  if (segment === null) return [];
  const worker = a.worker % w.workers;
  const frame = encodeFrame(macOf(segment.src), ports.dpdk0, segment);
  const out = await settle(w.sim, await w.sim.frame('dpdk0', frame, worker));
  // A segment nobody has a session for is answered with a reset to its sender, not forwarded.
  const passed = a.what !== 'stray' || out.some((o) => o.fate === 'tx' && o.device === 'dpdk1');
  return w.reference.fromServer(segment, passed ? forwarded(out, 'dpdk1', w.t) : null);
};

const fromClient = async (w: World, a: Action): Promise<readonly string[]> => {
  const { address, port } = clientOf(w, a.client);
  const tcp = w.protocol === 'TCP';
  const segment = {
    src: address,
    sport: port,
    dst: sides[w.outside].vip,
    dport: 80,
    ttl: a.ttl,
    protocol: w.protocol,
    flags: !tcp ? '' : a.what === 'open' ? 'S' : 'PA',
    seq: tcp ? a.seq : 0,
    ack: tcp && a.what !== 'open' ? 1 : 0,
    options: tcp ? a.options : new Uint8Array(0),
    data: a.data,
  };
  const frame = encodeFrame(macOf(segment.src), ports.dpdk1, segment);
  const out = await settle(w.sim, await w.sim.frame('dpdk1', frame, a.worker % w.workers));
  const sent = out.find((o) => o.fate === 'tx' && o.device === 'dpdk0');
  return w.reference.fromClient(
    segment,
    sent === undefined ? null : forwarded(out, 'dpdk0', w.t),
    sent?.worker ?? 0,
  );
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
  ['TUN', 4, 4],
  ['TUN', 6, 6],
  ['TUN', 6, 4],
];

for (const [mode, outside, inside] of pairs)
  for (const protocol of ['TCP', 'UDP'] as const)
    test(`${mode} ${outside} to ${inside}, ${protocol}: any history, at any worker, as described`, async (t) => {
      const kind: Kind = { mode, protocol, outside, inside };
      let sessions = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { maxLength: 60 }),
          fc.integer({ min: 1, max: 8 }),
          fc.nat(0xffff),
          // Ports may say that they spread packets by a hash, and these come anywhere all the same.
          fc.option(fc.uint8Array({ minLength: 40, maxLength: 40 }), { nil: undefined }),
          async (actions, workers, seed, rssKey) => {
            await withSim(
              kind,
              workers,
              async (sim) => {
                const world: World = {
                  ...kind,
                  t,
                  sim,
                  reference: reference(mode, protocol, serviceOf(kind)),
                  workers,
                };
                for (const a of actions) {
                  const side = a.what === 'reply' || a.what === 'stray' ? fromServer : fromClient;
                  const wrong = await side(world, a);
                  if (wrong.length > 0) throw new Error(wrong.join('; '));
                }
                sessions += world.reference.sessions();
              },
              seed,
              rssKey,
            );
          },
        ),
        { numRuns: 200, includeErrorInReport: true },
      );
      t.true(sessions > 100);
    });
