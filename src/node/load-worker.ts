/**
 * Loads the configuration in a worker thread, so that the caller's loop keeps its turns short. The
 * worker sends the result in parts and waits until each is asked for: one part is one turn. A worker
 * that dies, runs out of memory or does not end gives a diagnostic, never an exception.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ConfigPaths, LoadedConfig } from '../config/config.js';
import { assembler, type LoadPart } from './load-parts.js';

export interface LoadRequest {
  readonly paths: ConfigPaths;
  /** Texts by path in place of the file system, for a configuration that was kept. */
  readonly texts: ReadonlyMap<string, string> | null;
}

export interface LoadLimits {
  /** A worker that has not ended by then is stopped. */
  readonly timeoutMs: number;
  /** Heap of the worker. */
  readonly heapMb: number;
  /** The program of the thread. */
  readonly entry: string;
}

const defaults: LoadLimits = {
  timeoutMs: 120_000,
  heapMb: 4096,
  entry: fileURLToPath(new URL('./load-worker-entry.js', import.meta.url)),
};

const notLoaded = (paths: ConfigPaths, why: string): LoadedConfig => ({
  config: null,
  diagnostics: [
    {
      severity: 'error',
      code: 'KS_CONF_LOAD',
      place: { file: paths.keepalivedPath, line: 1, column: 1 },
      length: 1,
      message: `the configuration could not be loaded: ${why}`,
      found: null,
      expected: null,
      hint: null,
    },
  ],
  files: new Map(),
});

const reasonOf = (e: unknown): string => {
  const { code, message } = e as NodeJS.ErrnoException;
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it needs too much memory' : message;
};

export const loadInWorker = (
  paths: ConfigPaths,
  texts: ReadonlyMap<string, string> | null = null,
  limits: Partial<LoadLimits> = {},
): Promise<LoadedConfig> => {
  const { timeoutMs, heapMb, entry } = { ...defaults, ...limits };
  return new Promise((resolve) => {
    const request: LoadRequest = { paths, texts };
    let worker: Worker;
    try {
      worker = new Worker(entry, {
        workerData: request,
        resourceLimits: { maxOldGenerationSizeMb: heapMb },
        execArgv: [],
      });
    } catch (e) {
      resolve(notLoaded(paths, reasonOf(e)));
      return;
    }
    const timer = setTimeout(
      () => done(notLoaded(paths, `it took longer than ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const done = (loaded: LoadedConfig): void => {
      clearTimeout(timer);
      resolve(loaded);
      worker.terminate().catch(() => undefined);
    };
    const add = assembler();
    worker.on('message', (part: LoadPart) => {
      const whole = add(part);
      if (whole === null) worker.postMessage('next');
      else done(whole);
    });
    worker.on('messageerror', (e) => done(notLoaded(paths, reasonOf(e))));
    worker.on('error', (e) => done(notLoaded(paths, reasonOf(e))));
    worker.on('exit', (code) => done(notLoaded(paths, `the loader ended with exit code ${code}`)));
  });
};
