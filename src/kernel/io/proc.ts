/**
 * Processes of this machine as /proc shows them. A pid alone may name a stranger by now; with the
 * time of its start it names one process for ever.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks between the boot and its start: field 22 of /proc/PID/stat. */
  readonly start: string;
}

/** null: there is no such process, or it has ended and waits to be reaped. */
export const processId = (pid: number): ProcessId | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before may hold anything but its last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, start] = [fields[0], fields[19]];
    return start === undefined || state === 'Z' || state === 'X' ? null : { pid, start };
  } catch {
    return null;
  }
};

export const isRunning = (p: ProcessId): boolean => processId(p.pid)?.start === p.start;

/** USER_HZ, which is 100 on every platform that Node runs on. */
const ticksASecond = 100;

/** Milliseconds since the epoch; null when /proc does not tell. */
export const startedAt = (p: ProcessId): number | null => {
  try {
    const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    const at = Date.now() - (uptime - Number(p.start) / ticksASecond) * 1000;
    return Number.isFinite(at) ? Math.round(at) : null;
  } catch {
    return null;
  }
};

export const argumentsOf = (pid: number): readonly string[] => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
};

const hasOpen = (pid: number, file: { readonly dev: number; readonly ino: number }): boolean => {
  const dir = `/proc/${pid}/fd`;
  try {
    return readdirSync(dir).some((fd) => {
      const open = statSync(`${dir}/${fd}`, { throwIfNoEntry: false });
      return open?.dev === file.dev && open.ino === file.ino;
    });
  } catch {
    return false;
  }
};

/** The first other process that has a file open; of use for files that nobody else may open. */
export const findOpener = (path: string): ProcessId | null => {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return null;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (/^\d+$/.test(name) && pid !== process.pid && hasOpen(pid, file)) {
      const id = processId(pid);
      if (id !== null) return id;
    }
  }
  return null;
};

/** False when it is gone already, or is not ours to signal. */
export const signalProcess = (p: ProcessId, signal: NodeJS.Signals): boolean => {
  if (!isRunning(p)) return false;
  try {
    return process.kill(p.pid, signal);
  } catch {
    return false;
  }
};

export const idText = (p: ProcessId): string => `${p.pid} ${p.start}\n`;

export const idOf = (text: string): ProcessId | null => {
  const found = /^(\d+) (\d+)\n$/.exec(text);
  return found?.[1] === undefined || found[2] === undefined
    ? null
    : { pid: Number(found[1]), start: found[2] };
};
