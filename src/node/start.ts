/**
 * `keelson start`: checks the files, prepares the run directory and becomes the supervisor. Nothing
 * is started when a file has an error, unless the node runs already and is adopted.
 */
import { hostname } from 'node:os';
import { renderDiagnostics } from '../config/diagnostics.js';
import { loadAddon } from '../kernel/io/addon.js';
import { readPlain } from '../kernel/io/files.js';
import { holdLock } from '../kernel/io/lock.js';
import { type LogOptions, logUnhandled, openLogger } from '../kernel/io/logger.js';
import { findOpener, idOf, isRunning, type ProcessId } from '../kernel/io/proc.js';
import { loadOrAccepted } from './accepted.js';
import { dataplaneArgs } from './dataplane-args.js';
import { launcher, privilegesFor, unprivilegedUser } from './launch.js';
import { logWarnings } from './log-diagnostics.js';
import type { Privileges, ProcessName } from './privileges.js';
import { type Role, roles } from './roles.js';
import { prepareHealthcheckDir, prepareRunDir, type RunDir, runDir } from './run-dir.js';
import { supervise } from './supervisor.js';

export interface StartOptions {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  readonly runDir: string;
  readonly dataplane: string;
  readonly log: LogOptions;
}

const complain = (text: string): 1 => {
  process.stderr.write(text);
  return 1;
};

const notedIn = (pidFile: string): ProcessId | null => {
  try {
    const id = idOf(readPlain(pidFile) ?? '');
    return id !== null && isRunning(id) ? id : null;
  } catch {
    return null;
  }
};

/**
 * The supervisor that runs with this directory; null: there is none. The pid file may be missing
 * (full disk, removed); nobody but a supervisor keeps the lock file open.
 */
export const supervisorOf = (d: RunDir): ProcessId | null =>
  notedIn(d.pidFile) ?? findOpener(d.lockFile);

const alreadyRuns = (d: RunDir): string => {
  const supervisor = supervisorOf(d);
  return (
    `keelson: a node already runs with ${d.dir}${supervisor === null ? '' : ` (pid ${supervisor.pid})`}; ` +
    'stop it by `keelson stop`, replace its programs by `keelson upgrade`, or give another --run-dir\n'
  );
};

/** What each process may do here; the directory of the health checks belongs to who they run as. */
const leastPrivileges = (
  d: RunDir,
  rows: readonly Role[],
): ReadonlyMap<ProcessName, Privileges | null> => {
  const user = unprivilegedUser();
  // Another user can be had only where root can give a directory away.
  const given = giveDirectory(d, user) ? user : null;
  const privileges = new Map(rows.map((r) => [r.name, privilegesFor(r, given)] as const));
  if ((privileges.get('healthcheck')?.user ?? null) === null) prepareHealthcheckDir(d, null);
  return privileges;
};

const giveDirectory = (d: RunDir, user: Privileges['user']): boolean => {
  prepareHealthcheckDir(d, null);
  if (user === null) return false;
  try {
    prepareHealthcheckDir(d, user);
    return true;
  } catch {
    return false;
  }
};

export const start = async (o: StartOptions): Promise<number> => {
  const { keepalivedPath, dpvsPath } = o;
  const d = runDir(o.runDir);
  const prepared = prepareRunDir(d);
  if (!prepared.ok) return complain(`keelson: ${prepared.error}\n`);
  // The pid file as well: without flock(1) there is no lock.
  if (!holdLock(d.lockFile) || notedIn(d.pidFile) !== null) return complain(alreadyRuns(d));

  // A reload that is asked for while the files are being read comes after them.
  let reloadEarly = false;
  const note = (): void => {
    reloadEarly = true;
  };
  process.on('SIGHUP', note);
  const paths = { keepalivedPath, dpvsPath, hostName: hostname() };
  const loaded = await loadOrAccepted(d.acceptedFile, paths);
  const config = loaded.use?.config ?? null;
  if (loaded.source === 'accepted' || config === null)
    process.stderr.write(renderDiagnostics(loaded.files.diagnostics, loaded.files.files));
  if (config === null) return complain('keelson: not started\n');
  const addon = loadAddon();
  if (typeof addon === 'string') return complain(`keelson: ${addon}\n`);

  const logs = openLogger(o.log);
  logUnhandled(logs, 'survive');
  const log = logs.log.child({ component: 'supervisor' });
  logWarnings(log, loaded.files.diagnostics);
  if (loaded.source === 'accepted')
    log.error('the files cannot be used; the configuration accepted before is in force');
  const rows = roles({
    runDir: d,
    log: o.log,
    keepalivedPath,
    dpvsPath,
    dataplaneProgram: o.dataplane,
    dataplaneArgs: dataplaneArgs(config.dpvs, d.dataplaneSocket),
  });
  let privileges: ReadonlyMap<ProcessName, Privileges | null>;
  try {
    privileges = leastPrivileges(d, rows);
  } catch (e) {
    return complain(`keelson: ${e instanceof Error ? e.message : String(e)}\n`);
  }
  const powerful = [...privileges].filter(([, p]) => p === null).map(([name]) => name);
  if (powerful.length > 0)
    log.warn(
      { processes: powerful },
      'setpriv(1) cannot take privileges away here: these processes keep all of ours',
    );
  return supervise(
    {
      runDir: d,
      roles: rows,
      launcher: launcher({ log, logFile: o.log.file, privileges }),
      addon,
      owesReload: () => {
        process.off('SIGHUP', note);
        return reloadEarly;
      },
    },
    { log, sink: logs.sink },
  );
};
