/** What the supervisor and the controller say to each other over the fork's channel. */
import type { LogOptions } from '../kernel/io/logger.js';

export interface ControllerOptions {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  readonly runDir: string;
  readonly log: LogOptions;
}

export type ToController = { readonly type: 'reload' | 'stop' };
export type FromController =
  /** The data plane has answered: from now on its death is no failed start. */
  { readonly type: 'dataplaneUp' } | { readonly type: 'heartbeat' };
