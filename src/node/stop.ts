/**
 * `keelson stop` and `keelson upgrade`: the node of a run directory from outside, whether its
 * supervisor lives or not.
 */
import { discard } from '../kernel/io/files.js';
import { holdLock } from '../kernel/io/lock.js';
import { createLogger, type LogOptions } from '../kernel/io/logger.js';
import { isRunning, type ProcessId, signalProcess } from '../kernel/io/proc.js';
import { acceptedFiles, loadAccepted } from './accepted.js';
import { dataplaneArgs } from './dataplane-args.js';
import { launcher } from './launch.js';
import type { ProcessName } from './privileges.js';
import { roles } from './roles.js';
import { type RunDir, runDir } from './run-dir.js';
import { supervisorOf } from './start.js';
import { stopAll } from './supervisor.js';
import { type Watched, watch } from './watched.js';

const lookMs = 50;
/** Each process is killed after its own limit, so this is long enough for all of them. */
const patienceMs = 60_000;

const say = (text: string): void => void process.stdout.write(`keelson: ${text}\n`);
const complain = (text: string): 1 => {
  process.stderr.write(`keelson: ${text}\n`);
  return 1;
};

const ended = async (p: ProcessId): Promise<boolean> => {
  const until = performance.now() + patienceMs;
  while (isRunning(p)) {
    if (performance.now() > until) return false;
    await new Promise((r) => setTimeout(r, lookMs));
  }
  return true;
};

/** How its data plane was started, as far as it is known without the files. */
const dataplaneArgsOf = async (d: RunDir): Promise<readonly string[]> => {
  const config = (await loadAccepted(d.acceptedFile))?.config ?? null;
  return config === null
    ? ['--socket', d.dataplaneSocket]
    : dataplaneArgs(config.dpvs, d.dataplaneSocket);
};

/** The processes of a node whose supervisor is gone. */
const stopOrphans = async (d: RunDir, log: LogOptions): Promise<number> => {
  if (!holdLock(d.lockFile)) return complain(`a node is just starting with ${d.dir}; try again`);
  const rows = roles({
    runDir: d,
    log,
    keepalivedPath: '',
    dpvsPath: '',
    dataplaneProgram: '',
    dataplaneArgs: [],
  });
  const logger = createLogger(log).child({ component: 'stop' });
  const watched = new Map<ProcessName, Watched>(
    rows.map((role) => [
      role.name,
      watch({
        role,
        launcher: launcher({ log: logger, logFile: null, privileges: new Map() }),
        log: logger,
        addon: null,
        launches: false,
        isEnding: () => true,
        onChange: () => undefined,
        onFirstFailure: () => undefined,
      }),
    ]),
  );
  const found = [...watched.values()].filter((w) => w.wasAdopted).length;
  await stopAll(watched, await dataplaneArgsOf(d), logger);
  for (const path of [...acceptedFiles(d.acceptedFile), d.kernelFile, d.apiSocket, d.pidFile])
    discard(path);
  say(found === 0 ? `no node runs with ${d.dir}` : 'stopped; its supervisor was gone already');
  return 0;
};

export interface StopOptions {
  readonly runDir: string;
  readonly log: LogOptions;
}

/** 0 when no node runs with the directory any more. */
export const stop = async (o: StopOptions): Promise<number> => {
  const d = runDir(o.runDir);
  try {
    const supervisor = supervisorOf(d);
    if (supervisor === null) return await stopOrphans(d, o.log);
    if (!signalProcess(supervisor, 'SIGTERM') && isRunning(supervisor))
      return complain(`no permission to stop the node (pid ${supervisor.pid}); run as root`);
    if (!(await ended(supervisor)))
      return complain(`the supervisor (pid ${supervisor.pid}) does not end`);
    say('stopped');
    return 0;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') return complain(String(e));
    say(`no node runs with ${d.dir}`);
    return 0;
  }
};

/** The supervisor ends and leaves the node running; whoever starts it again brings the new programs. */
export const upgrade = async (o: { readonly runDir: string }): Promise<number> => {
  const d = runDir(o.runDir);
  const supervisor = supervisorOf(d);
  if (supervisor === null) return complain(`no supervisor runs with ${d.dir}; use keelson start`);
  if (!signalProcess(supervisor, 'SIGUSR2') && isRunning(supervisor))
    return complain(`no permission to upgrade the node (pid ${supervisor.pid}); run as root`);
  if (!(await ended(supervisor)))
    return complain(`the supervisor (pid ${supervisor.pid}) does not end`);
  say(
    'the supervisor has ended, the node runs on; the next `keelson start` (or the service manager) ' +
      'adopts it and replaces what is of another version',
  );
  return 0;
};
