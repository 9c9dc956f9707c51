/**
 * Runs the suites named by the arguments (all when none is named), says what failed, looks for what was left behind, and
 * ends with the plain line `N passed, N failed`. Started by scripts/test inside its sandbox.
 */
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { leftBehind, type Traces, traces } from './leftovers.js';
import { type Suite, suites } from './suites.js';
import { add, closingLine, emptyTally, exitCode, failure, type Tally } from './tally.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => abort.abort(signal));

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Programs that were told to end may need a moment; what is still there after it was left. */
const settled = async (before: Traces): Promise<readonly string[]> => {
  let left = leftBehind(before, traces());
  for (let tries = 0; left.length > 0 && tries < 20; tries++) {
    await pause(100);
    left = leftBehind(before, traces());
  }
  return left;
};

const isTold = (line: string): boolean =>
  line.startsWith('not ok') || /\bFAIL|TIMEOUT\b/.test(line);

async function runSuite(suite: Suite): Promise<Tally> {
  const start = performance.now();
  const before = traces();
  print(`== ${suite.name}`);
  const onLine = (line: string): void => {
    if (isTold(line)) print(`   ${line}`);
  };
  const tally = await suite
    .run({ root, signal: abort.signal, onLine })
    .catch((e: unknown) =>
      failure(`${suite.name}: could not be run`, e instanceof Error ? e.message : String(e)),
    );
  const left = abort.signal.aborted ? [] : await settled(before);
  const whole = left.reduce(
    (t, what) => add(t, failure(`${suite.name} left behind: ${what}`)),
    tally,
  );
  print(`   ${closingLine(whole)} in ${seconds(start)}`);
  return whole;
}

const asked = process.argv.slice(2);
const chosen = suites.filter((s) => asked.length === 0 || asked.includes(s.name));

let total = emptyTally;
for (const suite of chosen) {
  if (abort.signal.aborted) break;
  total = add(total, await runSuite(suite));
}
if (abort.signal.aborted)
  total = add(total, failure(`broken off by ${String(abort.signal.reason)}`));
if (total.failures.length > 0) print('\n== what failed');
for (const f of total.failures) {
  print(`-- ${f.title}`);
  if (f.detail !== '') print(f.detail);
}
print('');
print(closingLine(total));
process.exit(exitCode(total));
