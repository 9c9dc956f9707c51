/**
 * Where a running node keeps its sockets and files: one directory a node, which nobody else may
 * write to. Others may pass through it (0711), because the process of the health checks has a
 * directory of its own in it.
 */
import { chmodSync, lchownSync, lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type Result } from '../kernel/result.js';

export interface RunDir {
  readonly dir: string;
  /** HTTP API. */
  readonly apiSocket: string;
  /** Control socket of the data plane. */
  readonly dataplaneSocket: string;
  readonly vrrpSocket: string;
  /** Of the user the health checks run as. */
  readonly healthcheckDir: string;
  readonly healthcheckSocket: string;
  /** For the supervisor. */
  readonly controllerSocket: string;
  readonly pidFile: string;
  /** Held by the supervisor as long as it runs. */
  readonly lockFile: string;
  /** What commands have set, kept over a restart of the controller. */
  readonly runtimeFile: string;
  /** The configuration in force, kept until the orderly stop. */
  readonly acceptedFile: string;
  /** Addresses and routes that were given to the kernel. */
  readonly kernelFile: string;
}

export const defaultRunDir = process.env['KEELSON_RUN_DIR'] || '/run/keelson';
export const defaultConfDir = '/etc/keelson';

export const runDir = (dir: string): RunDir => ({
  dir,
  apiSocket: join(dir, 'keelson.sock'),
  dataplaneSocket: join(dir, 'dataplane.sock'),
  vrrpSocket: join(dir, 'vrrp.sock'),
  healthcheckDir: join(dir, 'healthcheck'),
  healthcheckSocket: join(dir, 'healthcheck', 'link.sock'),
  controllerSocket: join(dir, 'controller.sock'),
  pidFile: join(dir, 'keelson.pid'),
  lockFile: join(dir, 'keelson.lock'),
  runtimeFile: join(dir, 'runtime.json'),
  acceptedFile: join(dir, 'accepted.json'),
  kernelFile: join(dir, 'kernel.json'),
});

/** A socket's path holds 107 bytes (unix(7)). */
const longestSocketPath = 107;

/** Why `path` cannot be trusted; null when it can. */
const objection = (path: string): string | null => {
  const s = lstatSync(path);
  const uid = process.geteuid?.() ?? 0;
  if (s.isSymbolicLink()) return `${path} is a symbolic link`;
  if (!s.isDirectory()) return `${path} is not a directory`;
  if (s.uid !== uid) return `${path} belongs to user ${s.uid}, not to ${uid}`;
  if ((s.mode & 0o002) !== 0)
    return `${path} is writable by everybody (mode ${(s.mode & 0o7777).toString(8)})`;
  return null;
};

/** Makes the directory, or checks the one that is there; the error is a sentence for the user. */
export const prepareRunDir = (d: RunDir): Result<null, string> => {
  if (Buffer.byteLength(d.healthcheckSocket) > longestSocketPath)
    return err(`${d.dir} is too long for the path of a socket`);
  try {
    mkdirSync(d.dir, { recursive: true, mode: 0o711 });
    const why = objection(d.dir);
    if (why !== null) return err(`${why}; give another --run-dir, or remove it`);
    chmodSync(d.dir, 0o711);
    return ok(null);
  } catch (e) {
    return err(`${d.dir} cannot be used: ${e instanceof Error ? e.message : String(e)}`);
  }
};

/** The directory of the health checks' socket; theirs alone. */
export const prepareHealthcheckDir = (
  d: RunDir,
  owner: { readonly uid: number; readonly gid: number } | null,
): void => {
  mkdirSync(d.healthcheckDir, { recursive: true, mode: 0o700 });
  // The run directory is ours alone, so nobody can exchange it between this look and the next line.
  if (!lstatSync(d.healthcheckDir).isDirectory())
    throw new Error(`${d.healthcheckDir} is not a directory`);
  const uid = owner?.uid ?? process.geteuid?.() ?? 0;
  // Its socket belongs to root's group: the controller is root without the right to override modes.
  lchownSync(d.healthcheckDir, uid, process.getegid?.() ?? 0);
  chmodSync(d.healthcheckDir, 0o2710);
};
