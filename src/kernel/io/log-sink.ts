/**
 * Where log lines go. A sink never blocks the event loop and never throws: lines wait in a bounded
 * queue; what finds no room, or cannot be written (full disk, closed pipe, stuck reader), is dropped
 * and counted, and the count is logged once when lines can be written again.
 *
 *   regular file   one asynchronous write at a time; opened again when its name is another file
 *   pipe, socket   the stream of Node, which buffers; its backlog is bounded here
 *   terminal       opened again without blocking, so that Ctrl-S stops the lines and not the process
 */
import { closeSync, constants, fstatSync, openSync, stat, write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

const maxWaitingBytes = 1 << 20;
const maxWriteBytes = 64 << 10;
const retryMs = 200;
const lookMs = 2000;

export interface Sink {
  readonly write: (line: string) => void;
  /** Opens the file again: its name may be another file now. */
  readonly reopen: () => void;
  /** Writes what waits, as far as that is possible without waiting. */
  readonly flush: () => void;
  readonly dropped: () => number;
}

export interface SinkOptions {
  /** null: standard output. */
  readonly file: string | null;
  /** The line that reports drops. */
  readonly droppedLine: (count: number, why: string) => string;
  /** Bytes that may wait. */
  readonly maxWaitingBytes?: number;
}

const codeOf = (e: unknown): string => (e as NodeJS.ErrnoException).code ?? String(e);

/** How bytes leave: done(null) when `bytes` were written, else the reason. */
interface Output {
  readonly write: (
    bytes: Uint8Array,
    done: (error: string | null, written: number) => void,
  ) => void;
  readonly writeNow: (bytes: Uint8Array) => number;
}

const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;

const openLog = (path: string): number | null => {
  try {
    return openSync(path, appending | constants.O_NONBLOCK, 0o640);
  } catch {
    return null;
  }
};

const fileOutput = (fd: () => number | null): Output => ({
  write: (bytes, done) => {
    const to = fd();
    if (to === null) {
      setImmediate(done, 'ENOENT', 0);
      return;
    }
    write(to, bytes, 0, bytes.length, null, (e, n) => done(e === null ? null : codeOf(e), n ?? 0));
  },
  writeNow: (bytes) => {
    const to = fd();
    if (to === null) return 0;
    try {
      return writeSync(to, bytes);
    } catch {
      return 0;
    }
  },
});

/** A terminal of its own opening, in which a write that would block fails with EAGAIN. */
const terminalOutput = (fd: number): Output => ({
  write: (bytes, done) => {
    try {
      const n = writeSync(fd, bytes);
      setImmediate(done, null, n);
    } catch (e) {
      setImmediate(done, codeOf(e), 0);
    }
  },
  writeNow: (bytes) => {
    try {
      return writeSync(fd, bytes);
    } catch {
      return 0;
    }
  },
});

const streamOutput = (stream: NodeJS.WriteStream): Output => {
  let failure: string | null = null;
  stream.on('error', (e) => {
    failure = codeOf(e);
  });
  return {
    write: (bytes, done) => {
      if (failure !== null || stream.destroyed) {
        setImmediate(done, failure ?? 'EPIPE', 0);
        return;
      }
      stream.write(bytes, (e) => {
        if (e === null || e === undefined) done(null, bytes.length);
        else done(codeOf(e), 0);
      });
    },
    writeNow: (bytes) => {
      if (failure !== null || stream.destroyed) return 0;
      stream.write(bytes, () => undefined);
      return bytes.length;
    },
  };
};

const isRegular = (fd: number): boolean => {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
};

const standardOutput = (): Output => {
  if (isRegular(1)) return fileOutput(() => 1);
  const terminal = isatty(1) ? openLog('/proc/self/fd/1') : null;
  return terminal === null ? streamOutput(process.stdout) : terminalOutput(terminal);
};

export const openSink = (o: SinkOptions): Sink => {
  const most = o.maxWaitingBytes ?? maxWaitingBytes;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let busy = false;
  let dropped = 0;
  let droppedEver = 0;
  let why = '';
  let retry: NodeJS.Timeout | null = null;

  let fd: number | null = null;
  const { file } = o;
  const open = (): void => {
    if (file === null) return;
    const next = openLog(file);
    // A file that we may not open is the one that standard output was opened for.
    if (next === null && fd === null && isRegular(1)) fd = 1;
    if (next === null) return;
    if (fd !== null && fd !== 1) closeLater(fd);
    fd = next;
  };
  let closing: number | null = null;
  /** Not while a write is under way: the number could be another file's by then. */
  const closeLater = (old: number): void => {
    if (!busy) closeSync(old);
    else if (closing === null) closing = old;
  };
  open();
  const out = file === null ? standardOutput() : fileOutput(() => fd);

  const drop = (lines: number, reason: string): void => {
    dropped += lines;
    droppedEver += lines;
    why = reason;
  };
  const again = (): void => {
    if (retry !== null) return;
    retry = setTimeout(() => {
      retry = null;
      pump();
    }, retryMs);
    retry.unref();
  };
  const take = (): Uint8Array => {
    let n = 0;
    let size = 0;
    for (const w of waiting) {
      if (n > 0 && size + w.length > maxWriteBytes) break;
      size += w.length;
      n++;
    }
    const bytes = Buffer.concat(waiting.slice(0, n));
    waiting = waiting.slice(n);
    waitingBytes -= bytes.length;
    return bytes;
  };
  const putBack = (rest: Uint8Array): void => {
    if (rest.length === 0) return;
    waiting.unshift(rest);
    waitingBytes += rest.length;
  };
  const reportDrops = (): void => {
    if (dropped === 0) return;
    const line = Buffer.from(o.droppedLine(dropped, why));
    dropped = 0;
    why = '';
    waiting.push(line);
    waitingBytes += line.length;
  };
  const wrote = (bytes: Uint8Array, error: string | null, written: number): void => {
    busy = false;
    if (closing !== null) {
      closeSync(closing);
      closing = null;
    }
    putBack(bytes.subarray(error === null ? written : 0));
    if (error === null && written > 0) {
      reportDrops();
      pump();
    } else again();
    if (error !== null && error !== 'EAGAIN') why = error;
  };
  const pump = (): void => {
    if (busy || retry !== null || waiting.length === 0) return;
    busy = true;
    const bytes = take();
    try {
      out.write(bytes, (error, written) => wrote(bytes, error, written));
    } catch (e) {
      wrote(bytes, codeOf(e), 0);
    }
  };

  const look = (): void => {
    if (file === null) return;
    stat(file, (e, now) => {
      try {
        const held = fd === null ? null : fstatSync(fd);
        if (held === null || e !== null || now.ino !== held.ino || now.dev !== held.dev) open();
      } catch {
        open();
      }
    });
  };
  if (file !== null) setInterval(look, lookMs).unref();

  return {
    write: (line) => {
      const bytes = Buffer.from(line);
      if (waitingBytes + bytes.length > most) {
        drop(1, why === '' ? 'nobody reads' : why);
        return;
      }
      waiting.push(bytes);
      waitingBytes += bytes.length;
      pump();
    },
    reopen: open,
    flush: () => {
      while (waiting.length > 0) {
        const bytes = take();
        const n = out.writeNow(bytes);
        if (n < bytes.length) return;
      }
    },
    dropped: () => droppedEver,
  };
};
