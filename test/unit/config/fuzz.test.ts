/** No text makes a reader throw, hang or answer without a place; the seed is printed by fast-check when one does. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import type { CheckedFile } from '../../../src/config/load.js';
import { alone, dpvsAlone } from './source.js';

const conf = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../conf/${path}`, import.meta.url)), 'utf8');

const probes: readonly { text: string }[] = JSON.parse(
  readFileSync(
    fileURLToPath(
      new URL('../../../../test/vectors/config/keepalived-2.2.7.json', import.meta.url),
    ),
    'utf8',
  ),
);

const pieces = ['{', '}', '"', '\\\n', '\n', '${', '}$', '$A=', '~SEQ(X,1,9)', '#', '!', '@', '\0'];

/** A good text with a few cuts, doublings and pieces put in. */
const mutated = (texts: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...texts),
      fc.array(
        fc.record({
          at: fc.double({ min: 0, max: 1, noNaN: true }),
          cut: fc.nat(40),
          put: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 8 })),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    )
    .map(([text, edits]) =>
      edits.reduce((s, e) => {
        const i = Math.floor(e.at * s.length);
        return s.slice(0, i) + e.put + s.slice(i + e.cut);
      }, text),
    );

const placed = (text: string, r: CheckedFile): void => {
  const lines = text.split('\n').length + 1;
  for (const d of r.diagnostics) {
    if (d.place.line < 1 || d.place.line > lines || d.place.column < 1)
      throw new Error(`${d.message} at ${d.place.line}:${d.place.column} of ${lines} lines`);
  }
};

const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc
    .array(fc.constantFrom(...pieces, 'vrrp_instance', ' ', 'A'), { maxLength: 60 })
    .map((a) => a.join('')),
);

test('keepalived.conf: any text gets its diagnostics', (t) => {
  const good = [
    conf('demo/services.conf'),
    conf('active-standby/node-a/keepalived.conf'),
    ...probes.map((p) => p.text),
  ];
  fc.assert(
    fc.property(fc.oneof(anything, mutated(good)), (text) => placed(text, alone(text))),
    { numRuns: 3000 },
  );
  t.pass();
});

test('dpvs.conf: any text gets its diagnostics', (t) => {
  const good = [conf('demo/a/dpvs.conf'), conf('real-nic/dpvs.conf')];
  fc.assert(
    fc.property(fc.oneof(anything, mutated(good)), (text) => placed(text, dpvsAlone(text))),
    { numRuns: 2000 },
  );
  t.pass();
});
