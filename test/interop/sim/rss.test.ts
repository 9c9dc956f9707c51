/** Ports that spread packets by a known hash: no packet of a session changes worker, both ways, in any families. */
import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { decodeFrame, encodeFrame, type Segment } from '../../support/sim/frames.js';
import { delivered, toeplitz } from '../../support/sim/toeplitz.js';
import {
  clientOf,
  type Family,
  type Kind,
  macOf,
  ports,
  sides,
  withSim,
} from '../../support/sim/world.js';

/** As a driver makes one up: every bit as likely as not. */
const keyOf = (n: number): Uint8Array =>
  Uint8Array.from(createHash('sha512').update(String(n)).digest().subarray(0, 40));
const hex = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, 'hex'));

test('the hash of this test is that of the verification suite', (t) => {
  const key = hex(
    '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa',
  );
  const input = Uint8Array.from([66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6]);
  t.is(toeplitz(key, input.slice(0, 8)), 0x323e8fc2);
  t.is(toeplitz(key, input), 0x51ccc178);
});

const segment = (kind: Kind, s: Pick<Segment, 'src' | 'sport' | 'dst' | 'dport' | 'flags'>) => ({
  ...s,
  ttl: 64,
  protocol: kind.protocol,
  flags: kind.protocol === 'TCP' ? s.flags : '',
  seq: 0,
  ack: 0,
  options: new Uint8Array(0),
  data: new Uint8Array(0),
});

const pairs: readonly (readonly [Family, Family])[] = [
  [4, 4],
  [6, 6],
  [6, 4],
  [4, 6],
];

for (const [outside, inside] of pairs)
  for (const protocol of ['TCP', 'UDP'] as const)
    test(`FNAT ${outside} to ${inside}, ${protocol}: what the NIC brings to a worker is that worker's`, async (t) => {
      const kind: Kind = { mode: 'FNAT', protocol, outside, inside };
      await fc.assert(
        fc.asyncProperty(
          fc.integer().map(keyOf),
          fc.uniqueArray(fc.integer({ min: 1024, max: 65_535 }), { minLength: 1, maxLength: 30 }),
          fc.integer({ min: 1, max: 8 }),
          async (key, clientPorts, workers) => {
            await withSim(
              kind,
              workers,
              async (sim) => {
                for (const [i, sport] of clientPorts.entries()) {
                  const { address } = clientOf(kind, i);
                  const vip = sides[outside].vip;
                  const at = async (device: 'dpdk0' | 'dpdk1', s: Segment) => {
                    const worker = delivered(key, workers, s);
                    const frame = encodeFrame(macOf(s.src), ports[device], s);
                    const [out] = await sim.frame(device, frame, worker);
                    t.is(out?.fate, 'tx');
                    t.is(out?.worker, worker);
                    return decodeFrame(out?.bytes ?? new Uint8Array(0));
                  };
                  const toServer = await at(
                    'dpdk1',
                    segment(kind, { src: address, sport, dst: vip, dport: 80, flags: 'S' }),
                  );
                  if (toServer === null) return void t.fail('no frame to a real server');
                  const { src, sport: lport, dst, dport } = toServer;
                  const answer = await at(
                    'dpdk0',
                    segment(kind, { src: dst, sport: dport, dst: src, dport: lport, flags: 'SA' }),
                  );
                  t.is(answer?.dst, address);
                  t.is(answer?.dport, sport);
                }
              },
              1,
              key,
            );
          },
        ),
        // One key in a thousand leaves some worker without a port: the same keys each time.
        { numRuns: 60, seed: 20_261_123, includeErrorInReport: true },
      );
    });
