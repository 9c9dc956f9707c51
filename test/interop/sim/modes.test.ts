/** The packet path packet by packet, by keelson-sim: against an independent description of each mode, and before tshark. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { diff } from '../../../src/dataplane/diff.js';
import { encodeOp } from '../../../src/dataplane/ops.js';
import { emptySnapshot, type Protocol, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { decodeArp, decodeFrame, encodeArpReply, encodeFrame } from '../../support/sim/frames.js';
import { type Mode, type Reference, reference, type Service } from '../../support/sim/reference.js';
import { type Outcome, type Sim, simulator, startSim } from '../../support/sim/sim.js';

const ports = { dpdk0: '02:00:00:00:00:01', dpdk1: '02:00:00:00:00:02' };
/** Every host has a MAC of its own, made of its address. */
const macOf = (address: string): string =>
  ['02', '0c', ...address.split('.').map((x) => Number(x).toString(16).padStart(2, '0'))].join(':');
const own = { dpdk0: '10.1.0.2', dpdk1: '198.51.100.2' };
const addresses = Object.entries(own).map(([device, address]) => `${device}=${address}/24`);
const service: Service = {
  vip: '198.51.100.80',
  port: 80,
  realServers: ['10.1.0.11', '10.1.0.12', '10.1.0.13'],
  realServerPort: 8080,
  localAddresses: ['10.1.0.200', '10.1.0.201'],
  ownAddress: own.dpdk0,
  macOf,
};

const wanted = (protocol: Protocol, mode: Mode): Snapshot => ({
  addresses: [
    {
      device: 'dpdk1',
      address: service.vip,
      prefixLength: 32,
      leased: true,
      local: false,
    },
    ...service.localAddresses.map((address) => ({
      device: 'dpdk0',
      address,
      prefixLength: 32,
      leased: false,
      local: true,
    })),
  ],
  services: [
    {
      protocol,
      address: service.vip,
      port: service.port,
      scheduler: 'rr',
      expireQuiescent: false,
      schedulerPort: false,
      establishedTimeoutMs: 0,
      realServers: service.realServers.map((address) => ({
        address,
        port: service.realServerPort,
        forwarding: mode,
        weight: 1,
      })),
      localAddresses:
        mode === 'FNAT'
          ? service.localAddresses.map((address) => ({ device: 'dpdk0', address }))
          : [],
    },
  ],
  params: {},
});

/** Hosts on both sides answer every ARP request; what came out beside ARP. */
const settle = async (sim: Sim, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> => {
  const out: Outcome[] = [];
  for (const o of outcomes) {
    const arp = o.fate === 'tx' ? decodeArp(o.bytes) : null;
    if (arp === null) out.push(o);
    else if (arp.request)
      out.push(
        ...(await settle(
          sim,
          await sim.frame(o.device, encodeArpReply(arp, macOf(arp.target.address))),
        )),
      );
  }
  return out;
};

const arpOf = (device: 'dpdk0' | 'dpdk1', address: string): Uint8Array =>
  encodeArpReply(
    {
      request: true,
      sender: { mac: ports[device], address: own[device] },
      target: { mac: '', address },
    },
    macOf(address),
  );

const clientOf = (i: number) => ({ address: `198.51.100.${10 + (i % 3)}`, port: 40_000 + i });

/** Everybody's MAC is known, so that no packet waits for it. */
const greet = async (sim: Sim): Promise<void> => {
  for (const address of service.realServers) await sim.frame('dpdk0', arpOf('dpdk0', address));
  for (const i of [0, 1, 2]) await sim.frame('dpdk1', arpOf('dpdk1', clientOf(i).address));
};

const forwarded = (outcomes: readonly Outcome[], device: string, t: ExecutionContext) => {
  const sent = outcomes.filter((o) => o.fate === 'tx');
  t.true(sent.length <= 1, 'one frame for one frame');
  t.true(sent.every((o) => o.device === device));
  return sent[0] === undefined ? null : decodeFrame(sent[0].bytes);
};

const bytes = fc.uint8Array({ maxLength: 40 });
/** NOP NOP timestamp: what FNAT must leave alone. */
const timestamp = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((b) => Uint8Array.from([1, 1, 8, 10, ...b]));

const action = fc.record({
  client: fc.nat(5),
  /** S opens, then data either way. */
  what: fc.constantFrom('open', 'data', 'reply', 'stray'),
  worker: fc.nat(7),
  ttl: fc.integer({ min: 2, max: 255 }),
  seq: fc.integer({ min: 0, max: 0xffffffff }),
  options: fc.oneof(fc.constant(new Uint8Array(0)), timestamp),
  data: bytes,
});
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

interface World {
  readonly t: ExecutionContext;
  readonly sim: Sim;
  readonly reference: Reference;
  readonly protocol: Protocol;
  readonly workers: number;
}

const fromServer = async (w: World, a: Action): Promise<readonly string[]> => {
  const { address, port } = clientOf(a.client);
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
  if (a.what === 'stray')
    return w.reference.fromServer(
      segment,
      out.some((o) => o.fate === 'tx' && o.device === 'dpdk1')
        ? forwarded(out, 'dpdk1', w.t)
        : null,
    );
  return w.reference.fromServer(segment, forwarded(out, 'dpdk1', w.t));
};

const fromClient = async (w: World, a: Action): Promise<readonly string[]> => {
  const { address, port } = clientOf(a.client);
  const tcp = w.protocol === 'TCP';
  const segment = {
    src: address,
    sport: port,
    dst: service.vip,
    dport: service.port,
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

const kinds = (['FNAT', 'NAT', 'DR', 'TUN'] as const).flatMap((mode) =>
  (['TCP', 'UDP'] as const).map((protocol) => ({ mode, protocol })),
);
for (const { mode, protocol } of kinds)
  test(`${mode}, ${protocol}: any history of packets, at any worker, is forwarded as described`, async (t) => {
    let sessions = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(0xffff),
        async (actions, workers, seed) => {
          const sim = startSim({ ports, addresses, workers, seed });
          try {
            await sim.apply(wanted(protocol, mode));
            await greet(sim);
            const world: World = {
              t,
              sim,
              reference: reference(mode, protocol, service),
              protocol,
              workers,
            };
            for (const a of actions) {
              const side = a.what === 'reply' || a.what === 'stray' ? fromServer : fromClient;
              const wrong = await side(world, a);
              if (wrong.length > 0) throw new Error(wrong.join('; '));
            }
            sessions += world.reference.sessions();
          } finally {
            await sim.close();
          }
        },
      ),
      { numRuns: 300, includeErrorInReport: true },
    );
    t.true(sessions > 150);
  });

const pcapOf = (frames: readonly Uint8Array[]): Uint8Array => {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  return Buffer.concat([
    head,
    ...frames.flatMap((f, i) => {
      const h = Buffer.alloc(16);
      h.writeUInt32LE(1000 + i, 0);
      h.writeUInt32LE(f.length, 8);
      h.writeUInt32LE(f.length, 12);
      return [h, f];
    }),
  ]);
};

test('pcap files go in and come out, and tshark finds them well formed', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-sim-'));
  const syn = (port: number): Uint8Array =>
    encodeFrame(macOf('198.51.100.10'), ports.dpdk1, {
      src: '198.51.100.10',
      sport: port,
      dst: service.vip,
      dport: 80,
      ttl: 64,
      protocol: 'TCP',
      flags: 'S',
      seq: 7,
      ack: 0,
      options: Uint8Array.from([2, 4, 5, 180]),
      data: new Uint8Array(0),
    });
  writeFileSync(
    path.join(dir, 'ops'),
    Buffer.concat(diff(emptySnapshot, wanted('TCP', 'FNAT')).map(encodeOp)),
  );
  writeFileSync(
    path.join(dir, 'lan.pcap'),
    pcapOf(service.realServers.map((a) => arpOf('dpdk0', a))),
  );
  writeFileSync(
    path.join(dir, 'wan.pcap'),
    pcapOf([arpOf('dpdk1', '198.51.100.10'), ...[1, 2, 3, 4, 5].map((i) => syn(50_000 + i))]),
  );
  const said = execFileSync(
    simulator,
    [
      ...Object.entries(ports).map(([device, mac]) => `--port=${device}=${mac}`),
      ...addresses.map((a) => `--address=${a}`),
      '--workers=2',
      `--ops=${path.join(dir, 'ops')}`,
      `--in=dpdk0=${path.join(dir, 'lan.pcap')}`,
      `--in=dpdk1=${path.join(dir, 'wan.pcap')}`,
      `--out=${dir}`,
    ],
    { encoding: 'utf8' },
  );
  t.is(said.match(/sent on dpdk0, 60 bytes|sent on dpdk0, 58 bytes/g)?.length, 5, said);
  const fields = [
    'ip.src',
    'ip.dst',
    'tcp.dstport',
    'ip.ttl',
    'tcp.checksum.status',
    'ip.checksum.status',
  ];
  const seen = execFileSync(
    'tshark',
    [
      ...['-r', path.join(dir, 'dpdk0.pcap'), '-T', 'fields', '-Y', 'tcp'],
      ...['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'],
      ...fields.flatMap((f) => ['-e', f]),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const rows = seen
    .trim()
    .split('\n')
    .map((l) => l.split('\t'));
  t.is(rows.length, 5);
  for (const [src, dst, port, ttl, tcp, ip] of rows) {
    t.true(service.localAddresses.includes(src ?? ''));
    t.true(service.realServers.includes(dst ?? ''));
    t.deepEqual([port, ttl, tcp, ip], ['8080', '63', '1', '1']);
  }
  const malformed = execFileSync(
    'tshark',
    ['-r', path.join(dir, 'dpdk0.pcap'), '-Y', '_ws.malformed'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  t.is(malformed, '');
  t.true(readFileSync(path.join(dir, 'dpdk1.pcap')).length >= 24);
  rmSync(dir, { recursive: true });
});

test('a file that is no pcap file is named', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-sim-'));
  const file = path.join(dir, 'x.pcap');
  writeFileSync(file, 'GET / HTTP/1.0\r\n\r\n        ');
  const e = t.throws(() =>
    execFileSync(simulator, ['--port=dpdk0=02:00:00:00:00:01', `--in=dpdk0=${file}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  t.regex(e.message, /x\.pcap is no pcap file/);
  rmSync(dir, { recursive: true });
});
