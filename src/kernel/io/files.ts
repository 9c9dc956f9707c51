/**
 * Files of the run directory: replaced whole or not at all, and never through a link that somebody
 * put in their place.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

const creating = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** A write may take only a part, on a disk that is nearly full: the next one then says why. */
const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
};

const syncDirectory = (path: string): void => {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
};

/**
 * The file is there whole, or as it was before; also when the machine stops in between. Throws the
 * system's error, and leaves nothing behind then.
 */
export const writeWhole = (path: string, content: string, mode = 0o600): void => {
  const next = `${path}.new`;
  rmSync(next, { force: true });
  const fd = openSync(next, creating, mode);
  try {
    try {
      writeAll(fd, Buffer.from(content));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(next, path);
  } catch (e) {
    rmSync(next, { force: true });
    throw e;
  }
  syncDirectory(dirname(path));
};

/** null when there is no such file; ELOOP when it is a link. */
export const readPlain = (path: string): string | null => {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
};
