/**
 * Starts a process of the node so that it outlives its supervisor, and finds one that runs already.
 *
 * The command is `flock ... chrt ... setpriv ... PROGRAM`: each replaces itself by the next, so the
 * pid is the program's. The lock (flock(1)) is held as long as the process runs: the kernel itself
 * sees to it that there are never two, whoever died in the middle of a start.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, constants, openSync } from 'node:fs';
import { readPlain, writeWhole } from '../kernel/io/files.js';
import { lockHolder } from '../kernel/io/locks.js';
import type { Logger } from '../kernel/io/logger.js';
import {
  argumentsOf,
  idOf,
  idText,
  isRunning,
  type ProcessId,
  processId,
} from '../kernel/io/proc.js';
import { choices, type Privileges, type ProcessName, prefix } from './privileges.js';
import type { Role } from './roles.js';

/** Exit code of flock(1) when another process holds the lock. */
export const lockedCode = 75;

const works = (argv: readonly string[]): boolean => {
  const [program = 'true', ...args] = argv;
  return spawnSync(program, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
};

const readable = (paths: readonly string[]): readonly string[] => [
  'sh',
  '-c',
  'for f; do test -r "$f" || exit 1; done',
  'sh',
  ...paths,
];

/** The least privileges with which the process can work here; null: it can have no fewer. */
export const privilegesFor = (
  role: Role,
  user: { readonly uid: number; readonly gid: number } | null,
): Privileges | null =>
  choices(role.name, user).find((p) => works([...prefix(p), ...readable(role.reads)])) ?? null;

/** `keelson` when there is such a user, else `nobody`. */
export const unprivilegedUser = (): { readonly uid: number; readonly gid: number } | null => {
  for (const name of ['keelson', 'nobody']) {
    const found = spawnSync('getent', ['passwd', name], { encoding: 'utf8', timeout: 5000 });
    const [, , uid, gid] = (found.stdout ?? '').split(':');
    if (found.status === 0 && Number(uid) > 0 && Number(gid) > 0)
      return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
};

const hasLocks = (): boolean => works(['flock', '--version']);

export interface Launcher {
  /** Throws the system's error, or answers a child that will report it. */
  readonly launch: (role: Role) => ChildProcess;
  /** The process of that role, whoever started it. */
  readonly find: (role: Role) => ProcessId | null;
  readonly note: (role: Role, id: ProcessId) => void;
}

export interface LauncherOptions {
  readonly log: Logger;
  /** Standard output of the processes; null: ours. */
  readonly logFile: string | null;
  readonly privileges: ReadonlyMap<ProcessName, Privileges | null>;
}

const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;

const output = (file: string | null): number | 'inherit' | 'ignore' => {
  if (file === null) return 'inherit';
  try {
    return openSync(file, appending, 0o640);
  } catch {
    return 'ignore';
  }
};

/** flock(1) would make a file that everybody can open, and so lock. */
const prepareLock = (path: string): void => {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  closeSync(fd);
  chmodSync(path, 0o600);
};

const belongs = (role: Role, id: ProcessId): boolean => {
  const argv = argumentsOf(id.pid);
  return role.marks.every((m) => argv.includes(m));
};

export const launcher = (o: LauncherOptions): Launcher => {
  const locks = hasLocks();
  if (!locks)
    o.log.warn('flock(1) is missing: nothing but the sockets keeps a process from running twice');
  return {
    launch: (role) => {
      if (locks) prepareLock(role.lockFile);
      const least = o.privileges.get(role.name) ?? null;
      const argv = [
        ...(locks
          ? ['flock', '--nonblock', '--no-fork', '--conflict-exit-code', String(lockedCode)]
          : []),
        ...(locks ? [role.lockFile] : []),
        ...(least === null ? [] : prefix(least)),
        role.program,
        ...role.args,
      ];
      const [program = role.program, ...args] = argv;
      const out = output(o.logFile);
      try {
        return spawn(program, args, {
          stdio: ['ignore', out, out],
          detached: true,
          env: { ...process.env, ...role.environment },
        });
      } finally {
        if (typeof out === 'number') closeSync(out);
      }
    },
    // Anybody may have our words on a command line; the lock's file is root's alone.
    find: (role) => {
      if (locks) {
        const holder = lockHolder(role.lockFile);
        const id = holder === null ? null : processId(holder);
        return id !== null && belongs(role, id) ? id : null;
      }
      const noted = idOf(readPlain(role.pidFile) ?? '');
      return noted !== null && isRunning(noted) && belongs(role, noted) ? noted : null;
    },
    note: (role, id) => {
      try {
        writeWhole(role.pidFile, idText(id), 0o644);
      } catch (e) {
        o.log.warn(`${role.pidFile} cannot be written: ${String(e)}`);
      }
    },
  };
};

export const idOfChild = (child: ChildProcess): ProcessId | null =>
  child.pid === undefined ? null : processId(child.pid);
