/**
 * `keelson replay FILE`: lives a controller's journal again and prints what was decided, without touching anything (law 10). The journal holds the
 * configuration files, so it is all that a bug report needs.
 */
import { readFileSync } from 'node:fs';
import type { Effect } from '../cluster/diff.js';
import { type ClusterInput, cluster, initialState, type State } from '../cluster/machine.js';
import type { Config, Source } from '../config/config.js';
import { loadConfig } from '../config/load.js';
import { millis } from '../kernel/machine.js';

interface Header {
  readonly keepalivedPath: string;
  readonly dpvsPath: string;
  readonly hostName: string;
  readonly files: Readonly<Record<string, string>>;
}

interface Line {
  readonly at: number;
  readonly input: { readonly type: string } & Readonly<Record<string, unknown>>;
}

/** What one input led to. */
export interface Decision {
  readonly at: number;
  readonly input: string;
  readonly effects: readonly Effect[];
}

const configFrom = (h: Header): Config => {
  const source: Source = {
    read: (path) => {
      const text = h.files[path];
      return text === undefined ? { ok: false, error: 'not in the journal' } : { ok: true, text };
    },
    // An included file was read when its pattern matched: what the journal has is what was there.
    glob: (pattern) => {
      const tail = pattern.replace(/^(\.\.?\/)+/, '').replace(/[.+^$()|\\]/g, '\\$&');
      const match = new RegExp(`${tail.replace(/\*/g, '[^/]*').replace(/\?/g, '.')}$`);
      return Object.keys(h.files)
        .filter((f) => match.test(f))
        .sort();
    },
  };
  const { config } = loadConfig(source, h);
  if (config === null) throw new Error('the configuration in the journal has errors');
  return config;
};

const decode = ({ input }: Line, config: Config): ClusterInput =>
  input.type === 'config' ? { type: 'config', config } : (input as unknown as ClusterInput);

/** One line, or null for a last line that a crash cut off. */
const parseLine = (raw: string, number: number, isLast: boolean): Header | Line | null => {
  try {
    return JSON.parse(raw) as Header | Line;
  } catch {
    if (isLast) return null;
    throw new Error(`line ${number} is not JSON`);
  }
};

/** Throws with the line's number on a journal that is none. */
export const replayJournal = (text: string): readonly Decision[] => {
  const lines = text.split('\n').filter((l) => l !== '');
  const decisions: Decision[] = [];
  let config: Config | null = null;
  let state: State | null = null;
  const live = (line: Line, c: Config, s: State): State => {
    const [next, effects] = cluster.step(s, decode(line, c), millis(line.at));
    decisions.push({ at: line.at, input: line.input.type, effects });
    return next;
  };
  for (const [i, raw] of lines.entries()) {
    const line = parseLine(raw, i + 1, i === lines.length - 1);
    if (line === null) break;
    if ('files' in line) {
      config = configFrom(line);
      state ??= initialState(config);
    } else if (config === null || state === null)
      throw new Error('the journal does not begin with its configuration');
    else state = live(line, config, state);
  }
  return decisions;
};

const brief = (e: Effect): string => {
  switch (e.type) {
    case 'setDesired':
      return `setDesired (${e.snapshot.services.length} services, ${e.snapshot.addresses.length} addresses)`;
    case 'serviceable':
      return `serviceable ${e.instances
        .map((i) => `${i.id} ${i.ok ? 'yes' : 'no'}: ${i.reason}`)
        .join(', ')}`;
    case 'configureHealth':
      return `configureHealth ${e.virtualServers.length}`;
    case 'configureVrrp':
      return `configureVrrp ${e.instances.length}`;
    case 'takenBack':
      return `takenBack: ${e.reason}`;
    default:
      return e.type;
  }
};

/** Prints one line an input; resolves with the exit code. */
export const replayFile = (file: string, json: boolean): number => {
  try {
    const decisions = replayJournal(readFileSync(file, 'utf8'));
    const start = decisions[0]?.at ?? 0;
    for (const d of decisions)
      process.stdout.write(
        json
          ? `${JSON.stringify(d)}\n`
          : `${((d.at - start) / 1000).toFixed(3).padStart(10)}  ${d.input.padEnd(18)} ${d.effects.map(brief).join('; ')}\n`,
      );
    return 0;
  } catch (e) {
    process.stderr.write(`keelson: ${file}: ${e instanceof Error ? e.message : String(e)}\n`);
    return 1;
  }
};
