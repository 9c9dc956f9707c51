/** Runs one program of a suite to its end, or kills it and all it started when it is not done in time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { patience } from '../../test/support/patience.js';

export interface RunOptions {
  readonly root: string;
  readonly signal: AbortSignal;
  /** Each line of output as it comes. */
  readonly onLine: (line: string) => void;
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  /** After how many minutes it was killed; null when it ended by itself. */
  readonly cutOffAfter: number | null;
}

/** Kills the whole group: a runner's workers go with it, and a sandbox takes along everything inside. */
const killGroup = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
};

const lookEveryMs = 1000;

/**
 * Time that counts against a limit: what has passed, divided by how much slower the machine was meanwhile. A run on a
 * busy machine is not cut off because of what else the machine does.
 */
const countedTime = (): (() => number) => {
  let counted = 0;
  let last = performance.now();
  return () => {
    const now = performance.now();
    counted += (now - last) / patience();
    last = now;
    return counted;
  };
};

/** `limitMs` is that of a quiet machine of the reference speed. */
export const runToEnd = (argv: readonly string[], limitMs: number, o: RunOptions): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      cwd: o.root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const begun = performance.now();
    const counted = countedTime();
    let output = '';
    let shown = 0;
    let cutOffAfter: number | null = null;
    const timer = setInterval(() => {
      if (counted() < limitMs || cutOffAfter !== null) return;
      cutOffAfter = (performance.now() - begun) / 60_000;
      killGroup(child);
    }, lookEveryMs);
    const stop = (): void => killGroup(child);
    if (o.signal.aborted) stop();
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
      clearInterval(timer);
      o.signal.removeEventListener('abort', stop);
      resolve({ code, output, cutOffAfter });
    });
  });
