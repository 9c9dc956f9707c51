import test from 'ava';
import fc from 'fast-check';
import { bytes, decode, encode, struct, u8, u16, u32 } from '../../../src/net/codec.js';

const sample = struct({ kind: u8, length: u16, address: u32, tail: bytes(3) });

test('a struct is as long as its fields and reads what it wrote', (t) => {
  t.is(sample.size, 10);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 10, maxLength: 10 }), (b) => {
      const read = decode(sample, b);
      t.true(read.ok);
      if (read.ok) t.deepEqual(encode(sample, read.value), b);
    }),
  );
});

test('fields are in network byte order', (t) => {
  const b = encode(sample, {
    kind: 1,
    length: 0x0203,
    address: 0x04050607,
    tail: Uint8Array.of(8),
  });
  t.deepEqual([...b], [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
});

test('too short a slice is refused with what is missing, also from an offset', (t) => {
  t.deepEqual(decode(u32, new Uint8Array(3)), {
    ok: false,
    error: { kind: 'truncated', offset: 0, needed: 4, available: 3 },
  });
  t.deepEqual(decode(u16, new Uint8Array(5), 4), {
    ok: false,
    error: { kind: 'truncated', offset: 4, needed: 2, available: 1 },
  });
  t.false(decode(u8, new Uint8Array(5), -1).ok);
});

test('a slice of a larger buffer is read from its own start', (t) => {
  const b = Uint8Array.of(9, 9, 1, 2).subarray(2);
  t.deepEqual(decode(u16, b), { ok: true, value: 0x0102 });
});
