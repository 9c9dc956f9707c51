/** An exclusive lock on a file, held until this process ends; flock(2) by way of flock(1). */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';

const opening = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * False when another process holds it. The lock belongs to the open file, which flock(1) shares with
 * this process; children are started without it. Throws when the file cannot be opened.
 */
export const holdLock = (path: string): boolean => {
  const fd = openSync(path, opening, 0o600);
  const r = spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  // Without the program there is no lock to take; the caller has other means.
  if (r.status === 0 || r.error !== undefined) return true;
  closeSync(fd);
  return false;
};
