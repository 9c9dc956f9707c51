/**
 * Log lines that packets cause. Whoever sends 20,000 adverts a second must not fill the disk: of each
 * kind one line is written at once, the others of the following second are counted.
 */
import type { Clock } from '../kernel/driver.js';
import { after } from '../kernel/machine.js';

const windowMs = 1000;

export interface HeardLine {
  readonly msg: string;
  /** Lines of this kind since the one before; 0 when this is the first in a while. */
  readonly repeated: number;
}

/** `write` is called at most twice a second for each key. */
export function heardLog(
  clock: Clock,
  write: (key: string, line: HeardLine) => void,
): (key: string, msg: string) => void {
  const open = new Map<string, { count: number; msg: string }>();
  const close = (key: string): void => {
    const found = open.get(key);
    open.delete(key);
    if (found === undefined || found.count === 0) return;
    write(key, { msg: found.msg, repeated: found.count });
    begin(key);
  };
  const begin = (key: string): void => {
    open.set(key, { count: 0, msg: '' });
    clock.wakeAt(after(clock.now(), windowMs), () => close(key));
  };
  return (key, msg) => {
    const found = open.get(key);
    if (found === undefined) {
      write(key, { msg, repeated: 0 });
      begin(key);
      return;
    }
    found.count += 1;
    found.msg = msg;
  };
}
