/**
 * A Node process of ours that is kept running: forked with a channel, started again when it dies or falls silent. Who
 * uses it says everything it must know again in `onStart`, because a new process knows nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from '../kernel/io/logger.js';
import { millis } from '../kernel/machine.js';
import { died, type RestartState, started } from './restart.js';

export interface ChildOptions<From, To> {
  readonly name: string;
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  /** File descriptor for what it prints, or our own. */
  readonly output: number | 'inherit';
  /** Killed and started again after so long without any message; null: silence is fine. */
  readonly silenceMs: number | null;
  readonly onStart: (send: (m: To) => void, pid: number) => void;
  readonly onMessage: (m: From) => void;
  /** It died unasked; it will be started again. */
  readonly onDeath: (why: string) => void;
}

export interface Child<To> {
  /** False when there is no process to hear it. */
  readonly send: (m: To) => boolean;
  /** Sends `farewell`, waits for the process to end, kills it after `patienceMs`. */
  readonly stop: (farewell: To, patienceMs: number) => Promise<void>;
  readonly pid: () => number | null;
}

const now = () => millis(performance.now());

/** Resolves when the process has ended. */
export const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((r) => child.once('exit', () => r()));

/** True when `done` settled within `ms`. */
export const within = (done: Promise<void>, ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    void done.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });

export const keepRunning = <From, To extends object>(
  o: ChildOptions<From, To>,
  log: Logger,
): Child<To> => {
  let child: ChildProcess | null = null;
  let restart: RestartState | null = null;
  let stopping = false;
  let lastWord = now();

  const sendTo = (c: ChildProcess, m: To): boolean => {
    if (!c.connected) return false;
    // The callback takes the EPIPE of a process that dies at this moment; its exit is handled below.
    c.send(m, () => undefined);
    return true;
  };
  const launch = (): void => {
    if (stopping) return;
    const c = fork(o.entry, [], {
      stdio: ['ignore', o.output, o.output, 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ...o.env },
    });
    child = c;
    restart = started(now(), restart);
    lastWord = now();
    c.on('message', (m) => {
      lastWord = now();
      o.onMessage(m as From);
    });
    c.once('exit', (code, signal) => {
      child = null;
      if (stopping) return;
      const why = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      const [next, delayMs] = died(restart ?? started(now(), null), now());
      restart = next;
      log.error({ component: o.name, delayMs }, `${o.name} ${why}; starting it again`);
      o.onDeath(why);
      setTimeout(launch, delayMs);
    });
    o.onStart((m) => void sendTo(c, m), c.pid ?? 0);
  };
  launch();

  if (o.silenceMs !== null) {
    const limit = o.silenceMs;
    const watch = setInterval(() => {
      if (stopping) clearInterval(watch);
      else if (child !== null && now() - lastWord > limit) {
        log.error({ component: o.name }, `${o.name} has said nothing for ${limit} ms; killed`);
        lastWord = now();
        child.kill('SIGKILL');
      }
    }, limit / 4);
    watch.unref();
  }

  return {
    send: (m) => child !== null && sendTo(child, m),
    pid: () => child?.pid ?? null,
    stop: async (farewell, patienceMs) => {
      stopping = true;
      const c = child;
      if (c === null) return;
      sendTo(c, farewell);
      if (await within(exited(c), patienceMs)) return;
      log.warn({ component: o.name }, `${o.name} does not stop; killed`);
      c.kill('SIGKILL');
      await exited(c);
    },
  };
};
