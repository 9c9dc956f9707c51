/**
 * How patient tests are: limits of waiting are written for a quiet machine of the reference speed and grow with how
 * much slower this one is at the moment. The runner measures the speed once and hands it on in the environment; the load
 * is read whenever a limit is about to be applied, because it changes while tests run.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export const slownessVariable = 'KEELSON_SLOWNESS';

/** Never faster than the reference: a limit that was long enough stays so. `running` counts what wants a CPU now. */
export const patienceOf = (slowness: number, running: number, cpus: number): number =>
  Math.max(1, Number.isFinite(slowness) ? slowness : 1) * Math.max(1, (2 * running) / cpus);

/** The larger one of the load of the last minute and what runs at this moment, from /proc/loadavg. */
export const readLoad = (text: string): number => {
  const [minute = '0', , , running = '0'] = text.split(' ');
  const now = Number.parseInt(running, 10);
  return Math.max(Number(minute) || 0, Number.isNaN(now) ? 0 : now);
};

const load = (): number => {
  try {
    return readLoad(readFileSync('/proc/loadavg', 'utf8'));
  } catch {
    return 0;
  }
};

/** The factor for limits at this moment. */
export const patience = (): number =>
  patienceOf(Number(process.env[slownessVariable] ?? '1'), load(), availableParallelism());
