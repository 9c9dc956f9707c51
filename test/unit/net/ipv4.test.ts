import test from 'ava';
import fc from 'fast-check';
import {
  decodeIpv4,
  encodeIpv4,
  formatIpv4,
  ipv4,
  isMulticast,
  parseIpv4,
} from '../../../src/net/ipv4.js';

test('an address survives text and back', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (n) => {
      return parseIpv4(formatIpv4(ipv4(n))) === n;
    }),
  );
  t.is(formatIpv4(ipv4(0xffffffff)), '255.255.255.255');
});

for (const text of [
  '',
  '1.2.3',
  '1.2.3.4.5',
  '256.0.0.1',
  '01.2.3.4',
  '1.2.3.4/24',
  'a.b.c.d',
  '-1.0.0.0',
])
  test(`"${text}" is not an address`, (t) => {
    t.is(parseIpv4(text), null);
  });

test('224.0.0.0/4 is multicast', (t) => {
  t.true(isMulticast(ipv4(0xe0000012)));
  t.false(isMulticast(ipv4(0xdfffffff)));
  t.false(isMulticast(ipv4(0xf0000000)));
});

test('the payload ends at the total length, before any Ethernet padding', (t) => {
  const d = {
    source: ipv4(1),
    destination: ipv4(2),
    ttl: 255,
    protocol: 112,
    payload: Uint8Array.of(1, 2, 3),
  };
  const packet = encodeIpv4({ ...d, tos: 0xc0 });
  const padded = new Uint8Array(46);
  padded.set(packet);
  t.deepEqual(decodeIpv4(padded), { ok: true, value: d });
});

test('options are skipped', (t) => {
  const packet = Buffer.from('4600001a000000000170000001020304e000001294040000aabb', 'hex');
  const read = decodeIpv4(packet);
  t.true(read.ok);
  if (read.ok) t.deepEqual([...read.value.payload], [0xaa, 0xbb]);
});

test('broken headers are refused by field', (t) => {
  const good = encodeIpv4({
    source: ipv4(1),
    destination: ipv4(2),
    ttl: 1,
    protocol: 112,
    tos: 0,
    payload: new Uint8Array(4),
  });
  const broken = (at: number, value: number): unknown => {
    const b = good.slice();
    b[at] = value;
    const read = decodeIpv4(b);
    return read.ok ? null : { ...read.error };
  };
  t.deepEqual(broken(0, 0x65), { kind: 'malformed', field: 'version', offset: 0 });
  t.deepEqual(broken(0, 0x44), { kind: 'malformed', field: 'ihl', offset: 0 });
  t.deepEqual(broken(3, 10), { kind: 'malformed', field: 'totalLength', offset: 2 });
  t.deepEqual(broken(3, 200), { kind: 'truncated', offset: 20, needed: 180, available: 4 });
  t.deepEqual(broken(6, 0x20), { kind: 'malformed', field: 'fragmentOffset', offset: 6 });
  t.false(decodeIpv4(new Uint8Array(19)).ok);
});

test('random bytes never throw', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (b) => {
      decodeIpv4(b);
      return true;
    }),
  );
  t.pass();
});
