import test from 'ava';
import fc from 'fast-check';
import { decodeJson, encodeJson } from '../../../src/kernel/json.js';

const { value: anything } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.double(),
    fc.bigInt(),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.array(fc.tuple(tie('value'), tie('value'))).map((e) => new Map(e)),
    fc.array(tie('value')).map((e) => new Set(e)),
    fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom('$map', '$bytes', '$object')),
      tie('value'),
    ),
  ),
}));

test('law: whatever a machine holds is read back as it was', (t) => {
  fc.assert(
    fc.property(anything, (value) => {
      t.deepEqual(decodeJson(encodeJson(value)), value);
    }),
    { numRuns: 500 },
  );
});

test('bytes of a Buffer are read back as bytes', (t) => {
  t.deepEqual(decodeJson(encodeJson({ b: Buffer.from('ab') })), { b: Uint8Array.of(97, 98) });
});

test('an undefined property is left out', (t) => {
  t.is(encodeJson({ a: undefined, b: 1 }), '{"b":1}');
});
