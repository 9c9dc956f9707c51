/**
 * The integration files, each in an ava and a sandbox of its own: its processes, network namespaces, mounts and /run are
 * its own, and are gone when it ends or is cut off. So two run at a time; those that measure time run alone.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { type RunOptions, runToEnd } from './run.js';
import { add, emptyTally, failure, type Tally } from './tally.js';
import { readTap, summaryOf } from './tap.js';

const directories = ['test/interop', 'test/scenarios'] as const;

/** Files that measure how long something takes on the wire or in the CPU. */
const alone: readonly RegExp[] = [
  /\/demo\.test/,
  /\/kill-matrix\.test/,
  /\/bench\//,
  /\/liveness\.test/,
];

export const isAlone = (file: string): boolean => alone.some((pattern) => pattern.test(file));

/** A quiet machine needs a quarter of it for the longest file. */
const fileLimitMs = 8 * 60_000;

const testFiles = (root: string, dir: string): readonly string[] =>
  readdirSync(path.join(root, dir), { withFileTypes: true }).flatMap((e) => {
    const at = path.join(dir, e.name);
    if (e.isDirectory()) return testFiles(root, at);
    return at.endsWith('.test.ts') ? [at] : [];
  });

const runFile = async (file: string, o: RunOptions): Promise<Tally> => {
  const begun = performance.now();
  const inside = [process.execPath, path.join(o.root, 'dist/scripts/runner/file.js'), file];
  const ended = await runToEnd([path.join(o.root, 'scripts/sandbox'), ...inside], fileLimitMs, o);
  const tally = readTap(ended.output);
  o.onLine(`# ${file}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  if (o.signal.aborted) return tally;
  if (ended.cutOffAfter !== null)
    return add(tally, failure(`${file}: not done within ${ended.cutOffAfter.toFixed(1)} minutes`));
  if (summaryOf(ended.output) === null)
    return add(tally, failure(`${file}: ava ended before its summary`, ended.output.slice(-4000)));
  if (ended.code !== 0 && tally.failures.length === 0)
    return add(tally, failure(`${file}: the runner ended with exit code ${ended.code}`));
  return tally.passed + tally.failures.length === 0 ? failure(`${file}: no test ran`) : tally;
};

export async function runIntegration(o: RunOptions): Promise<Tally> {
  const files = directories.flatMap((dir) => testFiles(o.root, dir)).sort();
  if (files.length === 0) return failure('integration: no file was found');
  let total = emptyTally;
  const work = async (queue: string[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (o.signal.aborted) return;
      const tally = await runFile(file, o);
      total = add(total, tally);
    }
  };
  const together = files.filter((f) => !isAlone(f));
  await Promise.all([work(together), work(together)]);
  await work(files.filter(isAlone));
  return total;
}
