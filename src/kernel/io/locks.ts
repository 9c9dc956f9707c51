/**
 * Who holds a lock of flock(2), as /proc/locks shows it. Nobody can claim a lock by a name or by an
 * argument: whoever holds it has opened the file.
 */
import { readFileSync, statSync } from 'node:fs';

/** `8: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF`: the pids by `major:minor:inode`. */
export const holdersIn = (text: string): ReadonlyMap<string, number> => {
  const holders = new Map<string, number>();
  for (const line of text.split('\n')) {
    const found = /^\d+: FLOCK +ADVISORY +WRITE +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /.exec(line);
    if (found === null) continue;
    const [, pid = '', major = '', minor = '', inode = ''] = found;
    holders.set(
      `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}:${inode}`,
      Number(pid),
    );
  }
  return holders;
};

/** Linux's encoding of a device number (glibc's gnu_dev_major, gnu_dev_minor). */
const deviceText = (dev: bigint): string => {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor & 0xffffffffn}`;
};

/** null: nobody holds it, or there is no such file, or the holder is in another pid namespace. */
export const lockHolder = (path: string): number | null => {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    const pid = holdersIn(readFileSync('/proc/locks', 'utf8')).get(`${deviceText(dev)}:${ino}`);
    return pid === undefined || pid <= 0 ? null : pid;
  } catch {
    return null;
  }
};
