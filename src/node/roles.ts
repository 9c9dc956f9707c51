/** The processes of a node: one row each, in the order in which they are started. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogOptions } from '../kernel/io/logger.js';
import { socketArgument } from '../kernel/io/process-options.js';
import type { Limits } from './liveness.js';
import type { ProcessName } from './privileges.js';
import type { RunDir } from './run-dir.js';

export interface Role {
  readonly name: ProcessName;
  readonly program: string;
  readonly args: readonly string[];
  /** Words of its command line that tell it from every other process of the machine. */
  readonly marks: readonly string[];
  readonly socket: string;
  readonly pidFile: string;
  /** Held by the process as long as it runs, so that there are never two. */
  readonly lockFile: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What it must be able to read. */
  readonly reads: readonly string[];
  readonly limits: Limits;
}

export interface RolesOptions {
  readonly runDir: RunDir;
  readonly log: LogOptions;
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  readonly dataplaneProgram: string;
  readonly dataplaneArgs: readonly string[];
}

const entry = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const nodeLimits: Limits = { startMs: 120_000, silenceMs: 10_000, stopMs: 5000 };
/**
 * A controller reads its files before its first word, twice when it falls back to what was accepted,
 * and the thread that reads has 120 s for each: far more than that is a hang.
 */
const controllerLimits: Limits = { ...nodeLimits, startMs: 600_000 };
/** Zeroing many huge pages takes long. A node that stops gives its sessions some time to drain. */
const dataplaneLimits: Limits = { startMs: 120_000, silenceMs: 10_000, stopMs: 5000 };

const nodeProcess = (
  o: RolesOptions,
  name: ProcessName,
  program: string,
  socket: string,
  more: Readonly<Record<string, string>> = {},
): Role => {
  const { dir } = o.runDir;
  const options = { runDir: dir, socketPath: socket, log: o.log };
  return {
    name,
    program: process.execPath,
    args: [entry(program), socketArgument(socket)],
    marks: [socketArgument(socket)],
    socket,
    pidFile: `${dir}/${name}.pid`,
    lockFile: `${dir}/${name}.lock`,
    environment: { KEELSON_PROCESS: JSON.stringify(options), ...more },
    // Also the directory of its socket, which may be below one that is not for everybody.
    reads: [entry(program), process.execPath, dirname(socket)],
    limits: nodeLimits,
  };
};

export const roles = (o: RolesOptions): readonly Role[] => {
  const d = o.runDir;
  const { keepalivedPath, dpvsPath } = o;
  const controller = { KEELSON_CONTROLLER: JSON.stringify({ keepalivedPath, dpvsPath }) };
  return [
    {
      name: 'dataplane',
      program: o.dataplaneProgram,
      args: [...(o.log.format === 'json' ? ['--log-json'] : []), ...o.dataplaneArgs],
      marks: ['--socket', d.dataplaneSocket],
      socket: d.dataplaneSocket,
      pidFile: `${d.dir}/dataplane.pid`,
      lockFile: `${d.dir}/dataplane.lock`,
      environment: {},
      reads: [o.dataplaneProgram],
      limits: dataplaneLimits,
    },
    nodeProcess(o, 'vrrp', '../vrrp/process.js', d.vrrpSocket),
    nodeProcess(o, 'healthcheck', '../healthcheck/process.js', d.healthcheckSocket),
    {
      ...nodeProcess(o, 'controller', './controller.js', d.controllerSocket, controller),
      limits: controllerLimits,
    },
  ];
};

/** vrrp yields first; the data plane forwards as long as anything else runs. */
export const stopOrder: readonly ProcessName[] = ['vrrp', 'controller', 'healthcheck', 'dataplane'];

/** After an upgrade; the data plane is not in it, because its sessions would be lost. */
export const replaceOrder: readonly ProcessName[] = ['controller', 'healthcheck', 'vrrp'];
