/** ICMP errors about balanced packets reach the end that sent them, in its own family and its own words (RFC 7915). */
import test from 'ava';
import {
  decodeFrame,
  decodeIcmpError,
  encodeFrame,
  encodeIcmpError,
  type IcmpError,
  packetOf,
  type Segment,
} from '../../support/sim/frames.js';
import type { Sim } from '../../support/sim/sim.js';
import {
  clientOf,
  type Family,
  type Kind,
  macOf,
  ports,
  sides,
  withSim,
} from '../../support/sim/world.js';

const routers = { 4: '10.1.0.99', 6: 'fd00:1::99' } as const;

const syn = (k: Kind): Segment => ({
  src: clientOf(k, 0).address,
  sport: 40_000,
  dst: sides[k.outside].vip,
  dport: 80,
  ttl: 64,
  protocol: 'TCP',
  flags: 'S',
  seq: 1,
  ack: 0,
  options: new Uint8Array(0),
  data: new Uint8Array(0),
});

/** The client's packet as the real server's side has it. */
const passed = async (sim: Sim, k: Kind): Promise<Uint8Array> => {
  const frame = encodeFrame(macOf(syn(k).src), ports.dpdk1, syn(k));
  const sent = (await sim.frame('dpdk1', frame)).find((o) => o.fate === 'tx');
  if (sent === undefined) throw new Error('the packet was not forwarded');
  return sent.bytes;
};

/** What a router near the real server says about it, and what the client gets to hear. */
const heard = async (sim: Sim, k: Kind, error: IcmpError, worker: number) => {
  const bytes = await passed(sim, k);
  const source = decodeFrame(bytes)?.src ?? '';
  const frame = encodeIcmpError(
    { from: macOf(routers[k.inside]), to: ports.dpdk0 },
    { src: routers[k.inside], dst: source },
    error,
    packetOf(bytes),
  );
  const out = (await sim.frame('dpdk0', frame, worker)).filter((o) => o.fate === 'tx');
  return out.map((o) => ({ device: o.device, ...decodeIcmpError(o.bytes) }));
};

const cases: readonly (readonly [Family, Family, string, IcmpError, IcmpError])[] = [
  [4, 4, 'too big', { type: 3, code: 4, rest: 1400 }, { type: 3, code: 4, rest: 1400 }],
  [6, 6, 'too big', { type: 2, code: 0, rest: 1400 }, { type: 2, code: 0, rest: 1400 }],
  [6, 4, 'too big', { type: 3, code: 4, rest: 1400 }, { type: 2, code: 0, rest: 1420 }],
  [6, 4, 'far too big', { type: 3, code: 4, rest: 576 }, { type: 2, code: 0, rest: 1280 }],
  [4, 6, 'too big', { type: 2, code: 0, rest: 1400 }, { type: 3, code: 4, rest: 1380 }],
  [6, 4, 'port unreachable', { type: 3, code: 3, rest: 0 }, { type: 1, code: 4, rest: 0 }],
  [6, 4, 'host unreachable', { type: 3, code: 1, rest: 0 }, { type: 1, code: 0, rest: 0 }],
  [6, 4, 'prohibited', { type: 3, code: 13, rest: 0 }, { type: 1, code: 1, rest: 0 }],
  [6, 4, 'time exceeded', { type: 11, code: 0, rest: 0 }, { type: 3, code: 0, rest: 0 }],
  [6, 4, 'protocol', { type: 3, code: 2, rest: 0 }, { type: 4, code: 1, rest: 6 }],
  [4, 6, 'port unreachable', { type: 1, code: 4, rest: 0 }, { type: 3, code: 3, rest: 0 }],
  [4, 6, 'no route', { type: 1, code: 0, rest: 0 }, { type: 3, code: 1, rest: 0 }],
  [4, 6, 'time exceeded', { type: 3, code: 0, rest: 0 }, { type: 11, code: 0, rest: 0 }],
];

for (const [outside, inside, name, said, wished] of cases)
  test(`FNAT ${outside} to ${inside}: ${name}`, async (t) => {
    const kind: Kind = { mode: 'FNAT', protocol: 'TCP', outside, inside };
    for (const worker of [0, 1, 2])
      await withSim(kind, 3, async (sim) => {
        const { src, sport, dst, dport } = syn(kind);
        t.deepEqual(await heard(sim, kind, said, worker), [
          {
            device: 'dpdk1',
            src: dst,
            dst: src,
            family: outside,
            ...wished,
            quote: { src, sport, dst, dport },
          },
        ]);
      });
  });

test('a parameter problem without a counterpart means nothing on the other side', async (t) => {
  const kind: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 6 };
  await withSim(kind, 1, async (sim) => {
    t.deepEqual(await heard(sim, kind, { type: 4, code: 0, rest: 40 }, 0), []);
    t.is((await sim.drops())['unsupported'], 1);
  });
});

/** A packet as large as the client's own link takes. */
const large = (k: Kind, size: number): Segment => ({ ...syn(k), data: new Uint8Array(size) });

test('a packet that is longer as IPv6 is told so before it is', async (t) => {
  const kind: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 6 };
  await withSim(kind, 1, async (sim) => {
    const send = async (size: number) => {
      const frame = encodeFrame(macOf(syn(kind).src), ports.dpdk1, large(kind, size));
      return (await sim.frame('dpdk1', frame)).filter((o) => o.fate === 'tx');
    };
    const fits = await send(1480 - 40);
    t.is(fits[0]?.device, 'dpdk0');
    t.is(fits[0]?.bytes.length, 14 + 1500);
    const [told] = await send(1481 - 40);
    t.is(told?.device, 'dpdk1');
    t.like(decodeIcmpError(told?.bytes ?? new Uint8Array(0)), { type: 3, code: 4, rest: 1480 });
  });
});

test('a tunnel leaves less room, and its own path says even less', async (t) => {
  for (const [outside, inside, header] of [
    [4, 4, 20],
    [6, 6, 40],
    [6, 4, 20],
  ] as const) {
    const kind: Kind = { mode: 'TUN', protocol: 'TCP', outside, inside };
    const ip = outside === 4 ? 20 : 40;
    await withSim(kind, 1, async (sim) => {
      const send = async (size: number) => {
        const frame = encodeFrame(macOf(syn(kind).src), ports.dpdk1, large(kind, size - ip - 20));
        return (await sim.frame('dpdk1', frame)).filter((o) => o.fate === 'tx');
      };
      t.is((await send(1500 - header))[0]?.bytes.length, 14 + 1500);
      const [told] = await send(1501 - header);
      t.is(decodeIcmpError(told?.bytes ?? new Uint8Array(0))?.rest, 1500 - header);
    });
  }
});
