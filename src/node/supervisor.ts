/**
 * The process behind `keelson start`: it starts the data plane and the controller, starts again what dies, and passes
 * signals on. It holds no protocol state, so there is little in it that could fail.
 *
 *   supervisor --spawn--> keelson-dataplane        (goes on when the controller dies; found again when it still runs)
 *              --fork---> controller --fork--> vrrp, healthcheck
 *
 * SIGHUP: the controller reloads. SIGTERM, SIGINT: the controller yields (priority 0) and stops, then the data plane.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Logger } from '../kernel/io/logger.js';
import { millis } from '../kernel/machine.js';
import { type Child, exited, keepRunning, within } from './child.js';
import type { ControllerOptions, FromController, ToController } from './controller-messages.js';
import { died, type RestartState, started } from './restart.js';
import type { RunDir } from './run-dir.js';

export interface SupervisorOptions {
  readonly runDir: RunDir;
  readonly controllerEntry: string;
  readonly controller: ControllerOptions;
  readonly dataplaneProgram: string;
  readonly dataplaneArgs: readonly string[];
  readonly logFile: string | null;
}

/** How long the controller may take to yield and stop, and the data plane to drain. */
const controllerStopMs = 4000;
const dataplaneStopMs = 3000;
/** The controller says at least a heartbeat a second. */
const controllerSilenceMs = 10_000;
const adoptedPollMs = 100;

const now = () => millis(performance.now());
const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Whether somebody answers at the API's socket, which means that a node runs with this run directory. */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const s = connect(path);
    s.once('connect', () => {
      s.destroy();
      resolve(true);
    });
    s.once('error', () => resolve(false));
  });

const pidIn = (file: string): number | null => {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
};

/** Its controller may be starting again at this moment, and answer nobody. */
const isSupervisor = (pid: number): boolean => {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv.includes('start') && argv.some((a) => a.endsWith('keelson'));
  } catch {
    return false;
  }
};

interface Supervisor {
  readonly stop: () => Promise<void>;
  readonly reload: () => void;
}

interface Running {
  child: ChildProcess | null;
  restart: RestartState | null;
}

/** The data plane: a child of ours, or one that an earlier supervisor left running. */
const superviseDataplane = (
  o: SupervisorOptions,
  log: Logger,
  onFirstFailure: (why: string) => void,
) => {
  const pidFile = `${o.runDir.dir}/dataplane.pid`;
  const state: Running = { child: null, restart: null };
  let stopping = false;
  let everUp = false;

  const again = (why: string): void => {
    if (stopping) return;
    const [next, delayMs] = died(state.restart ?? started(now(), null), now());
    state.restart = next;
    log.error({ component: 'supervisor', delayMs }, `data plane ${why}; starting it again`);
    setTimeout(launch, delayMs);
  };
  const launch = (): void => {
    if (stopping) return;
    const out = o.logFile === null ? 'inherit' : openSync(o.logFile, 'a');
    const child = spawn(o.dataplaneProgram, o.dataplaneArgs, { stdio: ['ignore', out, out] });
    state.child = child;
    state.restart = started(now(), state.restart);
    let ended = false;
    const end = (why: string): void => {
      if (ended) return;
      ended = true;
      state.child = null;
      if (!everUp && !stopping) onFirstFailure(why);
      else again(why);
    };
    child.once('error', (e) => end(`could not be started: ${e.message}`));
    child.once('exit', (code, signal) =>
      end(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
    if (child.pid !== undefined) writeFileSync(pidFile, `${child.pid}\n`);
  };
  const watchAdopted = async (pid: number): Promise<void> => {
    while (!stopping && isAlive(pid)) await sleep(adoptedPollMs);
    again('is gone');
  };

  const adopted = pidIn(pidFile);
  if (adopted !== null && isAlive(adopted) && isDataplane(adopted, o.runDir.dataplaneSocket)) {
    log.info({ component: 'supervisor', dataplane: adopted }, 'data plane still runs: adopted');
    everUp = true;
    void watchAdopted(adopted);
  } else launch();

  return {
    /** The controller has spoken to it. */
    isUp: (): void => {
      everUp = true;
    },
    stop: async (): Promise<void> => {
      stopping = true;
      const pid = state.child?.pid ?? adopted;
      if (pid === null || pid === undefined || !isAlive(pid)) return;
      process.kill(pid, 'SIGTERM');
      const child = state.child;
      const end = child === null ? gone(pid) : exited(child);
      if (!(await within(end, dataplaneStopMs))) {
        log.warn({ component: 'supervisor' }, 'data plane does not stop; killed');
        process.kill(pid, 'SIGKILL');
      }
      rmSync(pidFile, { force: true });
    },
  };
};

const gone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await sleep(adoptedPollMs);
};

/** A pid file may name a stranger by now: believe it only if the command line speaks of our socket. */
const isDataplane = (pid: number, socket: string): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(socket);
  } catch {
    return false;
  }
};

const superviseController = (
  o: SupervisorOptions,
  log: Logger,
  onMessage: (m: FromController) => void,
): Child<ToController> =>
  keepRunning(
    {
      name: 'controller',
      entry: o.controllerEntry,
      env: { KEELSON_CONTROLLER: JSON.stringify(o.controller) },
      output: o.logFile === null ? 'inherit' : openSync(o.logFile, 'a'),
      silenceMs: controllerSilenceMs,
      onStart: () => undefined,
      onMessage,
      onDeath: () => undefined,
    },
    log,
  );

/** Runs a node until SIGTERM or SIGINT; resolves with the exit code of the program. */
export const supervise = async (o: SupervisorOptions, log: Logger): Promise<number> => {
  mkdirSync(o.runDir.dir, { recursive: true, mode: 0o700 });
  const other = pidIn(o.runDir.pidFile);
  if (
    other !== null &&
    other !== process.pid &&
    (isSupervisor(other) || (await answers(o.runDir.apiSocket)))
  ) {
    process.stderr.write(
      `keelson: a node already runs with ${o.runDir.dir} (pid ${other}); stop it or give another --run-dir\n`,
    );
    return 1;
  }
  writeFileSync(o.runDir.pidFile, `${process.pid}\n`);

  return new Promise((resolve) => {
    let ending = false;
    const end = async (code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      await controller.stop({ type: 'stop' }, controllerStopMs);
      await dataplane.stop();
      if (pidIn(o.runDir.pidFile) === process.pid) rmSync(o.runDir.pidFile, { force: true });
      log.info({ component: 'supervisor' }, 'stopped');
      resolve(code);
    };
    const dataplane = superviseDataplane(o, log, (why) => {
      log.error(
        { component: 'supervisor', why },
        'data plane did not start; see its message above',
      );
      void end(1);
    });
    const controller = superviseController(o, log, (m) => {
      if (m.type === 'dataplaneUp') dataplane.isUp();
    });
    const s: Supervisor = {
      stop: () => end(0),
      reload: () => void controller.send({ type: 'reload' }),
    };
    process.on('SIGTERM', () => void s.stop());
    process.on('SIGINT', () => void s.stop());
    process.on('SIGHUP', () => s.reload());
  });
};
