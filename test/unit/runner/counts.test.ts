/** The closing line of `npm test` counts what was seen, and a run that broke off is no success. */
import test from 'ava';
import { leftBehind, type Traces } from '../../../scripts/runner/leftovers.js';
import { readMesonLog } from '../../../scripts/runner/mesonlog.js';
import { add, closingLine, emptyTally, exitCode, failure } from '../../../scripts/runner/tally.js';
import { readTap, summaryOf } from '../../../scripts/runner/tap.js';

const tap = `TAP version 13
ok 1 - net › checksum › a sum
not ok 2 - vrrp › fsm › takes over
  ---
    name: AssertionError
    at: file:///x.js:3:4
  ...
# a comment of ava
ok 3 - third # SKIP
ok 4 - fourth

1..4
# tests 3
# pass 2
# fail 1
`;

test('TAP: passed, failed and skipped are told apart, with what was said of a failure', (t) => {
  const tally = readTap(tap);
  t.is(tally.passed, 2);
  t.deepEqual(
    tally.failures.map((f) => f.title),
    ['vrrp › fsm › takes over', 'third # SKIP'],
  );
  t.regex(tally.failures[0]?.detail ?? '', /AssertionError/);
  t.is(summaryOf(tap), 3);
  t.is(summaryOf(tap.slice(0, 40)), null);
});

test('the log of meson: cases count, and a program that fails is a failure whatever it printed', (t) => {
  const line = (o: object): string => JSON.stringify(o);
  const tally = readMesonLog(
    [
      line({ name: 'fib', result: 'OK', stdout: 'ok a\nok b\nseed 5\n' }),
      line({ name: 'plain', result: 'OK', stdout: '' }),
      line({ name: 'crash', result: 'FAIL', stdout: 'ok c\n', stderr: 'AddressSanitizer: heap' }),
      line({ name: 'slow', result: 'TIMEOUT', stdout: '' }),
      line({ name: 'later', result: 'SKIP', stdout: '' }),
      '',
    ].join('\n'),
  );
  t.is(tally.passed, 4);
  t.deepEqual(
    tally.failures.map((f) => f.title),
    ['crash: FAIL', 'slow: TIMEOUT', 'later: SKIP'],
  );
  t.regex(tally.failures[0]?.detail ?? '', /AddressSanitizer/);
});

test('nothing run, or anything failed, is no success', (t) => {
  t.is(exitCode(emptyTally), 1);
  t.is(exitCode({ passed: 3, failures: [] }), 0);
  const mixed = add({ passed: 3, failures: [] }, failure('one'));
  t.is(exitCode(mixed), 1);
  t.is(closingLine(mixed), '3 passed, 1 failed');
});

test('what is there after and was not before was left behind', (t) => {
  const before: Traces = { processes: ['7 x'], namespaces: ['old'], mounts: ['/'], hugePages: [] };
  const now: Traces = {
    processes: ['7 x', '9 nginx'],
    namespaces: ['old', 'new'],
    mounts: ['/', '/mnt', '/mnt'],
    hugePages: ['rtemap_0'],
  };
  t.deepEqual(leftBehind(before, before), []);
  t.deepEqual(leftBehind(before, now), [
    'process 9 nginx',
    'network namespace new',
    'mount /mnt',
    'mount /mnt',
    'huge pages, rtemap_0',
  ]);
});
