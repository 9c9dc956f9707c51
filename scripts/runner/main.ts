/**
 * Runs the suites named by the arguments (all when none is named), reports what failed and what was left behind, and ends
 * with the plain line `N passed, N failed`. Started by scripts/test inside its sandbox.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { patience, slownessVariable } from '../../test/support/patience.js';
import { settledLeftovers, sweep, traces } from './leftovers.js';
import { measureSlowness } from './speed.js';
import { type Suite, suites } from './suites.js';
import { add, closingLine, emptyTally, exitCode, failure, type Tally } from './tally.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => abort.abort(signal));

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

const isShown = (line: string): boolean =>
  line.startsWith('not ok') || line.startsWith('# test/') || /\bFAIL|TIMEOUT\b/.test(line);

async function runSuite(suite: Suite): Promise<Tally> {
  const start = performance.now();
  const before = traces();
  print(`== ${suite.name}`);
  const onLine = (line: string): void => {
    if (isShown(line)) print(`   ${line}`);
  };
  const tally = await suite
    .run({ root, signal: abort.signal, onLine })
    .catch((e: unknown) =>
      failure(`${suite.name}: could not be run`, e instanceof Error ? e.message : String(e)),
    );
  const left = abort.signal.aborted ? [] : await settledLeftovers(before);
  sweep(before);
  const whole = left.reduce(
    (t, what) => add(t, failure(`${suite.name} left behind: ${what}`)),
    tally,
  );
  print(`   ${closingLine(whole)} in ${seconds(start)}`);
  return whole;
}

process.env[slownessVariable] = String(measureSlowness());
print(
  `this machine: ${Number(process.env[slownessVariable]).toFixed(2)} times the reference's CPU time, ` +
    `limits grow by ${patience().toFixed(1)} at this moment`,
);
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
