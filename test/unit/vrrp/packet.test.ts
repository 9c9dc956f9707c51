import test from 'ava';
import fc from 'fast-check';
import { decodeIpv4, type Ipv4, ipv4 } from '../../../src/net/ipv4.js';
import { describe } from '../../../src/vrrp/errors.js';
import {
  type Advertisement,
  decodeAdvertisement,
  encodeAdvertisement,
} from '../../../src/vrrp/packet.js';
import { ipv4Packets } from '../../support/vrrp/pcap.js';
import { address } from '../../support/vrrp/simulation.js';

const ends = { source: address('10.9.0.2'), destination: address('224.0.0.18') };

const captured = (name: string) =>
  ipv4Packets(`test/vectors/vrrp/keepalived-2.2.7-${name}.pcap`).map((packet) => {
    const ip = decodeIpv4(packet);
    if (!ip.ok) throw new Error(`not IPv4 in ${name}`);
    return ip.value;
  });

const files: readonly {
  readonly name: string;
  readonly priorities: readonly number[];
  readonly expected: Pick<Advertisement, 'version' | 'vrid' | 'intervalMs'>;
  readonly addresses: readonly string[];
}[] = [
  {
    name: 'v2-none-multicast',
    priorities: [254, 254, 0],
    expected: { version: 2, vrid: 51, intervalMs: 1000 },
    addresses: ['10.9.0.100', '10.9.0.101'],
  },
  {
    name: 'v2-pass-unicast',
    priorities: [254, 254, 0],
    expected: { version: 2, vrid: 51, intervalMs: 1000 },
    addresses: ['10.9.0.100'],
  },
  {
    name: 'v3-multicast',
    priorities: [254, 254, 254, 254, 254, 0],
    expected: { version: 3, vrid: 51, intervalMs: 250 },
    addresses: ['10.9.0.100', '10.9.0.101', '10.9.0.102'],
  },
  {
    name: 'v3-unicast',
    priorities: [254, 254, 0],
    expected: { version: 3, vrid: 51, intervalMs: 1000 },
    addresses: ['10.9.0.100'],
  },
];

for (const { name, priorities, expected, addresses } of files)
  test(`keepalived's adverts are read, and written the same: ${name}`, (t) => {
    const datagrams = captured(name);
    t.deepEqual(
      datagrams.map((d) => d.payload[2]),
      priorities,
    );
    for (const d of datagrams) {
      const read = decodeAdvertisement(d.payload, d);
      if (!read.ok) {
        t.fail(describe(read.error));
        continue;
      }
      t.like(read.value, expected);
      t.deepEqual(read.value.addresses, addresses.map(address));
      t.deepEqual(encodeAdvertisement(read.value, d), d.payload);
    }
  });

test('the password of a captured advert is its 8 bytes (RFC 2338 §5.3.6.2)', (t) => {
  const [d] = captured('v2-pass-unicast');
  const read = d === undefined ? null : decodeAdvertisement(d.payload, d);
  if (read?.ok !== true || read.value.version !== 2) return t.fail('not a version 2 advert');
  t.is(read.value.authentication.type, 1);
  t.is(Buffer.from(read.value.authentication.data).toString('latin1'), 's3cret\0\0');
  return undefined;
});

const anyAddress = fc.integer({ min: 0, max: 0xffffffff }).map(ipv4);
const common = {
  vrid: fc.integer({ min: 1, max: 255 }),
  priority: fc.integer({ min: 0, max: 255 }),
  addresses: fc.array(anyAddress, { maxLength: 20 }),
};
const anyAdvert: fc.Arbitrary<Advertisement> = fc.oneof(
  fc.record({
    version: fc.constant<2>(2),
    ...common,
    intervalMs: fc.integer({ min: 0, max: 255 }).map((s) => s * 1000),
    authentication: fc.record({
      type: fc.integer({ min: 0, max: 255 }),
      data: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    }),
  }),
  fc.record({
    version: fc.constant<3>(3),
    ...common,
    intervalMs: fc.integer({ min: 0, max: 4095 }).map((c) => c * 10),
  }),
);

test('an advertisement survives a round trip', (t) => {
  fc.assert(
    fc.property(anyAdvert, anyAddress, anyAddress, (a, source, destination) => {
      const read = decodeAdvertisement(encodeAdvertisement(a, { source, destination }), {
        source,
        destination,
      });
      t.deepEqual(read, { ok: true, value: a });
    }),
  );
});

test('random bytes never throw', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (b) => {
      const read = decodeAdvertisement(b, ends);
      return read.ok || describe(read.error).length > 0;
    }),
  );
  t.pass();
});

test('a flipped bit is seen by the checksum', (t) => {
  fc.assert(
    fc.property(anyAdvert, fc.nat(), fc.integer({ min: 0, max: 7 }), (a, where, bit) => {
      const b = encodeAdvertisement(a, ends);
      const at = where % b.length;
      b[at] = (b[at] ?? 0) ^ (1 << bit);
      return !decodeAdvertisement(b, ends).ok;
    }),
  );
  t.pass();
});

const v3: Advertisement = {
  version: 3,
  vrid: 1,
  priority: 100,
  intervalMs: 1000,
  addresses: [address('10.9.0.100')],
};

const errorOf = (b: Uint8Array) => {
  const read = decodeAdvertisement(b, ends);
  return read.ok ? null : read.error;
};

test('every prefix of an advert is too short, and says where', (t) => {
  const b = encodeAdvertisement(v3, ends);
  for (let n = 0; n < b.length; n++) t.is(errorOf(b.subarray(0, n))?.kind, 'length');
  t.like(errorOf(b.subarray(0, 10)), { field: 'addresses', offset: 8, needed: 4, available: 2 });
});

test('unknown version, unknown type and VRID 0 are told by offset', (t) => {
  const b = encodeAdvertisement(v3, ends);
  const having = (at: number, value: number): Uint8Array => {
    const out = b.slice();
    out[at] = value;
    return out;
  };
  t.deepEqual(errorOf(having(0, 0x41)), { kind: 'version', field: 'version', offset: 0, found: 4 });
  t.deepEqual(errorOf(having(0, 0x32)), { kind: 'type', field: 'type', offset: 0, found: 2 });
  t.deepEqual(errorOf(having(1, 0)), { kind: 'vrid', field: 'vrid', offset: 1, found: 0 });
});

test('a checksum without the pseudo-header is refused with the hint, and accepted by v3_checksum_as_v2', (t) => {
  const b = encodeAdvertisement(v3, ends, 'asV2');
  const error = errorOf(b);
  t.like(error, { kind: 'checksum', rightWithoutPseudoHeader: true });
  t.regex(error === null ? '' : describe(error), /v3_checksum_as_v2/);
  t.true(decodeAdvertisement(b, ends, 'asV2').ok);
  t.true(decodeAdvertisement(encodeAdvertisement(v3, ends), ends, 'asV2').ok);
});

test('the error names the checksum that would be right', (t) => {
  const b = encodeAdvertisement(v3, ends);
  const right = (b[6] ?? 0) * 256 + (b[7] ?? 0);
  b[6] = 0;
  b[7] = 0;
  t.like(errorOf(b), { kind: 'checksum', found: 0, expected: right });
});

test('bytes behind the advertisement are tolerated', (t) => {
  const b = encodeAdvertisement(v3, ends);
  const longer = new Uint8Array(b.length + 9).fill(0xaa);
  longer.set(b);
  t.deepEqual(decodeAdvertisement(longer, ends), { ok: true, value: v3 });
});

test('255 addresses fit', (t) => {
  const many: Advertisement = {
    ...v3,
    addresses: Array.from({ length: 255 }, (_, i): Ipv4 => ipv4(0x0a000000 + i)),
  };
  t.deepEqual(decodeAdvertisement(encodeAdvertisement(many, ends), ends), {
    ok: true,
    value: many,
  });
});
