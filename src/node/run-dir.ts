/** Where a running node keeps its sockets and its pid; one directory a node, readable by its owner alone. */
import { join } from 'node:path';

export interface RunDir {
  readonly dir: string;
  /** HTTP API. */
  readonly apiSocket: string;
  /** Control socket of the data plane. */
  readonly dataplaneSocket: string;
  readonly pidFile: string;
  /** What commands have set, kept over a restart of the controller. */
  readonly runtimeFile: string;
}

export const defaultRunDir = process.env['KEELSON_RUN_DIR'] || '/run/keelson';
export const defaultConfDir = '/etc/keelson';

export const runDir = (dir: string): RunDir => ({
  dir,
  apiSocket: join(dir, 'keelson.sock'),
  dataplaneSocket: join(dir, 'dataplane.sock'),
  pidFile: join(dir, 'keelson.pid'),
  runtimeFile: join(dir, 'runtime.json'),
});
