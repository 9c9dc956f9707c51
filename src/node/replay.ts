/**
 * `keelson replay FILE`: replays a journal of any process without performing effects, and prints
 * what each machine decided (law 10). The journal holds the configuration files, so it is all that
 * a bug report needs.
 */
import { readFileSync } from 'node:fs';
import { type ReplayedInput, readJournal, replayLines } from '../kernel/journal.js';
import { encodeJson } from '../kernel/json.js';
import { allKinds } from './journal.js';

export type Decision = ReturnType<typeof replayLines> extends Generator<infer T> ? T : never;

/** Throws a JournalError that names the line where the text is no journal. */
export const replayJournal = (text: string): readonly Decision[] => [
  ...replayLines(readJournal(text), allKinds()),
];

const has = <K extends string>(o: unknown, key: K): o is Readonly<Record<K, unknown>> =>
  typeof o === 'object' && o !== null && key in o;

const sizeOf = (list: unknown): number => (Array.isArray(list) ? list.length : 0);

/** An effect in a few words: its type, and what tells it from others of its type. */
const brief = (e: unknown): string => {
  if (!has(e, 'type')) return '?';
  const type = String(e.type);
  if (has(e, 'snapshot') && has(e.snapshot, 'services') && has(e.snapshot, 'addresses'))
    return `${type} (${sizeOf(e.snapshot.services)} services, ${sizeOf(e.snapshot.addresses)} addresses)`;
  if (has(e, 'ops')) return `${type} (${sizeOf(e.ops)} operations)`;
  if (has(e, 'virtualServers')) return `${type} (${sizeOf(e.virtualServers)} virtual servers)`;
  if (has(e, 'instances')) return `${type} (${sizeOf(e.instances)} instances)`;
  if (has(e, 'msg')) return `${type} '${String(e.msg)}'`;
  const up = has(e, 'up') ? (e.up === true ? ' up' : ' down') : '';
  const rs = has(e, 'rs') && typeof e.rs === 'string' ? ` ${e.rs}` : '';
  return `${type}${rs}${up}${has(e, 'reason') ? `: ${String(e.reason)}` : ''}`;
};

const inputOf = (s: ReplayedInput): string => {
  const i: unknown = s.input;
  const message = has(i, 'message') && has(i.message, 'type') ? ` ${String(i.message.type)}` : '';
  return `${s.input.type}${message}`;
};

const seconds = (ms: number): string => (ms / 1000).toFixed(3).padStart(10);

const lineOf = (d: Decision, start: number): string => {
  if ('effects' in d)
    return `${seconds(d.at - start)}  ${d.unit}: ${inputOf(d)}  ${d.effects.map(brief).join('; ')}`;
  if (d.type === 'gap') return `${' '.repeat(10)}  ${d.lost} inputs are missing: ${d.reason}`;
  const began = new Date(d.wallMs).toISOString();
  return `${seconds(d.at - start)}  ${d.process} ${d.version}, at ${began}`;
};

/** Prints one line for each input; answers the exit code. */
export const replayFile = (file: string, json: boolean): number => {
  try {
    let start: number | null = null;
    for (const d of replayLines(readJournal(readFileSync(file, 'utf8')), allKinds())) {
      if (start === null && 'at' in d) start = d.at;
      const line = json ? encodeJson(d) : lineOf(d, start ?? 0);
      process.stdout.write(`${line}\n`);
    }
    return 0;
  } catch (e) {
    process.stderr.write(`keelson: ${file}: ${e instanceof Error ? e.message : String(e)}\n`);
    return 1;
  }
};
