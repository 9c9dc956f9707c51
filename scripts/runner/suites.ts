/** The runners behind `npm test`, and how each is asked what it found. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { readMesonLog } from './mesonlog.js';
import { add, failure, type Tally } from './tally.js';
import { readTap, summaryOf } from './tap.js';

export interface Suite {
  readonly name: string;
  readonly run: (o: RunOptions) => Promise<Tally>;
}

export interface RunOptions {
  readonly root: string;
  readonly signal: AbortSignal;
  /** Each line of output as it comes. */
  readonly onLine: (line: string) => void;
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly timedOut: boolean;
}

/** Kills the whole group: a runner's workers go with it. */
const killGroup = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
};

const runToEnd = (argv: readonly string[], limitMs: number, o: RunOptions): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      cwd: o.root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    let shown = 0;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, limitMs);
    const stop = (): void => killGroup(child);
    o.signal.addEventListener('abort', stop);
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const end = output.lastIndexOf('\n');
      if (end < shown) return;
      for (const line of output.slice(shown, end).split('\n')) o.onLine(line);
      shown = end + 1;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      o.signal.removeEventListener('abort', stop);
      // What outlives its runner is stray, but must not disturb the next suite.
      resolve({ code, output, timedOut });
    });
  });

/** A runner that says less than its exit code does not get away with it. */
const agreeing = (name: string, t: Tally, ended: Ended, limitMs: number): Tally => {
  if (ended.timedOut)
    return add(t, failure(`${name}: not done within ${limitMs / 60_000} minutes`));
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
    const said = summaryOf(ended.output);
    const whole =
      said === null ? add(tally, failure(`${name}: ava broke off before its summary`)) : tally;
    return agreeing(name, whole, ended, limitMs);
  },
});

const meson = (name: string, dir: string, limitMs: number): Suite => ({
  name,
  run: async (o) => {
    const log = path.join(o.root, dir, 'meson-logs/testlog.json');
    rmSync(log, { force: true });
    const argv = ['meson', 'test', '-C', dir, '--no-rebuild'];
    const ended = await runToEnd(argv, limitMs, o);
    const tally = existsSync(log)
      ? readMesonLog(readFileSync(log, 'utf8'))
      : failure(`${name}: meson left no log`, ended.output);
    return agreeing(name, tally, ended, limitMs);
  },
});

const minutes = 60_000;

export const suites: readonly Suite[] = [
  ava('unit', 'ava.config.js', 4 * minutes),
  meson('native', 'build/native-asan', 6 * minutes),
  ava('integration', 'integration.config.js', 14 * minutes),
];
