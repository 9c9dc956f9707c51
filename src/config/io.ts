/** Configuration files on the file system. Nothing here throws, blocks or reads without an end. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Source } from './config.js';
import { alternatives, hasWildcard, matches } from './glob.js';

const largestFile = 256 * 1024 * 1024;
const mostEntries = 200_000;

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'permission denied'],
  ['ELOOP', 'its symbolic links lead in a circle'],
  ['ENOTDIR', 'a part of its path is not a directory'],
  ['EISDIR', 'it is not a regular file'],
  ['ENXIO', 'it is not a regular file'],
  ['EAGAIN', 'it is not a regular file'],
]);

const reasonOf = (e: unknown): string => {
  const { code, message } = e as NodeJS.ErrnoException;
  return reasons.get(code ?? '') ?? message;
};

/** The bytes of an open file; its size is not trusted (files in /proc have none). */
const bytesOf = (fd: number): Buffer | null => {
  const pieces: Buffer[] = [];
  for (let total = 0; total <= largestFile; ) {
    const piece = Buffer.allocUnsafe(Math.max(65_536, Math.min(1 << 24, total)));
    const n = readSync(fd, piece, 0, piece.length, null);
    if (n === 0) return Buffer.concat(pieces, total);
    pieces.push(piece.subarray(0, n));
    total += n;
  }
  return null;
};

const read: Source['read'] = (path) => {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (!fstatSync(fd).isFile()) return { ok: false, error: 'it is not a regular file' };
    const bytes = bytesOf(fd);
    if (bytes !== null) return { ok: true, text: bytes.toString('utf8') };
    return { ok: false, error: `it is larger than ${largestFile / 1024 / 1024} MB` };
  } catch (e) {
    return { ok: false, error: reasonOf(e) };
  } finally {
    if (fd >= 0) closeSync(fd);
  }
};

const namesIn = (dir: string): readonly string[] => {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
};

const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
};

/** Paths that match one pattern without alternatives; null: too many entries to look at. */
const expand = (root: string, pattern: string): readonly string[] | null => {
  let paths: readonly string[] = [root];
  let looked = 0;
  for (const part of pattern.split('/').filter((s) => s !== '')) {
    if (!hasWildcard(part)) {
      paths = paths.map((p) => join(p, part));
      continue;
    }
    const next: string[] = [];
    for (const dir of paths) {
      const names = namesIn(dir);
      looked += names.length + 1;
      if (looked > mostEntries) return null;
      for (const n of names) if (matches(part, n)) next.push(join(dir, n));
    }
    paths = next;
  }
  return paths.filter(isThere);
};

export const fileSource: Source = {
  read,
  glob: (pattern, dir) => {
    const found: string[] = [];
    for (const p of alternatives(pattern) ?? []) {
      const paths = expand(isAbsolute(p) ? '/' : dir, p);
      if (paths === null) return { error: `more than ${mostEntries} files to look at` };
      for (const path of paths) found.push(path);
    }
    return found;
  },
};
