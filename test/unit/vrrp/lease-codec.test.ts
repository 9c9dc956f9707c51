/** The codec of leases against that of src/dataplane, which a test compares with the C compiler's. */
import test from 'ava';
import fc from 'fast-check';
import * as dataplane from '../../../src/dataplane/codec.js';
import { encode, viewOf } from '../../../src/net/codec.js';
import {
  decodeFromDataplane,
  encodeGarp,
  encodeHello,
  encodeLease,
  encodePing,
  maxLeaseAddresses,
  queryMs,
} from '../../../src/vrrp/lease-codec.js';

const device = fc.stringMatching(/^[a-z0-9]{1,15}$/);
const vip = fc.record({
  device,
  address: fc.oneof(fc.constantFrom('2001:db8::1', 'fe80::7', '::1'), fc.ipV4()),
});
const u32 = fc.nat({ max: 0xffffffff });

test('requests are the same bytes as those of the data plane client', (t) => {
  t.deepEqual(encodeHello(7, 4711), dataplane.encodeHello(7, 4711, 'vrrp'));
  t.deepEqual(encodePing(9), dataplane.encodePing(9));
  fc.assert(
    fc.property(u32, u32, fc.array(vip, { maxLength: 20 }), (seq, ms, vips) => {
      t.deepEqual(encodeLease(seq, ms, vips), dataplane.encodeLease(seq, ms, vips));
    }),
  );
  fc.assert(
    fc.property(u32, vip, fc.integer({ min: 1, max: 255 }), (seq, v, repeat) => {
      t.deepEqual(
        encodeGarp(seq, v, repeat),
        dataplane.encodeGarp(seq, v.device, v.address, repeat),
      );
    }),
  );
  t.is(queryMs, dataplane.leaseQuery);
});

/** A whole message as the data plane makes it. */
const message = (kind: number, seq: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const body = parts.reduce((n, p) => n + p.length, 0);
  const out = new Uint8Array(dataplane.header.size + body);
  dataplane.header.write(viewOf(out), 0, {
    magic: dataplane.ipcMagic,
    version: dataplane.ipcVersion,
    type: kind,
    seq,
    len: body,
    reserved: null,
  });
  let at = dataplane.header.size;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
};

test('answers are read as the data plane writes them', (t) => {
  const hello = encode(dataplane.helloAck, {
    endian: dataplane.ipcEndian,
    pid: 1,
    bootId: 0xfedcba9876543210n,
    generation: 3n,
    digest: 4n,
    workers: 2,
    ports: 2,
    shmSize: 4096,
    reserved: null,
    version: 'x',
  });
  t.deepEqual(decodeFromDataplane(message(dataplane.messageType.helloAck, 5, hello)), {
    type: 'helloAck',
    seq: 5,
    bootId: 'fedcba9876543210',
  });
  const ack = encode(dataplane.ack, {
    generation: 1n,
    status: dataplane.status.malformed,
    opIndex: 0,
    reason: 'why',
  });
  t.deepEqual(decodeFromDataplane(message(dataplane.messageType.ack, 6, ack)), {
    type: 'ack',
    seq: 6,
    ok: false,
    reason: 'why',
  });
  const states = [
    { status: 0, leftMs: 1500, renewedMsAgo: 500 },
    { status: dataplane.status.notFound, leftMs: 0, renewedMsAgo: dataplane.neverRenewed },
  ];
  const lease = message(
    dataplane.messageType.leaseAck,
    7,
    encode(dataplane.leaseAck, { count: 2, status: 0 }),
    ...states.map((s) => encode(dataplane.leaseState, s)),
  );
  t.deepEqual(decodeFromDataplane(lease), {
    type: 'lease',
    seq: 7,
    states: [
      { known: true, leftMs: 1500, renewedAgoMs: 500 },
      { known: false, leftMs: 0, renewedAgoMs: null },
    ],
  });
});

test('as many addresses as fit are one message of at most 64 KiB', (t) => {
  const vips = Array.from({ length: maxLeaseAddresses }, () => ({
    device: 'dpdk0',
    address: '10.0.0.1',
  }));
  t.true(encodeLease(1, 1, vips).length <= 65_536);
  t.true(encodeLease(1, 1, [...vips, ...vips.slice(0, 1)]).length > 65_536);
});

test('whatever bytes come, reading them never throws', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decodeFromDataplane(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.nat({ max: 20 }), fc.uint8Array({ maxLength: 300 }), (kind, body) => {
      decodeFromDataplane(message(kind, 1, body));
    }),
  );
  t.pass();
});
