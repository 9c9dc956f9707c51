/**
 * The last configuration that came into force, as the texts it was read from:
 * <run-dir>/accepted.json. A controller that starts while the files on disk are wrong runs on with
 * it. The orderly stop of a node removes it: the next start begins from the files alone.
 */
import type { ConfigPaths, LoadedConfig } from '../config/config.js';
import { readPlain, writeWhole } from '../kernel/io/files.js';
import { loadInWorker } from './load-worker.js';

const format = 1;

interface Kept extends ConfigPaths {
  readonly format: number;
  readonly files: Readonly<Record<string, string>>;
}

/** Throws the system's error; what was kept before stays then. */
export const keepAccepted = (
  path: string,
  paths: ConfigPaths,
  files: ReadonlyMap<string, string>,
): void => {
  const kept: Kept = { format, ...paths, files: Object.fromEntries(files) };
  writeWhole(path, `${JSON.stringify(kept)}\n`);
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

/** What was accepted before; null: nothing was, or it cannot be used any more. */
export const loadAccepted = async (path: string): Promise<LoadedConfig | null> => {
  const kept = keptAt(path);
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
