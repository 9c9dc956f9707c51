/** The suites behind `npm test`, and how the result of each is read. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { patience } from '../../test/support/patience.js';
import { runIntegration } from './integration.js';
import { readMesonLog } from './mesonlog.js';
import { type Ended, type RunOptions, runToEnd } from './run.js';
import { add, failure, type Tally } from './tally.js';
import { readTap, summaryOf } from './tap.js';

export interface Suite {
  readonly name: string;
  readonly run: (o: RunOptions) => Promise<Tally>;
}

/** An exit code that says more than the output is a failure too. */
const agreeing = (name: string, t: Tally, ended: Ended): Tally => {
  if (ended.cutOffAfter !== null)
    return add(t, failure(`${name}: not done within ${ended.cutOffAfter.toFixed(1)} minutes`));
  if (ended.code !== 0 && t.failures.length === 0)
    return add(t, failure(`${name}: the runner ended with exit code ${ended.code}`));
  if (t.passed + t.failures.length === 0) return failure(`${name}: no test ran`);
  return t;
};

const ava = (name: string, config: string, limitMs: number): Suite => ({
  name,
  run: async (o) => {
    const argv = [process.execPath, path.join(o.root, 'node_modules/ava/entrypoints/cli.mjs')];
    const ended = await runToEnd([...argv, '--config', config, '--tap'], limitMs, o);
    const tally = readTap(ended.output);
    const isWhole = summaryOf(ended.output) !== null;
    return agreeing(
      name,
      isWhole ? tally : add(tally, failure(`${name}: ava ended before its summary`)),
      ended,
    );
  },
});

const meson = (name: string, dir: string, limitMs: number): Suite => ({
  name,
  run: async (o) => {
    const log = path.join(o.root, dir, 'meson-logs/testlog.json');
    rmSync(log, { force: true });
    const multiplier = String(Math.max(1, Math.ceil(patience())));
    const argv = ['meson', 'test', '-C', dir, '--no-rebuild', '--timeout-multiplier', multiplier];
    const ended = await runToEnd(argv, limitMs, o);
    const tally = existsSync(log)
      ? readMesonLog(readFileSync(log, 'utf8'))
      : failure(`${name}: meson left no log`, ended.output);
    return agreeing(name, tally, ended);
  },
});

const minutes = 60_000;

/** Limits are those of a quiet machine; they grow with the load and with a slower machine (test/support/patience.ts). */
export const suites: readonly Suite[] = [
  ava('unit', 'ava.config.js', 4 * minutes),
  meson('native', 'build/native-asan', 6 * minutes),
  { name: 'integration', run: runIntegration },
];
