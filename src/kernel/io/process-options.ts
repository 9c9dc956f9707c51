/**
 * What the supervisor hands to each process: `--socket=PATH` on the command line, where ps(1) and a
 * later supervisor see which node the process belongs to, and KEELSON_PROCESS (JSON) in the
 * environment.
 */
import type { LogOptions } from './logger.js';

export interface ProcessOptions {
  readonly runDir: string;
  /** Where the process listens. */
  readonly socketPath: string;
  readonly log: LogOptions;
}

export const socketArgument = (path: string): string => `--socket=${path}`;

/** Throws when the process was not started by a supervisor. */
export const processOptions = (): ProcessOptions => {
  const text = process.env['KEELSON_PROCESS'];
  if (text === undefined)
    throw new Error('this program is started by `keelson start` (KEELSON_PROCESS is not set)');
  return JSON.parse(text) as ProcessOptions;
};
