/** Packets larger than their way out: in parts where IPv4 allows it, told to their sender where it does not. */
import test from 'ava';
import fc from 'fast-check';
import {
  decodeFrame,
  decodeIcmpError,
  encodeFrame,
  fragment,
  reassemble,
  withHeader4,
} from '../../support/sim/frames.js';
import type { Mode } from '../../support/sim/reference.js';
import type { Outcome } from '../../support/sim/sim.js';
import { type Kind, macOf, ports, sides, withSim } from '../../support/sim/world.js';

const mtu = 1500;

const datagram = (size: number, id: number, mayBeFragmented = true): Uint8Array => {
  const frame = encodeFrame(macOf(sides[4].client(0)), ports.dpdk1, {
    src: sides[4].client(0),
    sport: 40_000,
    dst: sides[4].vip,
    dport: 80,
    ttl: 64,
    protocol: 'UDP',
    flags: '',
    seq: 0,
    ack: 0,
    options: new Uint8Array(0),
    data: Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255),
  });
  const out = withHeader4(frame, mayBeFragmented ? 0 : 0x4000, frame.subarray(34));
  out.set([id >> 8, id & 255], 18);
  return mended(out);
};

/** With the checksum of its IPv4 header. */
function mended(frame: Uint8Array): Uint8Array {
  const v = new DataView(frame.buffer);
  v.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += v.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  v.setUint16(24, ~sum & 0xffff);
  return frame;
}

const sent = (out: readonly Outcome[]): readonly Uint8Array[] =>
  out.filter((o) => o.fate === 'tx').map((o) => o.bytes);

/** Without the header of the tunnel around it. */
const inner = (mode: Mode, whole: Uint8Array): Uint8Array =>
  mode === 'TUN' ? Uint8Array.from([...whole.subarray(0, 14), ...whole.subarray(34)]) : whole;

const data = (frame: Uint8Array | null): Uint8Array | undefined =>
  frame === null ? undefined : decodeFrame(frame)?.data;

/** What is wrong with the parts a datagram of that size has left in; '' nothing. */
const complaint = (mode: Mode, size: number, id: number, out: readonly Uint8Array[]): string => {
  const length = 28 + size + (mode === 'TUN' ? 20 : 0);
  const parts = length <= mtu ? 1 : Math.ceil((length - 20) / 1480);
  if (out.some((f) => f.length > 14 + mtu)) return 'larger than the MTU';
  if (out.length !== parts) return `${out.length} parts, not ${parts}`;
  const whole = parts === 1 ? out[0] : reassemble(out);
  if (whole === null || whole === undefined) return 'not whole';
  const frame = decodeFrame(inner(mode, mended(Uint8Array.from(whole))));
  if (frame === null || frame.faults.length > 0) return `${frame?.faults.join()}`;
  return frame.data.join() === data(datagram(size, id))?.join() ? '' : 'other data';
};

for (const mode of ['FNAT', 'NAT', 'DR', 'TUN'] as const)
  test(`${mode}: whatever its size, what arrives in one piece leaves in pieces that fit, and is the same`, async (t) => {
    const kind: Kind = { mode, protocol: 'UDP', outside: 4, inside: 4 };
    await withSim(kind, 1, async (sim) => {
      const exchange = async (size: number, id: number): Promise<string> =>
        complaint(mode, size, id, sent(await sim.frame('dpdk1', datagram(size, id))));
      for (const size of [1472, 1473, 1452, 1453, 8900]) t.is(await exchange(size, size), '');
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 8900 }), fc.nat(0xffff), async (size, id) => {
          const wrong = await exchange(size, id);
          if (wrong !== '') throw new Error(wrong);
        }),
        { numRuns: 200 },
      );
    });
  });

test('a full fragment that a tunnel makes too large goes on in two, and all of them are one packet', async (t) => {
  const kind: Kind = { mode: 'TUN', protocol: 'UDP', outside: 4, inside: 4 };
  await withSim(kind, 1, async (sim) => {
    const pieces = fragment(datagram(4000, 9), 9, 1480);
    const inners: Uint8Array[] = [];
    for (const piece of pieces) {
      const out = sent(await sim.frame('dpdk1', piece));
      t.true(out.every((f) => f.length <= 14 + mtu));
      const whole = out.length === 1 ? out[0] : reassemble(out);
      if (whole === null || whole === undefined) throw new Error('a piece is lost');
      inners.push(inner('TUN', Uint8Array.from(whole)));
    }
    t.deepEqual(data(reassemble(inners)), data(datagram(4000, 9)));
  });
});

test('what must not be fragmented is told so', async (t) => {
  for (const [mode, room] of [
    ['FNAT', 1500],
    ['TUN', 1480],
  ] as const) {
    const kind: Kind = { mode, protocol: 'UDP', outside: 4, inside: 4 };
    await withSim(kind, 1, async (sim) => {
      const [told, ...more] = sent(await sim.frame('dpdk1', datagram(1600, 1, false)));
      t.deepEqual(more, []);
      t.like(decodeIcmpError(told ?? new Uint8Array(0)), { type: 3, code: 4, rest: room });
    });
  }
});
