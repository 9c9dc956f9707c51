/**
 * The state file on disk. Writes are atomic and asynchronous: a disk that hangs must not stop the
 * adverts. Changes that come while one is written are written together after it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { decodeSaved, encodeSaved, type Saved } from '../state-file.js';

export interface SavedState {
  /** null: there is none that can be used. */
  readonly read: () => Saved | null;
  /** Something changed; `current` is asked when it is written. */
  readonly changed: () => void;
  /** Writes what is not written yet, before the process ends. */
  readonly flush: () => void;
  readonly remove: () => void;
  /** It was of no use: kept beside as `.bad`, so that the next process does not read it. */
  readonly setAside: () => void;
}

export interface SavedStateOptions {
  readonly file: string;
  readonly current: () => Saved;
  readonly onProblem: (msg: string) => void;
}

const machineBootId = (): string => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return 'unknown';
  }
};

const because = (e: unknown): string => (e instanceof Error ? e.message : String(e));
const isMissing = (e: unknown): boolean => e instanceof Error && 'code' in e && e.code === 'ENOENT';

export function savedState(o: SavedStateOptions): SavedState {
  const bootId = machineBootId();
  const draft = `${o.file}.new`;
  let dirty = false;
  let writing = false;
  let removed = false;
  let problem: string | null = null;

  const failed = (e: unknown): void => {
    const msg = `${o.file} cannot be written: ${because(e)}; a restart of vrrp begins as backup`;
    if (msg !== problem) o.onProblem(msg);
    problem = msg;
  };
  const write = async (): Promise<void> => {
    const handle = await open(draft, 'w', 0o600);
    try {
      // All of it, or an error: a full disk must not leave half a file.
      await handle.writeFile(encodeSaved(o.current(), bootId));
    } finally {
      await handle.close();
    }
    if (!removed) await rename(draft, o.file);
    problem = null;
  };
  const pump = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    while (dirty && !removed) {
      dirty = false;
      await write().catch(failed);
    }
    writing = false;
  };

  const setAside = (): void => {
    try {
      renameSync(o.file, `${o.file}.bad`);
    } catch (e) {
      if (!isMissing(e)) o.onProblem(`${o.file} cannot be set aside: ${because(e)}`);
    }
  };

  return {
    read: () => {
      try {
        const saved = decodeSaved(readFileSync(o.file, 'utf8'), bootId);
        if (typeof saved !== 'string') return saved;
        o.onProblem(`${o.file} is ignored, and kept as ${o.file}.bad: ${saved}`);
        setAside();
      } catch (e) {
        if (!isMissing(e)) o.onProblem(`${o.file} is ignored: ${because(e)}`);
      }
      return null;
    },
    changed: () => {
      if (dirty || removed) return;
      dirty = true;
      // One write for all changes of a turn.
      setImmediate(() => void pump());
    },
    flush: () => {
      if (removed || (!dirty && !writing)) return;
      try {
        const last = `${o.file}.last`;
        writeFileSync(last, encodeSaved(o.current(), bootId), { mode: 0o600 });
        renameSync(last, o.file);
      } catch (e) {
        failed(e);
      }
    },
    remove: () => {
      removed = true;
      for (const file of [draft, o.file]) rmSync(file, { force: true });
    },
    setAside,
  };
}
