/** A program of a suite is run to its end, or is killed with all of its group when it is not done in time. */
import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { isAlone } from '../../../scripts/runner/integration.js';
import { type RunOptions, runToEnd } from '../../../scripts/runner/run.js';
import { root } from '../../support/programs/programs.js';

const options = (lines: string[] = []): RunOptions => ({
  root,
  signal: new AbortController().signal,
  onLine: (line) => lines.push(line),
});

const runs = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

test('lines come as they are printed, the exit code is told', async (t) => {
  const lines: string[] = [];
  const ended = await runToEnd(['sh', '-c', 'echo a; echo b; exit 3'], 60_000, options(lines));
  t.deepEqual([ended.code, ended.output, ended.cutOffAfter], [3, 'a\nb\n', null]);
  t.deepEqual(lines, ['a', 'b']);
});

test('what is not done in time is killed, with what it has started', async (t) => {
  const ended = await runToEnd(['sh', '-c', 'sleep 1000 & echo $!; wait'], 1, options());
  t.true(ended.cutOffAfter !== null);
  t.false(runs(Number(ended.output)));
});

test('an abort kills it too', async (t) => {
  const abort = new AbortController();
  const running = runToEnd(['sleep', '1000'], 600_000, { ...options(), signal: abort.signal });
  abort.abort();
  t.is((await running).code, null);
});

test('files that measure run alone', (t) => {
  t.true(isAlone('test/scenarios/demo.test.ts'));
  t.true(isAlone('test/scenarios/kill-matrix.test.ts'));
  t.true(isAlone('test/interop/bench/modes.test.ts'));
  t.false(isAlone('test/scenarios/lab.test.ts'));
});
