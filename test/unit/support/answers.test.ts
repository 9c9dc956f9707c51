/** What is concluded from a client's answers: the figures of the demo stand on it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {
  type Answer,
  failedOutside,
  longestGap,
  outageOf,
  summarise,
} from '../../support/lab/answers.js';
import { root } from '../../support/programs/programs.js';

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

interface Recording {
  readonly done: number;
  readonly answers: readonly (readonly [begun: number, ended: number, result: string])[];
}

/** The client's answers around a kill of the active node, recorded; 0 is the moment before the kill. */
const recorded = (): { readonly done: number; readonly answers: readonly Answer[] } => {
  const file = path.join(root, 'test/vectors/demo/node-dies.json');
  const { done, answers } = JSON.parse(readFileSync(file, 'utf8')) as Recording;
  return {
    done,
    answers: answers.map(([begun, ended, result]) =>
      result.startsWith('rs')
        ? good(begun, ended, result)
        : { ...failed(begun, ended), error: result },
    ),
  };
};

test('the outage of a recorded kill is the time without an answer, and every failure lies in it', (t) => {
  const { done, answers } = recorded();
  const gap = outageOf(answers, { begun: 0, done });
  t.is(Math.round(gap?.ms ?? 0), 3341);
  t.deepEqual(gap === null ? null : failedOutside(answers, gap), []);
});

test('an answer that the dying node still gave after the kill was begun does not end the outage', (t) => {
  const { done, answers } = recorded();
  // As on a busy machine: looking for the processes took 40 ms, then they were killed. Two answers came meanwhile.
  const slow = outageOf(answers, { begun: -40, done });
  t.is(Math.round(slow?.ms ?? 0), 3341);
  // Requests that the new node has not answered yet say nothing.
  t.is(
    outageOf(
      answers.filter((a) => a.begun < 1000),
      { begun: -40, done },
    ),
    null,
  );
});

test('the measured outage is the real one, to two paces of the requests and their time', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.record({
          pace: fc.integer({ min: 5, max: 50 }),
          phase: fc.integer({ min: 0, max: 49 }),
          latency: fc.integer({ min: 1, max: 30 }),
          lookup: fc.integer({ min: 0, max: 300 }),
          reaping: fc.integer({ min: 0, max: 300 }),
          outage: fc.integer({ min: 0, max: 5000 }),
        }),
        ({ pace, phase, latency, lookup, reaping, outage }) => {
          const killedAt = 1000 + lookup;
          const backAt = killedAt + outage;
          const served = (at: number): boolean => at + latency <= killedAt || at >= backAt;
          const answers = Array.from({ length: 9000 / pace }, (_, i) => i * pace + phase).map(
            (at) => (served(at) ? good(at, at + latency) : failed(at, at + 500)),
          );
          const gap = outageOf(answers, { begun: 1000, done: killedAt + reaping });
          if (gap === null) return false;
          const isRight = Math.abs(gap.ms - outage) <= 2 * (pace + latency);
          return isRight && failedOutside(answers, gap).length === 0;
        },
      ),
    ),
  );
});

test('the longest gap counts from the edges too, and a wrong answer does not end it', (t) => {
  const wrong: Answer = { ...good(400, 410), wrong: 'x' };
  t.is(longestGap([good(0, 10), good(20, 30), wrong, good(790, 800)], 0, 1000), 770);
  t.is(longestGap([], 0, 1000), 1000);
  t.is(longestGap([good(0, 10)], 0, 1000), 990);
});
