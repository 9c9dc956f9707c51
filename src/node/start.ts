/** `keelson start`: check the files, then hand over to the supervisor. Nothing is started when a file has an error. */
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { renderDiagnostics } from '../config/diagnostics.js';
import { fileSource } from '../config/io.js';
import { loadConfig } from '../config/load.js';
import { createLogger, type LogOptions } from '../kernel/io/logger.js';
import { dataplaneArgs } from './dataplane-args.js';
import { runDir } from './run-dir.js';
import { supervise } from './supervisor.js';

export interface StartOptions {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  readonly runDir: string;
  readonly dataplane: string;
  readonly log: LogOptions;
}

export const start = async (o: StartOptions): Promise<number> => {
  const { keepalivedPath, dpvsPath } = o;
  const loaded = loadConfig(fileSource, { keepalivedPath, dpvsPath, hostName: hostname() });
  if (loaded.config === null) {
    process.stderr.write(renderDiagnostics(loaded.diagnostics, loaded.files));
    process.stderr.write('keelson: not started\n');
    return 1;
  }
  const dirs = runDir(o.runDir);
  return supervise(
    {
      runDir: dirs,
      controllerEntry: fileURLToPath(new URL('./controller.js', import.meta.url)),
      controller: { keepalivedPath, dpvsPath, runDir: o.runDir, log: o.log },
      dataplaneProgram: o.dataplane,
      dataplaneArgs: dataplaneArgs(loaded.config.dpvs, dirs.dataplaneSocket),
      logFile: o.log.file,
    },
    createLogger(o.log),
  );
};
