/** Both files of a node together. */
import type { Diagnostic } from './diagnostics.js';
import type { DpvsConfig } from './dpvs/types.js';
import type { KeepalivedConfig } from './keepalived/types.js';

export interface Config {
  readonly keepalived: KeepalivedConfig;
  readonly dpvs: DpvsConfig;
}

/** Where text comes from; src/config/io.ts reads the file system, a test reads a map. */
export interface Source {
  readonly read: (
    path: string,
  ) =>
    | { readonly ok: true; readonly text: string }
    | { readonly ok: false; readonly error: string };
  /**
   * What matches, sorted; relative patterns start at `dir`. Only patterns that glob.ts finds well
   * formed are asked for.
   */
  readonly glob: (pattern: string, dir: string) => readonly string[] | { readonly error: string };
}

export interface ConfigPaths {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  /** Default of router_id and of the config id of `@name` lines. */
  readonly hostName: string;
}

export interface LoadedConfig {
  /** null when there is an error: whatever runs goes on as it was. */
  readonly config: Config | null;
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was read, for carets. */
  readonly files: ReadonlyMap<string, string>;
}
