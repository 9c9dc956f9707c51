/** Programs that are started, listened to and ended by their pid. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { patience } from '../patience.js';
import { outputOf, spawnProgram } from '../programs/programs.js';

export interface Program {
  readonly name: string;
  readonly child: ChildProcess;
  /** What it printed, both streams as they came. */
  readonly output: () => string;
  readonly isRunning: () => boolean;
  readonly ended: Promise<void>;
  /** Sends `signal` and waits for the end; SIGKILL after `patienceMs`. */
  readonly end: (signal: NodeJS.Signals, patienceMs?: number) => Promise<void>;
}

/** Runs a short command to its end and gives its output; its error message is what the command said. */
export function run(...argv: readonly string[]): string {
  try {
    return outputOf(argv).toString();
  } catch (e) {
    const said = typeof e === 'object' && e !== null ? Reflect.get(e, 'stderr') : '';
    throw new Error(`${argv.join(' ')}: ${String(said).trim() || String(e)}`, { cause: e });
  }
}

/**
 * Waits until `check` gives something else than null or false; fails with `what` after `limitMs`. The limit is that of a
 * quiet machine: it grows with the load (test/support/patience.ts), by the highest seen while waiting.
 */
export async function until<T>(
  what: string,
  check: () => T | null | false | Promise<T | null | false>,
  limitMs: number,
): Promise<T> {
  const start = performance.now();
  let limit = limitMs;
  for (;;) {
    const found = await check();
    if (found !== null && found !== false) return found;
    if (performance.now() - start > limit) {
      limit = Math.max(limit, limitMs * patience());
      const waited = Math.round(performance.now() - start);
      if (waited > limit) throw new Error(`not within ${waited} ms: ${what}`);
    }
    await pause(10);
  }
}

/** All processes below `pid`, itself not included. */
export function descendants(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((s) => s !== '')
      .map(Number)
      .flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

export const signalIfThere = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
};

/** Ends all of `pids` as a crash of the machine would: at once, so that none can say goodbye. */
export function crash(pids: readonly number[]): void {
  for (const pid of pids) signalIfThere(pid, 'SIGSTOP');
  for (const pid of pids) signalIfThere(pid, 'SIGKILL');
}

/**
 * Starts `argv` in a session of its own: a Ctrl-C at the terminal is for whoever started us, who then ends things in
 * their order.
 */
export function start(
  name: string,
  argv: readonly string[],
  input: 'pipe' | 'ignore' = 'ignore',
): Program {
  const child = spawnProgram(argv, { detached: true, stdio: [input, 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const ended = new Promise<void>((resolve) => {
    child.once('error', (e) => {
      text += `${e.message}\n`;
      resolve();
    });
    child.once('exit', () => resolve());
  });
  return {
    name,
    child,
    output: () => text,
    isRunning,
    ended,
    end: async (signal, patienceMs = 5000) => {
      if (!isRunning() || child.pid === undefined) return;
      const pid = child.pid;
      if (signal === 'SIGKILL') crash([pid, ...descendants(pid)]);
      else signalIfThere(pid, signal);
      const timer = setTimeout(() => crash([pid, ...descendants(pid)]), patienceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
