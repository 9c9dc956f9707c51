/**
 * Law 10 on disk: every input of the cluster machine with its time, one JSON line each, and the configuration files as they were read. Two files
 * are kept, the older is dropped when the newer is full, so a journal never fills a disk. `keelson replay FILE` lives it again.
 */
import { createWriteStream, renameSync, type WriteStream } from 'node:fs';
import type { ClusterInput } from '../cluster/machine.js';
import type { ConfigPaths } from '../config/config.js';
import type { Entry } from '../kernel/driver.js';

const largestBytes = 8 << 20;

export interface Journal {
  readonly write: (e: Entry<ClusterInput>) => void;
  /** The files the next `config` input was read from. */
  readonly files: (from: ReadFrom) => void;
  readonly close: () => void;
}

/** Configurations are named by their files. */
const encodeInput = (input: Entry<ClusterInput>['input']): unknown =>
  input.type === 'config' ? { type: 'config' } : input;

/** Counters change nothing and would fill the journal. */
const isNoise = (input: Entry<ClusterInput>['input']): boolean =>
  (input.type === 'vrrp' || input.type === 'healthcheck') && input.message.type === 'counters';

/** The files a configuration was read from, and how. */
export interface ReadFrom extends ConfigPaths {
  readonly files: ReadonlyMap<string, string>;
}

const header = (r: ReadFrom): unknown => ({
  keepalivedPath: r.keepalivedPath,
  dpvsPath: r.dpvsPath,
  hostName: r.hostName,
  files: Object.fromEntries(r.files),
});

export const openJournal = (path: string, first: ReadFrom): Journal => {
  let stream: WriteStream;
  let size = 0;
  let files = first;
  const line = (value: unknown): void => {
    const text = `${JSON.stringify(value)}\n`;
    size += text.length;
    stream.write(text);
  };
  const open = (): void => {
    stream = createWriteStream(path, { flags: 'w', mode: 0o600 });
    stream.on('error', () => undefined);
    size = 0;
    line(header(files));
  };
  /** What a life before us wrote may be the report of why it ended. */
  const keepOld = (): void => {
    try {
      renameSync(path, `${path}.1`);
    } catch {
      // nothing to keep
    }
  };
  const rotate = (): void => {
    stream.end();
    keepOld();
    open();
  };
  keepOld();
  open();
  return {
    write: ({ at, input }) => {
      if (isNoise(input)) return;
      if (size > largestBytes) rotate();
      line({ at, input: encodeInput(input) });
    },
    files: (next) => {
      files = next;
      line(header(next));
    },
    close: () => stream.end(),
  };
};
