/** Files in memory for the journal's writer; `fail` decides which calls fail, and with what. */
import type { JournalFiles } from '../../../src/kernel/io/journal.js';

export type FileCall = 'open' | 'write' | 'rename' | 'truncate';

export interface MemoryFiles {
  readonly files: JournalFiles;
  readonly text: (path: string) => string | null;
}

const errorOf = (code: string): Error =>
  Object.assign(new Error(`${code}: made by the test`), { code });

interface Inode {
  bytes: Buffer;
}

/** `fail` answers an error's code, 'short' for a write that writes half, or null. */
export function memoryFiles(fail: (call: FileCall) => string | null): MemoryFiles {
  const names = new Map<string, Inode>();
  const open = new Map<number, Inode>();
  let next = 3;
  const fault = (call: FileCall): void => {
    const code = fail(call);
    if (code !== null && code !== 'short') throw errorOf(code);
  };
  const inode = (fd: number): Inode => {
    const found = open.get(fd);
    if (found === undefined) throw errorOf('EBADF');
    return found;
  };
  const put = (fd: number, bytes: Uint8Array, position: number): number => {
    const code = fail('write');
    const part = code === null ? bytes : bytes.subarray(0, bytes.length >> 1);
    const file = inode(fd);
    const size = Math.max(file.bytes.length, position + part.length);
    const grown = Buffer.alloc(size);
    grown.set(file.bytes);
    grown.set(part, position);
    file.bytes = grown;
    // A full disk takes a part of the bytes and then refuses.
    if (code !== null && code !== 'short') throw errorOf(code);
    return part.length;
  };
  return {
    text: (path) => names.get(path)?.bytes.toString() ?? null,
    files: {
      open: async (path) => {
        fault('open');
        const file = names.get(path) ?? { bytes: Buffer.alloc(0) };
        names.set(path, file);
        open.set(next, file);
        return next++;
      },
      write: async (fd, bytes, position) => put(fd, bytes, position),
      writeNow: put,
      size: async (fd) => inode(fd).bytes.length,
      truncate: async (fd, size) => {
        fault('truncate');
        const file = inode(fd);
        const cut = Buffer.alloc(size);
        cut.set(file.bytes.subarray(0, size));
        file.bytes = cut;
      },
      close: async (fd) => void open.delete(fd),
      rename: async (from, to) => {
        fault('rename');
        const file = names.get(from);
        if (file === undefined) throw errorOf('ENOENT');
        names.delete(from);
        names.set(to, file);
      },
    },
  };
}
