/** Load from a host: the client process, and its answers as they come. */
import { fileURLToPath } from 'node:url';
import type { Answer } from './answers.js';
import type { Lab } from './lab.js';

const client = fileURLToPath(new URL('./client.js', import.meta.url));

export interface LoadOptions {
  readonly address: string;
  readonly port: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** 0: until it is stopped. */
  readonly count: number;
}

export interface Load {
  /** Everything until now. */
  readonly answers: () => readonly Answer[];
  /** The end of a load with a count. */
  readonly done: Promise<void>;
  /** Begins no more requests, waits for those that are open. */
  readonly stop: () => Promise<void>;
}

export const wallClock = (): number => performance.timeOrigin + performance.now();

export function startLoad(lab: Lab, host: string, o: LoadOptions): Load {
  const numbers = [o.port, o.everyMs, o.timeoutMs, o.count].map(String);
  const argv = [process.execPath, client, o.address, ...numbers];
  const program = lab.start(host, 'load', argv);
  const answers: Answer[] = [];
  let read = 0;
  const readNew = (): readonly Answer[] => {
    const text = program.output();
    const end = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(read, end).split('\n'))
      if (line.startsWith('{')) answers.push(JSON.parse(line) as Answer);
    read = Math.max(read, end);
    return answers;
  };
  return {
    answers: readNew,
    done: program.ended,
    stop: () => program.end('SIGTERM'),
  };
}
