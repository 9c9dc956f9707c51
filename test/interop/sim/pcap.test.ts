/** keelson-sim with pcap files, tshark as the judge of what comes out. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { diff } from '../../../src/dataplane/diff.js';
import { encodeOp } from '../../../src/dataplane/ops.js';
import { emptySnapshot } from '../../../src/dataplane/snapshot.js';
import { outputOf } from '../../support/programs/programs.js';
import { encodeFrame, encodeGreeting } from '../../support/sim/frames.js';
import { simulator } from '../../support/sim/sim.js';
import {
  addresses,
  type Kind,
  macOf,
  ports,
  serviceOf,
  sides,
  wanted,
} from '../../support/sim/world.js';

const kind: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
const service = serviceOf(kind);
const greeting = (device: 'dpdk0' | 'dpdk1', address: string): Uint8Array =>
  encodeGreeting(address, macOf(address), {
    mac: ports[device],
    address: device === 'dpdk0' ? sides[4].lan : sides[4].wan,
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
    Buffer.concat(diff(emptySnapshot, wanted(kind)).map(encodeOp)),
  );
  writeFileSync(
    path.join(dir, 'lan.pcap'),
    pcapOf(service.realServers.map((a) => greeting('dpdk0', a))),
  );
  writeFileSync(
    path.join(dir, 'wan.pcap'),
    pcapOf([greeting('dpdk1', '198.51.100.10'), ...[1, 2, 3, 4, 5].map((i) => syn(50_000 + i))]),
  );
  const said = outputOf([
    simulator,
    ...Object.entries(ports).map(([device, mac]) => `--port=${device}=${mac}`),
    ...addresses.map((a) => `--address=${a}`),
    '--workers=2',
    `--ops=${path.join(dir, 'ops')}`,
    `--in=dpdk0=${path.join(dir, 'lan.pcap')}`,
    `--in=dpdk1=${path.join(dir, 'wan.pcap')}`,
    `--out=${dir}`,
  ]).toString();
  t.is(said.match(/sent on dpdk0, 60 bytes|sent on dpdk0, 58 bytes/g)?.length, 5, said);
  const fields = [
    'ip.src',
    'ip.dst',
    'tcp.dstport',
    'ip.ttl',
    'tcp.checksum.status',
    'ip.checksum.status',
  ];
  const seen = outputOf([
    'tshark',
    ...['-r', path.join(dir, 'dpdk0.pcap'), '-T', 'fields', '-Y', 'tcp'],
    ...['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'],
    ...fields.flatMap((f) => ['-e', f]),
  ]).toString();
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
  const malformed = outputOf([
    'tshark',
    '-r',
    path.join(dir, 'dpdk0.pcap'),
    '-Y',
    '_ws.malformed',
  ]).toString();
  t.is(malformed, '');
  t.true(readFileSync(path.join(dir, 'dpdk1.pcap')).length >= 24);
  rmSync(dir, { recursive: true });
});

test('a file that is no pcap file is named', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-sim-'));
  const file = path.join(dir, 'x.pcap');
  writeFileSync(file, 'GET / HTTP/1.0\r\n\r\n        ');
  const e = t.throws(() =>
    outputOf([simulator, '--port=dpdk0=02:00:00:00:00:01', `--in=dpdk0=${file}`]),
  );
  t.regex(e.message, /x\.pcap is no pcap file/);
  rmSync(dir, { recursive: true });
});
