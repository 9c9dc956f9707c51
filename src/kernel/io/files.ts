/**
 * Files of the run directory: replaced whole or not at all, and never through a link that somebody
 * put in their place.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';

/** What is used of node:fs, so that a test can be a disk that is full. */
export type FileSystem = Pick<
  typeof fs,
  | 'openSync'
  | 'closeSync'
  | 'writeSync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'fstatSync'
  | 'renameSync'
  | 'rmSync'
  | 'readFileSync'
>;

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

/** A write may take only a part, on a disk that is nearly full: the next one then tells why. */
const writeAll = (fd: number, bytes: Uint8Array, f: FileSystem): void => {
  for (let at = 0; at < bytes.length; ) {
    const written = f.writeSync(fd, bytes, at, bytes.length - at);
    if (written === 0)
      throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' });
    at += written;
  }
};

const syncDirectory = (path: string, f: FileSystem): void => {
  const fd = f.openSync(path, 'r');
  try {
    f.fsyncSync(fd);
  } finally {
    f.closeSync(fd);
  }
};

/**
 * The file is there whole, or as it was before; also when the machine stops in between. Throws the
 * system's error, and leaves nothing behind then.
 */
export const writeWhole = (
  path: string,
  content: string,
  mode = 0o600,
  f: FileSystem = fs,
): void => {
  const next = `${path}.new`;
  f.rmSync(next, { force: true });
  const fd = f.openSync(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    try {
      writeAll(fd, Buffer.from(content), f);
      f.fsyncSync(fd);
    } finally {
      f.closeSync(fd);
    }
    f.renameSync(next, path);
  } catch (e) {
    f.rmSync(next, { force: true });
    throw e;
  }
  syncDirectory(dirname(path), f);
};

/**
 * Adds text behind the first `size` bytes, which are what counts of the file; the rest of an earlier
 * attempt is cut off. The answer is the new size. When it throws, those bytes are as they were.
 */
export const appendAt = (
  path: string,
  size: number,
  content: string,
  f: FileSystem = fs,
): number => {
  const fd = f.openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const bytes = Buffer.from(content);
  try {
    if (f.fstatSync(fd).size > size) f.ftruncateSync(fd, size);
    try {
      writeAll(fd, bytes, f);
      f.fsyncSync(fd);
    } catch (e) {
      f.ftruncateSync(fd, size);
      throw e;
    }
  } finally {
    f.closeSync(fd);
  }
  return size + bytes.length;
};

/** null when there is no such file; ELOOP when it is a link. */
export const readPlain = (path: string, f: FileSystem = fs): string | null => {
  let fd: number;
  try {
    fd = f.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
  try {
    return f.readFileSync(fd, 'utf8');
  } finally {
    f.closeSync(fd);
  }
};

/** Removes a file if it can: a disk that is read-only keeps nobody from ending. */
export const discard = (path: string): void => {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // What is left is told from a live one by its lock.
  }
};
