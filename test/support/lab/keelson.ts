/** A Keelson node on a host: started from its files, asked over its API, ended in every way there is. */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusView } from '../../../src/api/views.js';
import { callApi } from '../../../src/cli/client.js';
import type { Event } from './answers.js';
import type { Lab } from './lab.js';
import { wallClock } from './load.js';
import { crash, type Program, run, until } from './programs.js';

export const program = fileURLToPath(new URL('../../../../bin/keelson', import.meta.url));

export interface KeelsonNode {
  readonly host: string;
  readonly runDir: string;
  /** `more`: further arguments of `keelson start`. */
  readonly start: (...more: readonly string[]) => void;
  /** null while nobody answers. */
  readonly status: () => Promise<StatusView | null>;
  /** What `keelson ARGUMENTS` prints for this node. */
  readonly command: (...argv: readonly string[]) => string;
  /** SIGKILL to every process of the node at once; resolves when all are gone, with when that was. */
  readonly crash: () => Promise<Event>;
  /** SIGTERM to the supervisor; resolves when all have ended. */
  readonly stop: () => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Of its supervisor; 0: it was never started. */
  readonly pid: () => number;
  readonly isRunning: () => boolean;
  readonly output: () => string;
  /** CPU seconds that its processes have used. */
  readonly cpuSeconds: () => number;
}

const ticksASecond = Number(run('getconf', 'CLK_TCK'));

/** utime and stime of proc(5); the name before them may hold anything but its last bracket. */
const cpuTicks = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
};

export function keelsonNode(lab: Lab, host: string, confDir: string): KeelsonNode {
  const runDir = path.join(lab.directory, `run-${host}`);
  mkdirSync(runDir, { recursive: true });
  let node: Program | null = null;
  const outputs: string[] = [];
  return {
    host,
    runDir,
    start: (...more) => {
      if (node !== null) outputs.push(node.output());
      const argv = [process.execPath, program, 'start', '--conf-dir', confDir, '--run-dir', runDir];
      node = lab.start(host, `keelson ${host}`, [...argv, ...more]);
    },
    status: async () => {
      try {
        return (await callApi(`${runDir}/keelson.sock`, 'GET', '/v1/status')) as StatusView;
      } catch {
        return null;
      }
    },
    command: (...argv) => run(process.execPath, program, ...argv, '--run-dir', runDir),
    crash: async () => {
      const begun = wallClock();
      crash(lab.processes(host));
      await until('the end of the node', () => lab.processes(host).length === 0, 10_000);
      const done = wallClock();
      await node?.ended;
      return { begun, done };
    },
    stop: async () => node?.end('SIGTERM', 15_000),
    signal: (signal) => void node?.child.kill(signal),
    pid: () => node?.child.pid ?? 0,
    isRunning: () => node?.isRunning() ?? false,
    output: () => [...outputs, node?.output() ?? ''].join(''),
    cpuSeconds: () =>
      lab.processes(host).reduce((sum, pid) => sum + cpuTicks(pid), 0) / ticksASecond,
  };
}
