import test from 'ava';
import fc from 'fast-check';
import { patienceOf, readLoad } from '../../support/patience.js';

test('limits are never shorter than written, and grow with load and with a slower machine', (t) => {
  t.is(patienceOf(1, 0, 2), 1);
  t.is(patienceOf(0.2, 1, 2), 1);
  t.is(patienceOf(Number.NaN, 1, 2), 1);
  t.is(patienceOf(3, 1, 2), 3);
  t.is(patienceOf(1, 20, 2), 20);
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 50, noNaN: true }),
        fc.double({ min: 0, max: 200, noNaN: true }),
        fc.integer({ min: 1, max: 128 }),
        (slowness, load, cpus) =>
          patienceOf(slowness, load, cpus) >= 1 &&
          patienceOf(slowness, load + 1, cpus) >= patienceOf(slowness, load, cpus) &&
          patienceOf(slowness + 1, load, cpus) >= patienceOf(slowness, load, cpus),
      ),
    ),
  );
});

test('what runs now counts before the average of a minute knows of it', (t) => {
  t.is(readLoad('0.31 0.27 0.22 1/512 4711'), 1);
  t.is(readLoad('0.31 0.27 0.22 23/512 4711'), 23);
  t.is(readLoad('7.50 0.27 0.22 1/512 4711'), 7.5);
  t.is(readLoad(''), 0);
});
