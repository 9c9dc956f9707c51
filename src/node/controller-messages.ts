/** What the supervisor and the controller tell each other beside src/kernel/process.ts. */
import type { ProcessView } from '../api/views.js';

/** Where the configuration is; KEELSON_CONTROLLER (JSON) in the controller's environment. */
export interface ControllerOptions {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
}

/** The state of every process of the node; sent at each connection and at each change. */
export interface ProcessesMessage {
  readonly type: 'processes';
  readonly processes: readonly ProcessView[];
}
