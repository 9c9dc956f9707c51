import test from 'ava';
import fc from 'fast-check';
import { encodeFrame, frameReader } from '../../../src/kernel/frames.js';

const joined = (frames: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(frames.flatMap((f) => [...f]));

test('messages come out as they went in, however the stream is cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.json({ maxDepth: 3 })),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (texts, cuts) => {
        const messages = texts.map((text) => JSON.parse(text) as unknown);
        const stream = joined(messages.map(encodeFrame));
        const reader = frameReader(1 << 20);
        const read: unknown[] = [];
        let cut = 0;
        for (let at = 0; at < stream.length; ) {
          const next = at + (cuts[cut++ % cuts.length] ?? 1);
          const got = reader.push(stream.slice(at, next));
          if (!got.ok) return false;
          read.push(...got.value);
          at = next;
        }
        t.deepEqual(read, messages);
        return true;
      },
    ),
    { numRuns: 200 },
  );
});

test('a length beyond the bound is an error before any of it is held', (t) => {
  const got = frameReader(10).push(new Uint8Array([0, 0, 1, 0]));
  t.false(got.ok);
  if (!got.ok) t.is(got.error.kind, 'tooLong');
});

test('any bytes give messages or an error, never an exception', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
      const reader = frameReader(64);
      for (const c of chunks) if (!reader.push(c).ok) return true;
      return true;
    }),
  );
  t.pass();
});
