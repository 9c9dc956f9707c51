/** GRE and GUE around a packet for a real server: byte by byte, and tshark's word for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { Snapshot, Tunnel } from '../../../src/dataplane/snapshot.js';
import { run } from '../../support/lab/programs.js';
import {
  decodeFrame,
  decodeIcmpError,
  encodeFrame,
  encodeIcmpError,
  ipText,
  onesComplement,
  packetOf,
  type Segment,
} from '../../support/sim/frames.js';
import type { Outcome, Sim } from '../../support/sim/sim.js';
import {
  type Family,
  type Kind,
  macOf,
  ports,
  sides,
  wanted,
  withSim,
} from '../../support/sim/world.js';

const pairs: readonly (readonly [Family, Family])[] = [
  [4, 4],
  [6, 6],
  [6, 4],
];
const tunnels: readonly Tunnel[] = [
  { type: 'gre', checksum: false },
  { type: 'gre', checksum: true },
  { type: 'gue', port: 6080, checksum: false },
  { type: 'gue', port: 6080, checksum: true },
];
const text = (x: Tunnel): string => `${x.type}${x.checksum ? ' with checksum' : ''}`;

const kindOf = (outside: Family, inside: Family): Kind => ({
  mode: 'TUN',
  protocol: 'UDP',
  outside,
  inside,
});

const snapshot = (k: Kind, tunnel: Tunnel): Snapshot => {
  const s = wanted(k);
  return {
    ...s,
    services: s.services.map((v) => ({
      ...v,
      realServers: v.realServers.map((r) => ({ ...r, tunnel })),
    })),
  };
};

const segment = (k: Kind, size: number, sport = 40_000): Segment => ({
  src: sides[k.outside].client(0),
  sport,
  dst: sides[k.outside].vip,
  dport: 80,
  ttl: 64,
  protocol: 'UDP',
  flags: '',
  seq: 0,
  ack: 0,
  options: new Uint8Array(0),
  data: Uint8Array.from({ length: size }, (_, i) => i & 255),
});

const send = async (
  sim: Sim,
  k: Kind,
  size: number,
  sport?: number,
): Promise<readonly Outcome[]> => {
  const s = segment(k, size, sport);
  const out = await sim.frame('dpdk1', encodeFrame(macOf(s.src), ports.dpdk1, s));
  return out.filter((o) => o.fate === 'tx');
};

const extra = (x: Tunnel): number => (x.type === 'gue' ? 12 : x.checksum ? 8 : 4);

/** What is between the two IP headers, and the packet within as a frame of its own. */
const taken = (k: Kind, x: Tunnel, frame: Uint8Array) => {
  const at = 14 + (k.inside === 4 ? 20 : 40);
  const between = frame.slice(at, at + extra(x));
  const type = k.outside === 4 ? [8, 0] : [0x86, 0xdd];
  const inner = Uint8Array.from([...frame.slice(0, 12), ...type, ...frame.slice(at + extra(x))]);
  const protocol = frame[k.inside === 4 ? 23 : 20];
  return { between, inner: decodeFrame(inner), protocol, behind: frame.slice(at) };
};

const checkGre = (between: Uint8Array, behind: Uint8Array, six: boolean, summed: boolean) => [
  between[0] === (summed ? 0x80 : 0) && between[1] === 0,
  between[2] === (six ? 0x86 : 8) && between[3] === (six ? 0xdd : 0),
  !summed || onesComplement([behind]) === 0,
];

const checkGue = (between: Uint8Array, behind: Uint8Array, six: boolean, port: number) => {
  const v = new DataView(between.buffer);
  return [
    v.getUint16(0) >= 0xc000,
    v.getUint16(2) === port,
    v.getUint16(4) === behind.length,
    between[8] === 0 && between[9] === (six ? 41 : 4) && v.getUint16(10) === 0,
  ];
};

for (const [outside, inside] of pairs)
  for (const x of tunnels)
    test(`${outside} in ${inside} by ${text(x)}: what is between the headers, and how much room it takes`, async (t) => {
      const k = kindOf(outside, inside);
      await withSim(k, 1, async (sim) => {
        await sim.apply(snapshot(k, x));
        const [o] = await send(sim, k, 100);
        const got = taken(k, x, o?.bytes ?? new Uint8Array(128));
        t.is(got.protocol, x.type === 'gre' ? 47 : 17);
        t.deepEqual(got.inner?.faults, []);
        t.like(got.inner, { src: sides[outside].client(0), dst: sides[outside].vip, ttl: 63 });
        t.deepEqual(got.inner?.data, segment(k, 100).data);
        const right =
          x.type === 'gre'
            ? checkGre(got.between, got.behind, outside === 6, x.checksum)
            : checkGue(got.between, got.behind, outside === 6, x.port);
        t.deepEqual(
          right,
          right.map(() => true),
        );
        const header = inside === 4 ? 20 : 40;
        const room = 1500 - header - extra(x);
        const payload = room - (outside === 4 ? 28 : 48);
        const [fits] = await send(sim, k, payload);
        t.is(fits?.bytes.length, 14 + 1500);
        const [told] = await send(sim, k, payload + 1);
        t.is(told?.device, 'dpdk1');
        t.is(decodeIcmpError(told?.bytes ?? new Uint8Array(64))?.rest, room);
      });
    });

test('flows of a GUE tunnel seem to come from different ports, and one flow from one', async (t) => {
  const k = kindOf(4, 4);
  await withSim(k, 1, async (sim) => {
    await sim.apply(snapshot(k, { type: 'gue', port: 6080, checksum: false }));
    const source = async (sport: number): Promise<number> => {
      const [o] = await send(sim, k, 10, sport);
      return new DataView((o?.bytes ?? new Uint8Array(64)).buffer).getUint16(34);
    };
    const first = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((i) => source(40_000 + i)));
    t.true(new Set(first).size >= 7);
    t.is(await source(40_001), first[0] ?? -1);
  });
});

const routers = { 4: '10.1.0.99', 6: 'fd00:1::99' } as const;
const tooBig = {
  4: { type: 3, code: 4 },
  6: { type: 2, code: 0 },
} as const;
const smaller = 1400;

/** What a router within the tunnel says of the frame, as a frame. */
const complaint = (inside: Family, about: Uint8Array): Uint8Array => {
  const at = inside === 4 ? 26 : 22;
  const source = ipText(about.slice(at, at + (inside === 4 ? 4 : 16)));
  return encodeIcmpError(
    { from: macOf(routers[inside]), to: ports.dpdk0 },
    { src: routers[inside], dst: source },
    { ...tooBig[inside], rest: smaller },
    packetOf(about, 200),
  );
};

for (const [outside, inside] of pairs)
  for (const x of [null, ...tunnels])
    test(`${outside} in ${inside} by ${x === null ? 'IP' : text(x)}: a router within it says too big, and the client hears what is left`, async (t) => {
      const k = kindOf(outside, inside);
      const left = smaller - (inside === 4 ? 20 : 40) - (x === null ? 0 : extra(x));
      const client = sides[outside].client(0);
      const { vip } = sides[outside];
      await withSim(k, 3, async (sim) => {
        if (x !== null) await sim.apply(snapshot(k, x));
        const [o] = await send(sim, k, 200);
        const error = complaint(inside, o?.bytes ?? new Uint8Array(64));
        for (const worker of [0, 1, 2]) {
          const [told] = (await sim.frame('dpdk0', error, worker)).filter((f) => f.fate === 'tx');
          t.is(told?.device, 'dpdk1');
          t.like(decodeIcmpError(told?.bytes ?? new Uint8Array(64)), {
            src: vip,
            dst: client,
            ...tooBig[outside],
            rest: left,
            quote: { src: client, sport: 40_000, dst: vip, dport: 80 },
          });
        }
        const payload = left - (outside === 4 ? 28 : 48);
        t.is((await send(sim, k, payload))[0]?.device, 'dpdk0');
        const [again] = await send(sim, k, payload + 1);
        t.is(decodeIcmpError(again?.bytes ?? new Uint8Array(64))?.rest, left, 'and it is kept');
      });
    });

const pcapOf = (frames: readonly Uint8Array[]): Buffer => {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  return Buffer.concat([
    head,
    ...frames.flatMap((f) => {
      const record = Buffer.alloc(16);
      record.writeUInt32LE(f.length, 8);
      record.writeUInt32LE(f.length, 12);
      return [record, Buffer.from(f)];
    }),
  ]);
};

test('tshark reads them whole, with right checksums', async (t) => {
  const frames: Uint8Array[] = [];
  for (const [outside, inside] of pairs)
    for (const x of tunnels)
      await withSim(kindOf(outside, inside), 1, async (sim) => {
        await sim.apply(snapshot(kindOf(outside, inside), x));
        frames.push(...(await send(sim, kindOf(outside, inside), 64)).map((o) => o.bytes));
      });
  const dir = await mkdtemp(path.join(tmpdir(), 'keelson-tunnels-'));
  const file = path.join(dir, 'tunnels.pcap');
  await writeFile(file, pcapOf(frames));
  const tshark = (...more: readonly string[]): readonly string[] =>
    run(
      'tshark',
      '-n',
      '-r',
      file,
      '-o',
      'ip.check_checksum:TRUE',
      '-o',
      'udp.check_checksum:TRUE',
      ...more,
    )
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  const wrong = [
    '_ws.malformed',
    'ip.checksum.status == 0',
    'udp.checksum.status == 0',
    'gre.checksum.status == 0',
  ];
  t.deepEqual(tshark('-Y', wrong.join(' || ')), []);
  const protocols = tshark('-T', 'fields', '-e', 'frame.protocols');
  t.is(protocols.filter((p) => /:gre:(ip|ipv6):udp/.test(p)).length, 6);
  // It knows no GUE, but the datagram around it.
  t.is(protocols.filter((p) => /^eth:ethertype:(ip|ipv6):udp:/.test(p)).length, 6);
  await rm(dir, { recursive: true });
});
