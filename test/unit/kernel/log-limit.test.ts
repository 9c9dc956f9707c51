import test from 'ava';
import fc from 'fast-check';
import {
  type LimitState,
  limit,
  limitDeadline,
  noLimits,
  summaries,
} from '../../../src/kernel/log-limit.js';
import { millis } from '../../../src/kernel/machine.js';

test('the first line of a kind is logged at once, those behind it are summed up once a second', (t) => {
  let s: LimitState = noLimits;
  let logged = 0;
  for (let at = 0; at < 1000; at += 10) {
    const [next, yes] = limit(s, 'lower priority', millis(at));
    s = next;
    if (yes) logged++;
  }
  t.is(logged, 1);
  const [, early] = summaries(s, millis(999));
  t.deepEqual(early, []);
  const [after, due] = summaries(s, millis(1000));
  t.deepEqual(due, [{ kind: 'lower priority', held: 99 }]);
  t.is(limitDeadline(after), millis(2000));
  const [quiet, none] = summaries(after, millis(2000));
  t.deepEqual(none, []);
  t.is(limitDeadline(quiet), null);
});

test('any flood: every line is logged or counted, and at most two lines a kind and second come out', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ kind: fc.constantFrom('a', 'b', 'c'), after: fc.nat(400) }), {
        maxLength: 300,
      }),
      (lines) => {
        let s: LimitState = noLimits;
        let now = 0;
        let out = 0;
        let held = 0;
        const settle = (): void => {
          const [next, due] = summaries(s, millis(now));
          s = next;
          for (const d of due) {
            held += d.held;
            out++;
          }
        };
        for (const l of lines) {
          now += l.after;
          settle();
          const [next, yes] = limit(s, l.kind, millis(now));
          s = next;
          if (yes) out++;
        }
        const shown = out;
        now += 2000;
        let logged = 0;
        for (const d of summaries(s, millis(now))[1]) held += d.held;
        logged = lines.length - held;
        t.true(logged >= 0 && logged <= lines.length);
        t.true(shown <= 2 * 3 * (Math.floor(now / 1000) + 1));
      },
    ),
  );
  t.pass();
});

test('a stranger who invents kinds does not fill the memory', (t) => {
  let s: LimitState = noLimits;
  for (let i = 0; i < 5000; i++) [s] = limit(s, `from 10.0.${i >> 8}.${i & 255}`, millis(0));
  t.true(s.kinds.size <= 1001);
});
