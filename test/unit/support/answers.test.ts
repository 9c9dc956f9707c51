/** What is concluded from a client's answers: the figures of the demo stand on it. */
import test from 'ava';
import { type Answer, longestGap, outageAfter, summarise } from '../../support/lab/answers.js';

const good = (begun: number, ended: number, server = 'rs1'): Answer => ({
  begun,
  ended,
  server,
  error: null,
  wrong: null,
});
const failed = (begun: number, ended: number): Answer => ({
  begun,
  ended,
  server: null,
  error: 'timeout',
  wrong: null,
});

test('good, failed and wrong answers are told apart', (t) => {
  const wrong: Answer = { ...good(5, 6), wrong: 'token 3 for 4' };
  const s = summarise([good(0, 2), good(1, 5, 'rs2'), failed(2, 500), wrong]);
  t.like(s, { requests: 4, good: 2, errors: 1, wrong: 1, medianMs: 4, p99Ms: 4 });
  t.deepEqual(s.perServer, { rs1: 1, rs2: 1 });
  t.deepEqual(s.errorKinds, { timeout: 1 });
});

test('an outage ends with the first answer to a request that began after the event', (t) => {
  const answers = [good(90, 105), failed(101, 600), good(700, 720), good(650, 710)];
  t.is(outageAfter(answers, 100), 610);
  t.is(outageAfter([good(90, 105), failed(101, 600)], 100), null);
});

test('the longest gap counts from the edges too, and a wrong answer does not end it', (t) => {
  const wrong: Answer = { ...good(400, 410), wrong: 'x' };
  t.is(longestGap([good(0, 10), good(20, 30), wrong, good(790, 800)], 0, 1000), 770);
  t.is(longestGap([], 0, 1000), 1000);
  t.is(longestGap([good(0, 10)], 0, 1000), 990);
});
