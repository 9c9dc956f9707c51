import test from 'ava';
import fc from 'fast-check';
import { canonicalIpv6, formatIpv6, parseIpv6 } from '../../../src/net/ipv6.js';

/** The host parser of the URL standard reads RFC 4291's forms and writes RFC 5952's. */
const byUrl = (text: string): string | null => {
  if (!text.includes(':') || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  try {
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return null;
  }
};

const addressBytes = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((g) => [g >> 8, g & 255])));

test('law: an address is read back from its text, which is that of RFC 5952', (t) => {
  fc.assert(
    fc.property(addressBytes, (b) => {
      const text = formatIpv6(b);
      t.deepEqual(parseIpv6(text), b);
      t.is(byUrl(text), text);
    }),
  );
});

test('law: any text of the right characters is read as the URL standard reads it', (t) => {
  const piece = fc.constantFrom(
    ':',
    '::',
    '0',
    'ab',
    'FFFF',
    '12345',
    '1.2.3.4',
    '1.2.3',
    '256.1.1.1',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join('');
      t.is(canonicalIpv6(text), byUrl(text), text);
    }),
    { numRuns: 2000 },
  );
});

test('spellings of one address, and what is none', (t) => {
  t.is(canonicalIpv6('2001:DB8:0::1'), '2001:db8::1');
  t.is(canonicalIpv6('::ffff:192.0.2.1'), '::ffff:c000:201');
  t.is(canonicalIpv6('1:0:0:2:0:0:0:3'), '1:0:0:2::3');
  t.is(canonicalIpv6('::'), '::');
  for (const text of [
    '',
    ':',
    '1',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    ':1::',
    '::g',
    '::1%eth0',
  ])
    t.is(canonicalIpv6(text), null, text);
});
