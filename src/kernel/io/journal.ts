/**
 * Writes the journal of a process: two files of bounded size, `path` and the older `path.1`.
 *
 * Writing never blocks and never fails for the caller: lines wait in memory, up to a bound, and are
 * written one batch after another. What cannot be written (full disk, missing directory, too much
 * at once) is counted, reported once, and marked in the file as a gap. After each gap and in each
 * new file every machine's state is written again before its next input.
 */
import { close, constants, fstat, ftruncate, open, rename, write, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import type { Entry } from '../driver.js';
import { encodeLine, type JournalHook, type JournalKind, type JournalLine } from '../journal.js';

const statFile = promisify(fstat);
const closeFile = promisify(close);
const openFile = promisify(open);
const renameFile = promisify(rename);
const truncateFile = promisify(ftruncate);

/** The files can be replaced by tests to make every kind of failure. */
export interface JournalFiles {
  /** Opens for writing, created when it is not there, never through a symbolic link. */
  readonly open: (path: string) => Promise<number>;
  /** Answers how many bytes were written. */
  readonly write: (fd: number, bytes: Uint8Array, position: number) => Promise<number>;
  readonly writeNow: (fd: number, bytes: Uint8Array, position: number) => number;
  readonly size: (fd: number) => Promise<number>;
  readonly truncate: (fd: number, size: number) => Promise<void>;
  readonly close: (fd: number) => Promise<void>;
  readonly rename: (from: string, to: string) => Promise<void>;
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;

export const realFiles: JournalFiles = {
  open: (path) => openFile(path, flags, 0o600),
  write: (fd, bytes, position) =>
    new Promise((resolve, reject) => {
      write(fd, bytes, 0, bytes.length, position, (e, n) => (e === null ? resolve(n) : reject(e)));
    }),
  writeNow: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
  size: async (fd) => (await statFile(fd)).size,
  truncate: truncateFile,
  close: closeFile,
  rename: renameFile,
};

export interface JournalOptions {
  readonly path: string;
  /** Which process writes, and its version: part of each file's header. */
  readonly process: string;
  readonly version: string;
  /** Once for each time of trouble; null when it is over. */
  readonly report: (trouble: string | null) => void;
  /**
   * A new file is begun when one has reached this size; larger where a single machine's state
   * is larger than a quarter of it.
   */
  readonly fileBytes?: number;
  /** Long-term bound of what is written a second; null: none. */
  readonly bytesPerSecond?: number | null;
  readonly files?: JournalFiles;
  readonly now?: () => number;
  readonly wallClock?: () => number;
  readonly retryMs?: number;
}

export interface MachineHook<State, Input> extends JournalHook<State, Input> {
  /** Writes the machine's state where the file does not have it yet. */
  readonly sync: (now: State) => void;
}

export interface JournalWriter {
  /**
   * Ask for one hook for each machine that is started. `first` is called before a state of this
   * machine is written: it may write the state of another that this one's refers to.
   */
  readonly machine: <State, Input>(
    kind: JournalKind<State, Input>,
    unit: string,
    first?: () => void,
  ) => MachineHook<State, Input>;
  /** Resolves when everything that waits has been written or given up. */
  readonly flush: () => Promise<void>;
  /** For the end of a process: writes what waits, blocking. */
  readonly flushNow: () => void;
  readonly close: () => Promise<void>;
}

const defaultFileBytes = 8 << 20;
/** Lines that wait for the disk; a state is always taken when nothing waits. */
const maxWaitingBytes = 16 << 20;
const defaultRetryMs = 1000;
/** Seconds of the allowance that may be used at once. */
const burstSeconds = 16;

interface Batch {
  /** Number of the file these lines belong to. */
  readonly file: number;
  readonly lines: string[];
  /** Inputs in it, and those that its marks of gaps stand for: lost when it cannot be written. */
  entries: number;
}

const reasonOf = (e: unknown): string => (e instanceof Error ? e.message : String(e));

export const openJournal = (o: JournalOptions): JournalWriter => {
  const files = o.files ?? realFiles;
  const now = o.now ?? (() => performance.now());
  const wallClock = o.wallClock ?? Date.now;
  const fileBytes = o.fileBytes ?? defaultFileBytes;
  const retryMs = o.retryMs ?? defaultRetryMs;
  const rate = o.bytesPerSecond ?? null;

  /** Lines that wait, oldest first; all lines of a batch go into one file. */
  let batches: Batch[] = [];
  let waitingBytes = 0;
  /** The file lines are added to now, and what has been added to it. */
  let file = 1;
  let addedBytes = 0;
  /** Of one machine, in this file. */
  let largestState = 0;
  /** Raised with each new file and each gap: states written under an older one do not count. */
  let epoch = 1;
  let lost = 0;
  let lostWhy = '';
  let allowance = rate === null ? 0 : rate * burstSeconds;
  let allowanceAt = now();

  /** The open file: its number and how much of it is good. */
  let fd: number | null = null;
  let openedFile = 0;
  let goodBytes = 0;
  let inFlight: Buffer | null = null;
  let pumping: Promise<void> | null = null;
  let troubled = false;
  let retryAt = Number.NEGATIVE_INFINITY;
  let closed = false;

  const add = (text: string, entries: number): void => {
    const last = batches.at(-1);
    if (last !== undefined && last.file === file) {
      last.lines.push(text);
      last.entries += entries;
    } else batches.push({ file, lines: [text], entries });
    waitingBytes += text.length;
    addedBytes += text.length;
  };
  const header = (): JournalLine => ({
    type: 'file',
    process: o.process,
    version: o.version,
    wallMs: wallClock(),
    at: now(),
  });
  const lose = (entries: number, why: string): void => {
    if (lost === 0) epoch++;
    lost += entries;
    lostWhy = why;
  };
  /** A file is worth its states: a machine whose state fills one alone gets a larger one. */
  const isFull = (): boolean => addedBytes >= Math.max(fileBytes, 4 * largestState);
  const startFile = (): void => {
    file++;
    addedBytes = 0;
    largestState = 0;
    epoch++;
    add(encodeLine(header()), 0);
  };
  const isOverRate = (): boolean => {
    if (rate === null) return false;
    const at = now();
    allowance = Math.min(rate * burstSeconds, allowance + ((at - allowanceAt) / 1000) * rate);
    allowanceAt = at;
    return allowance <= 0;
  };

  /** Why nothing can be taken now, or null. */
  const refusal = (): string | null => {
    if (closed) return 'the journal is closed';
    if (troubled && now() < retryAt) return lostWhy;
    if (waitingBytes > maxWaitingBytes) return 'the disk is too slow';
    return isOverRate() ? 'too much to write' : null;
  };

  /** Opens `path` as the newest file; what was there becomes the older one. */
  const openNext = async (number: number): Promise<number> => {
    if (fd !== null) await files.close(fd).catch(() => undefined);
    fd = null;
    await files.rename(o.path, `${o.path}.1`).catch((e: unknown) => {
      if (Reflect.get(Object(e), 'code') !== 'ENOENT') throw e;
    });
    // From here on it is this number's file, also when opening it has to be tried again.
    openedFile = number;
    goodBytes = 0;
    return await reopen();
  };
  const reopen = async (): Promise<number> => {
    const opened = await files.open(o.path);
    fd = opened;
    // Somebody may have emptied it; a longer one would be filled up with zeros.
    goodBytes = Math.min(goodBytes, await files.size(opened));
    await files.truncate(opened, goodBytes);
    return opened;
  };
  const writeAll = async (to: number, bytes: Buffer): Promise<void> => {
    inFlight = bytes;
    for (let done = 0; done < bytes.length; ) {
      const n = await files.write(to, bytes.subarray(done), goodBytes + done);
      if (n <= 0) throw new Error('nothing was written');
      done += n;
    }
    inFlight = null;
    goodBytes += bytes.length;
  };
  const writeBatch = async (b: Batch): Promise<void> => {
    const text = b.lines.join('');
    const to = openedFile === b.file ? (fd ?? (await reopen())) : await openNext(b.file);
    await writeAll(to, Buffer.from(text));
  };
  const fail = async (b: Batch, e: unknown): Promise<void> => {
    inFlight = null;
    const why = reasonOf(e);
    lose(
      batches.reduce((n, x) => n + x.entries, b.entries),
      why,
    );
    // The file begins anew with its header when nothing of it has been written.
    const begun = openedFile === file && goodBytes > 0;
    batches = [];
    waitingBytes = 0;
    if (!begun) addedBytes = 0;
    retryAt = now() + retryMs;
    if (!troubled) o.report(`the journal ${o.path} cannot be written: ${why}`);
    troubled = true;
    const was = fd;
    fd = null;
    if (was === null) return;
    // A part of a line may be on the disk.
    await files.truncate(was, goodBytes).catch(() => undefined);
    await files.close(was).catch(() => undefined);
  };
  const pump = async (): Promise<void> => {
    for (let b = batches.shift(); b !== undefined; b = batches.shift()) {
      const bytes = b.lines.reduce((n, l) => n + l.length, 0);
      try {
        await writeBatch(b);
        waitingBytes -= bytes;
        if (troubled) o.report(null);
        troubled = false;
      } catch (e) {
        await fail(b, e);
      }
    }
    pumping = null;
  };
  const kick = (): void => {
    pumping ??= Promise.resolve().then(pump);
  };

  /** The header of a file and the mark of a gap, where they are due. */
  const begin = (): void => {
    if (addedBytes === 0) add(encodeLine(header()), 0);
    if (lost > 0) add(encodeLine({ type: 'gap', lost, reason: lostWhy }), lost);
    lost = 0;
  };
  const put = (text: string, entries: number): void => {
    begin();
    add(text, entries);
    if (rate !== null) allowance -= text.length;
    kick();
  };

  const machine: JournalWriter['machine'] = <State, Input>(
    kind: JournalKind<State, Input>,
    unit: string,
    first?: () => void,
  ) => {
    const { name } = kind;
    let writtenIn = 0;
    const stateLine = (state: State): string => {
      const line = encodeLine({ type: 'state', kind: name, unit, state: kind.encodeState(state) });
      largestState = Math.max(largestState, line.length);
      return line;
    };
    /** Whether this input is written at all. */
    const isTaken = ({ at, input }: Entry<Input>, before: State): boolean => {
      if (kind.isNoise(input)) return false;
      if (kind.leavesOut(input, before, at)) {
        writtenIn = 0;
        return false;
      }
      const why = refusal();
      if (why !== null) lose(1, why);
      return why === null;
    };
    const write = (entry: Entry<Input>, before: State): void => {
      if (!isTaken(entry, before)) return;
      const { at, input } = entry;
      if (isFull()) startFile();
      const isKnown = writtenIn === epoch;
      if (!isKnown) first?.();
      const line = encodeLine({
        type: 'input',
        kind: name,
        unit,
        at,
        input: kind.encodeInput(input),
      });
      // One piece: the state and the input are never in different files.
      put(isKnown ? line : stateLine(before) + line, 1);
      writtenIn = epoch;
    };
    const sync = (now: State): void => {
      if (writtenIn === epoch || refusal() !== null) return;
      put(stateLine(now), 0);
      writtenIn = epoch;
    };
    return Object.assign(write, { sync });
  };

  const flush = async (): Promise<void> => {
    while (pumping !== null) await pumping;
  };
  return {
    machine,
    flush,
    flushNow: () => {
      // What is being written is written again at the same place: the same bytes.
      const rest = batches.filter((b) => b.file === openedFile).flatMap((b) => b.lines);
      const bytes = Buffer.concat([inFlight ?? Buffer.alloc(0), Buffer.from(rest.join(''))]);
      if (fd === null || bytes.length === 0) return;
      try {
        for (let done = 0; done < bytes.length; )
          done += files.writeNow(fd, bytes.subarray(done), goodBytes + done) || bytes.length;
      } catch {
        // The process ends; there is nobody left to report it to.
      }
    },
    close: async () => {
      closed = true;
      await flush();
      if (fd !== null) await files.close(fd).catch(() => undefined);
      fd = null;
    },
  };
};
