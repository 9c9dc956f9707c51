/**
 * The last configuration that came into force, as the texts it was read from:
 * <run-dir>/accepted.json. A controller that starts while the files on disk are wrong runs on with
 * it. The orderly stop of a node removes it: the next start begins from the files alone.
 */
import { renameSync, rmSync } from 'node:fs';
import type { ConfigPaths, LoadedConfig } from '../config/config.js';
import { readPlain, writeWhole } from '../kernel/io/files.js';
import { loadInWorker } from './load-worker.js';

const format = 1;

interface Kept extends ConfigPaths {
  readonly format: number;
  readonly files: Readonly<Record<string, string>>;
}

/** What was accepted before something that could not be kept: it is not taken for the last one. */
const olderOf = (path: string): string => `${path}.older`;

/** Everything that is kept for a restart. */
export const acceptedFiles = (path: string): readonly string[] => [path, olderOf(path)];

/** A new name takes no room on a full disk; where nothing can be written nothing can be marked. */
const markOlder = (path: string): void => {
  try {
    renameSync(path, olderOf(path));
  } catch {
    // Nothing was kept before, or the first error is the one to report.
  }
};

/** Throws the system's error; what was kept before is marked as older then. */
export const keepAccepted = (
  path: string,
  paths: ConfigPaths,
  files: ReadonlyMap<string, string>,
  write: typeof writeWhole = writeWhole,
): void => {
  const kept: Kept = { format, ...paths, files: Object.fromEntries(files) };
  try {
    write(path, `${JSON.stringify(kept)}\n`);
  } catch (e) {
    markOlder(path);
    throw e;
  }
  rmSync(olderOf(path), { force: true });
};

const keptAt = (path: string): Kept | null => {
  try {
    const kept = JSON.parse(readPlain(path) ?? 'null') as Partial<Kept> | null;
    return kept?.format === format && kept.files !== undefined ? (kept as Kept) : null;
  } catch {
    return null;
  }
};

export interface Loaded {
  /** Of the files; its diagnostics are what they have to say. */
  readonly files: LoadedConfig;
  /** What can be used: of the files, or accepted before; null: there is neither. */
  readonly use: LoadedConfig | null;
  readonly source: 'files' | 'accepted';
}

/** The newest that was kept is not the last that was accepted. */
export const isOlder = (path: string): boolean => keptAt(path) === null;

/** What was accepted before; null: nothing was, or it cannot be used any more. */
export const loadAccepted = async (path: string): Promise<LoadedConfig | null> => {
  const kept = keptAt(path) ?? keptAt(olderOf(path));
  if (kept === null) return null;
  const { keepalivedPath, dpvsPath, hostName } = kept;
  const texts = new Map(Object.entries(kept.files));
  const before = await loadInWorker({ keepalivedPath, dpvsPath, hostName }, texts);
  return before.config === null ? null : before;
};

/** The files, or what was accepted before when they have an error. */
export const loadOrAccepted = async (path: string, paths: ConfigPaths): Promise<Loaded> => {
  const files = await loadInWorker(paths);
  if (files.config !== null) return { files, use: files, source: 'files' };
  const use = await loadAccepted(path);
  return { files, use, source: use === null ? 'files' : 'accepted' };
};
