/**
 * What commands have set, kept over a restart of the controller: `runtime.json` has a whole state as
 * the commands that make it, `runtime.json.log` the transactions since, one a line. A transaction is
 * appended, so it costs what it has and not what there is. Each line has a number; those that the
 * whole state has already are skipped, so a stop between the two files does no harm.
 */
import { renameSync, rmSync } from 'node:fs';
import { applyAgain } from '../cluster/runtime/apply.js';
import { commandsOf } from '../cluster/runtime/commands.js';
import { emptyRuntime, type Runtime } from '../cluster/runtime/types.js';
import type { Config } from '../config/config.js';
import { appendAt, type FileSystem, readPlain, writeWhole } from '../kernel/io/files.js';

const version = 1;
/** A log that is larger is replaced by a whole state. */
const largestLog = 1 << 20;

interface Whole {
  readonly version: number;
  /** Number of the newest transaction in it. */
  readonly serial?: number;
  readonly commands: readonly unknown[];
}

interface Line {
  readonly serial: number;
  readonly commands: readonly unknown[];
}

export interface RuntimeStore {
  /**
   * What a controller before us left; nothing when there was none. Commands that do not fit any more
   * are reported and left out; a file that cannot be read is set aside.
   */
  readonly load: (config: Config, report: (problem: string) => void) => Runtime;
  /** Throws when it cannot be written; what was kept before is then as it was. */
  readonly keep: (runtime: Runtime, commands: readonly unknown[]) => void;
}

/**
 * Without what the files own: what was set before they had it is kept, and comes back when they no
 * longer have it.
 */
const ownerless = (config: Config): Config => ({
  ...config,
  keepalived: {
    ...config.keepalived,
    globalDefs: {
      ...config.keepalived.globalDefs,
      lvsTimeouts: { tcpMs: null, tcpFinMs: null, udpMs: null },
    },
    vrrpInstances: [],
    localAddressGroups: [],
    virtualServers: [],
  },
});

const isList = (x: unknown): x is readonly unknown[] => Array.isArray(x);

const parseWhole = (text: string): Whole => {
  const kept = JSON.parse(text) as Partial<Whole>;
  if (kept.version !== version || !isList(kept.commands))
    throw new Error(`version ${version} with commands was expected`);
  return { version, serial: kept.serial ?? 0, commands: kept.commands };
};

/** A last line without an end was never reported as done. */
const parseLog = (text: string): { readonly lines: readonly Line[]; readonly size: number } => {
  const end = text.lastIndexOf('\n') + 1;
  const lines = text
    .slice(0, end)
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => {
      const { serial, commands } = JSON.parse(l) as Partial<Line>;
      if (typeof serial !== 'number' || !isList(commands))
        throw new Error('a line with a serial and commands was expected');
      return { serial, commands };
    });
  return { lines, size: Buffer.byteLength(text.slice(0, end)) };
};

export const runtimeStore = (path: string, f?: FileSystem): RuntimeStore => {
  const log = `${path}.log`;
  let serial = 0;
  /** Bytes of the log that count; null: the next transaction writes the whole state. */
  let logSize: number | null = null;

  /** What `file` has; null where it is not there, or was set aside. */
  const read = <T>(file: string, parse: (text: string) => T, report: (p: string) => void) => {
    try {
      const text = readPlain(file, f);
      return text === null ? null : parse(text);
    } catch (e) {
      report(`${file} cannot be read (${String(e)}); it is kept as ${file}.bad`);
      renameSync(file, `${file}.bad`);
      return null;
    }
  };

  const load: RuntimeStore['load'] = (config, report) => {
    const left = (command: unknown, reason: string): void =>
      report(`${JSON.stringify(command)}: ${reason}`);
    const files = ownerless(config);
    const whole = read(path, parseWhole, report);
    const since = read(log, parseLog, report);
    serial = whole?.serial ?? 0;
    let runtime = whole === null ? emptyRuntime : applyAgain(files, whole.commands, left);
    for (const line of since?.lines ?? []) {
      if (line.serial <= serial) continue;
      runtime = applyAgain(files, line.commands, left, runtime);
      serial = line.serial;
    }
    logSize = whole === null ? null : (since?.size ?? 0);
    return runtime;
  };

  const keepWhole = (runtime: Runtime): void => {
    const kept: Whole = { version, serial: serial + 1, commands: commandsOf(runtime) };
    writeWhole(path, `${JSON.stringify(kept)}\n`, 0o600, f);
    logSize = 0;
    rmSync(log, { force: true });
  };
  const keep: RuntimeStore['keep'] = (runtime, commands) => {
    const line: Line = { serial: serial + 1, commands };
    const text = `${JSON.stringify(line)}\n`;
    if (logSize === null || logSize + text.length > largestLog) keepWhole(runtime);
    else logSize = appendAt(log, logSize, text, f);
    serial += 1;
  };
  return { load, keep };
};
