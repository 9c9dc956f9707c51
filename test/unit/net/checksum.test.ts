import test from 'ava';
import fc from 'fast-check';
import { addWords, checksum, fold, pseudoHeaderSum } from '../../../src/net/checksum.js';

test('the example of RFC 1071 §3', (t) => {
  const b = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  t.is(fold(addWords(b)), 0xddf2);
  t.is(checksum(b), 0x220d);
});

test('an IPv4 header with its checksum sums to ffff', (t) => {
  const header = Buffer.from('45c000280000000eff70d0e90a090002e0000012', 'hex');
  header.writeUInt16BE(0, 10);
  header.writeUInt16BE(checksum(header), 10);
  t.is(fold(addWords(header)), 0xffff);
});

test('an odd last byte counts as the high half of a word', (t) => {
  t.is(addWords(Uint8Array.of(1)), 0x0100);
});

test('data with its own checksum appended sums to ffff', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (b) => {
      const even = b.length % 2 === 0 ? b : b.subarray(1);
      const c = checksum(even);
      return fold(addWords(Uint8Array.of(c >>> 8, c & 0xff), addWords(even))) === 0xffff;
    }),
  );
  t.is(checksum(new Uint8Array(0)), 0xffff);
});

test('the pseudo-header counts both halves of both addresses', (t) => {
  t.is(pseudoHeaderSum(0x0a090002, 0xe0000012, 112, 16), 0x0a09 + 2 + 0xe000 + 0x12 + 112 + 16);
});
