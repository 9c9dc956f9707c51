import test from 'ava';
import fc from 'fast-check';
import {
  ack,
  decodeMessage,
  encodeGarp,
  encodeHello,
  encodeLease,
  encodePing,
  encodeSessions,
  event,
  eventText,
  generationMessages,
  header,
  helloAck,
  ipcEndian,
  maxMessage,
  messageType,
  noOp,
  sessionRow,
  sessionsAck,
} from '../../../src/dataplane/codec.js';
import { diff } from '../../../src/dataplane/diff.js';
import {
  encodeOp,
  opAddr,
  opLip,
  opMatch,
  opParam,
  opRs,
  opSvc,
} from '../../../src/dataplane/ops.js';
import { emptySnapshot } from '../../../src/dataplane/snapshot.js';
import { encode, viewOf } from '../../../src/net/codec.js';
import { manyServices } from '../../support/dataplane/snapshots.js';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

const messageOf = (type: number, seq: number, body: Uint8Array): Uint8Array => {
  const head = encode(header, {
    magic: 0x534b,
    version: 2,
    type,
    seq,
    len: body.byteLength,
    reserved: null,
  });
  return new Uint8Array([...head, ...body]);
};

// Written out by hand from the header, little-endian, addresses and ports in network order.
const requests: readonly (readonly [string, Uint8Array, string])[] = [
  [
    'hello',
    encodeHello(7, 0x1234, 'keelson'),
    `4b5302010700000028000000000000000403020134120000${'6b65656c736f6e'.padEnd(64, '0')}`,
  ],
  [
    'release of all',
    encodeLease(8, 0, []),
    '4b53020808000000080000000000000' + '00000000000000000',
  ],
  [
    'lease of an address',
    encodeLease(8, 3000, [{ device: 'dpdk1', address: '198.51.100.80' }]),
    `4b530208080000002c00000000000000b80b000001000000${'6470646b31'.padEnd(32, '0')}04000000${'c6336450'.padEnd(32, '0')}`,
  ],
  [
    'garp',
    encodeGarp(9, 'dpdk0', '192.0.2.1', 3),
    `4b530209090000002400000000000000${'6470646b30'.padEnd(32, '0')}04030000${'c0000201'.padEnd(32, '0')}`,
  ],
  [
    'sessions',
    encodeSessions(10, 2, 5, 512),
    '4b53020a0a00000010000000000000000200000005000000000200' + '0000000000',
  ],
  ['ping', encodePing(11), '4b53020e0b0000000000000000000000'],
];

for (const [name, bytes, wanted] of requests)
  test(`request ${name} is as the contract has it`, (t) => {
    t.is(hex(bytes), wanted);
  });

const service = { protocol: 'TCP', address: '10.0.0.1', port: 80 } as const;
const keyHex = `04060050${'0a000001'.padEnd(32, '0')}`;

const operations: readonly (readonly [string, Uint8Array, string])[] = [
  [
    'addressSet',
    encodeOp({
      type: 'addressSet',
      address: {
        device: 'dpdk0',
        address: '10.0.0.1',
        prefixLength: 32,
        leased: true,
        local: true,
      },
    }),
    `01002800${'6470646b30'.padEnd(32, '0')}04200300${'0a000001'.padEnd(32, '0')}`,
  ],
  [
    'serviceSet',
    encodeOp({
      type: 'serviceSet',
      service: {
        ...service,
        scheduler: 'wrr',
        expireQuiescent: true,
        onePacket: false,
        quic: null,
        schedulerPort: true,
        persistenceMs: 60_000,
        persistencePrefixLength: 24,
        expireTemplate: true,
        establishedTimeoutMs: 5000,
      },
    }),
    `07002c00${keyHex}02000000${'51000000'}${'88130000'}${'60ea0000'}18000000`,
  ],
  ['serviceDel', encodeOp({ type: 'serviceDel', service }), `08002c00${keyHex}${'0'.repeat(40)}`],
  [
    'realServerSet',
    encodeOp({
      type: 'realServerSet',
      service,
      realServer: {
        address: '10.0.1.1',
        port: 8080,
        forwarding: 'FNAT',
        weight: 5,
        upperThreshold: 10_000,
        lowerThreshold: 9,
      },
    }),
    `09003c00${keyHex}04011f90${'0a000101'.padEnd(32, '0')}05000000000000001027000009000000`,
  ],
  [
    'localSet',
    encodeOp({ type: 'localSet', service, local: { device: 'dpdk1', address: '10.0.2.1' } }),
    `0b003c00${keyHex}${'6470646b31'.padEnd(32, '0')}04000000${'0a000201'.padEnd(32, '0')}`,
  ],
  [
    'paramSet',
    encodeOp({ type: 'paramSet', param: 'tcpEstablished', value: 90_000 }),
    '0d00100001000000905f010000000000',
  ],
];

for (const [name, bytes, wanted] of operations)
  test(`operation ${name} is as the contract has it`, (t) => {
    t.is(hex(bytes), wanted);
  });

test('a generation is BEGIN, full messages of operations, COMMIT with their number', (t) => {
  const ops = diff(emptySnapshot, manyServices(1000, 4));
  const messages = [...generationMessages(3, { base: 4n, generation: 5n, digest: 6n }, ops)];
  const types = messages.map((m) => m[3]);
  t.is(types[0], messageType.begin);
  t.is(types.at(-1), messageType.commit);
  t.true(types.slice(1, -1).every((x) => x === messageType.ops));
  t.true(messages.every((m) => m.byteLength <= maxMessage));
  // Each but the last is so full that one more operation would not fit.
  t.true(messages.slice(1, -2).every((m) => m.byteLength > maxMessage - opLip.size));
  const last = viewOf(messages.at(-1) ?? new Uint8Array());
  t.is(last.getBigUint64(16, true), 5n);
  t.is(last.getBigUint64(24, true), 6n);
  t.is(last.getUint32(32, true), ops.length);
  let counted = 0;
  for (const m of messages.slice(1, -1)) {
    const view = viewOf(m);
    t.is(view.getUint32(8, true), m.byteLength - header.size);
    for (let at = header.size; at < m.byteLength; at += view.getUint16(at + 2, true)) counted++;
  }
  t.is(counted, ops.length);
});

test('what cannot be written is an error of the caller, not another device or address', (t) => {
  const address = {
    device: 'dpdk0',
    address: '10.0.0.1',
    prefixLength: 32,
    leased: false,
    local: false,
  };
  const set = (change: object) => () =>
    encodeOp({ type: 'addressSet', address: { ...address, ...change } });
  t.throws(set({ address: '2001:db8::1::' }), { message: '2001:db8::1:: is not an IP address' });
  t.throws(set({ device: 'a-device-of-16-b' }), { message: /longer than 15 bytes/ });
  t.notThrows(set({ device: 'a-device-of-15b' }));
});

test('answers are read back as they were written', (t) => {
  const hello = {
    endian: ipcEndian,
    pid: 4711,
    bootId: 0xfedcba9876543210n,
    generation: 12n,
    digest: 0xffffffffffffffffn,
    workers: 4,
    ports: 2,
    shmSize: 65_536,
    reserved: null,
    version: '0.1.0',
  };
  t.deepEqual(decodeMessage(messageOf(messageType.helloAck, 1, encode(helloAck, hello))), {
    ok: true,
    value: { type: 'helloAck', seq: 1, body: hello },
  });
  const refused = { generation: 3n, status: 4, opIndex: noOp, reason: 'there is no device dpdk9' };
  t.deepEqual(decodeMessage(messageOf(messageType.ack, 2, encode(ack, refused))), {
    ok: true,
    value: { type: 'ack', seq: 2, body: refused },
  });
  const happened = {
    type: 3,
    a: 0,
    dev: 'dpdk0',
    af: 4,
    reserved: null,
    addr: '10.0.0.1',
    text: '02:00:00:00:00:01',
  };
  t.deepEqual(decodeMessage(messageOf(messageType.event, 0, encode(event, happened))), {
    ok: true,
    value: { type: 'event', seq: 0, body: happened },
  });
});

const row = {
  afIn: 4,
  afOut: 4,
  proto: 6,
  state: 1,
  worker: 2,
  fwd: 1,
  expiresMs: 90_000,
  flags: 0,
  cport: 40_000,
  vport: 80,
  lport: 1025,
  rport: 8080,
  client: '192.0.2.1',
  vip: '10.0.0.1',
  lip: '10.0.2.1',
  rs: '10.0.1.1',
};

test('a page of sessions: rows, and where to go on', (t) => {
  const page = (next: number, count: number, rows: number): Uint8Array =>
    messageOf(
      messageType.sessionsAck,
      9,
      new Uint8Array([
        ...encode(sessionsAck, { worker: 2, next, count, status: 0 }),
        ...Array.from({ length: rows }, () => [...encode(sessionRow, row)]).flat(),
      ]),
    );
  t.deepEqual(decodeMessage(page(17, 2, 2)), {
    ok: true,
    value: { type: 'sessions', seq: 9, status: 0, next: 17, rows: [row, row] },
  });
  const end = decodeMessage(page(noOp, 0, 0));
  t.true(end.ok && end.value.type === 'sessions' && end.value.next === null);
  t.false(decodeMessage(page(noOp, 3, 2)).ok);
  t.false(decodeMessage(page(noOp, 0xffffffff, 0)).ok);
});

test('each answer cut anywhere is an error, never an exception', (t) => {
  const bodies = [
    [messageType.helloAck, helloAck.size],
    [messageType.ack, ack.size],
    [messageType.sessionsAck, sessionsAck.size],
    [messageType.event, event.size],
  ] as const;
  for (const [type, size] of bodies)
    for (let n = 0; n < size; n++) t.false(decodeMessage(messageOf(type, 1, new Uint8Array(n))).ok);
});

test('wrong magic, version, length, byte order and type are told', (t) => {
  const good = messageOf(messageType.ack, 1, new Uint8Array(ack.size));
  const reason = (change: (m: Uint8Array) => void): string => {
    const m = good.slice();
    change(m);
    const d = decodeMessage(m);
    return d.ok ? 'accepted' : d.error.reason;
  };
  const put = (at: number, value: number) => (m: Uint8Array) => {
    m[at] = value;
  };
  t.is(
    reason(() => {}),
    'accepted',
  );
  t.regex(reason(put(0, 0)), /^magic/);
  t.is(reason(put(2, 3)), 'the data plane speaks version 3 of the contract, we speak 2');
  t.is(reason(put(3, 99)), 'unknown type 99');
  t.regex(reason(put(8, 1)), /^length/);
  t.is(reason(put(3, messageType.helloAck)), 'helloAck: another byte order');
});

test('law: random bytes, and random bytes behind a right head, never throw', (t) => {
  t.notThrows(() => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (b) => !decodeMessage(b).ok));
    fc.assert(
      fc.property(fc.nat(20), fc.uint8Array({ maxLength: 1000 }), (type, body) => {
        decodeMessage(messageOf(type, 1, body));
      }),
    );
  });
});

test('the operations have the sizes the data plane insists on', (t) => {
  t.deepEqual(
    [opAddr, opSvc, opRs, opLip, opParam, opMatch].map((c) => c.size),
    [40, 44, 60, 60, 16, 84],
  );
});

test('an event is a sentence', (t) => {
  t.is(eventText({ type: 1, a: 0, text: '' }), 'link down');
  t.is(eventText({ type: 1, a: 1, text: '' }), 'link up');
  t.is(eventText({ type: 5, a: 3, text: '3 times' }), 'session table full 3 times');
  t.is(eventText({ type: 99, a: 0, text: '' }), 'event 99');
});
