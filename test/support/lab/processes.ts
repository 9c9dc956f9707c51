/** The processes of a Keelson node in a lab, by name: read from the files that its supervisor keeps in the run-dir. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const processNames = [
  'supervisor',
  'controller',
  'vrrp',
  'healthcheck',
  'dataplane',
] as const;
export type ProcessName = (typeof processNames)[number];

const fileOf = (name: ProcessName): string =>
  name === 'supervisor' ? 'keelson.pid' : `${name}.pid`;

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

/** null: the process does not run, or is just being started. */
export const pidOf = (runDir: string, name: ProcessName): number | null => {
  try {
    const pid = Number.parseInt(readFileSync(path.join(runDir, fileOf(name)), 'utf8'), 10);
    return Number.isInteger(pid) && isAlive(pid) ? pid : null;
  } catch {
    return null;
  }
};
