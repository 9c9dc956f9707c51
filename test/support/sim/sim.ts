/** keelson-sim over its stream of records: frames and virtual time in, the fate of each frame out. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { diff } from '../../../src/dataplane/diff.js';
import { encodeOp } from '../../../src/dataplane/ops.js';
import { emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { spawnProgram } from '../programs/programs.js';

export const simulator = fileURLToPath(
  new URL('../../../../build/native/sim/keelson-sim', import.meta.url),
);

export interface SimOptions {
  /** MAC by device; their order is the order of the ports. */
  readonly ports: Readonly<Record<string, string>>;
  /** `DEV=ADDRESS/LENGTH` of the kernel's interfaces. */
  readonly addresses: readonly string[];
  readonly workers: number;
  readonly seed: number;
  /** All ports spread packets by receive-side scaling with that key. */
  readonly rssKey?: Uint8Array;
}

export interface Outcome {
  readonly fate: 'tx' | 'kni' | 'drop' | 'ack' | 'refused' | 'counter';
  readonly device: string;
  readonly worker: number;
  readonly reason: number;
  /** Virtual milliseconds; the value of a counter. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface Sim {
  /** Ops from the snapshot before to this one; an error when it is refused. */
  readonly apply: (s: Snapshot) => Promise<void>;
  readonly frame: (
    device: string,
    frame: Uint8Array,
    worker?: number,
  ) => Promise<readonly Outcome[]>;
  readonly advance: (ms: number) => Promise<readonly Outcome[]>;
  /** Drops by their names. */
  readonly drops: () => Promise<Readonly<Record<string, number>>>;
  readonly close: () => Promise<void>;
}

const fates: Readonly<Record<number, Outcome['fate'] | 'done'>> = {
  16: 'tx',
  17: 'kni',
  18: 'drop',
  19: 'ack',
  20: 'refused',
  21: 'counter',
  22: 'done',
};
const headSize = 16;

/** Splits standard output into records and gives those up to each DONE to who waits for them. */
const reading = (child: ChildProcess, devices: readonly string[]) => {
  const waiting: ((o: readonly Outcome[]) => void)[] = [];
  let buffer = Buffer.alloc(0);
  let current: Outcome[] = [];
  const record = (b: Buffer): void => {
    const fate = fates[b.readUInt8(4)];
    if (fate === undefined) throw new Error(`keelson-sim sent a record of type ${b.readUInt8(4)}`);
    if (fate === 'done') {
      waiting.shift()?.(current);
      current = [];
      return;
    }
    current.push({
      fate,
      device: devices[b.readUInt8(5)] ?? '',
      worker: b.readUInt8(6),
      reason: b.readUInt8(7),
      at: Number(b.readBigUInt64LE(8)),
      bytes: Uint8Array.from(b.subarray(headSize)),
    });
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= headSize && buffer.length >= headSize + buffer.readUInt32LE(0)) {
      const size = headSize + buffer.readUInt32LE(0);
      record(buffer.subarray(0, size));
      buffer = buffer.subarray(size);
    }
  });
  return (): Promise<readonly Outcome[]> => new Promise((resolve) => waiting.push(resolve));
};

export function startSim(o: SimOptions): Sim {
  const devices = Object.keys(o.ports);
  const argv = [
    '--stream',
    ...Object.entries(o.ports).map(([device, mac]) => `--port=${device}=${mac}`),
    ...o.addresses.map((a) => `--address=${a}`),
    `--workers=${o.workers}`,
    `--seed=${o.seed}`,
    ...(o.rssKey === undefined ? [] : [`--rss=${Buffer.from(o.rssKey).toString('hex')}`]),
  ];
  const child = spawnProgram([simulator, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
  const next = reading(child, devices);
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`keelson-sim ended with ${code}`);
    return [] as readonly Outcome[];
  });
  let before = emptySnapshot;
  let now = 0;

  const ask = (type: number, port: number, worker: number, at: number, body: Uint8Array) => {
    const head = Buffer.alloc(headSize);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt8(type, 4);
    head.writeUInt8(port, 5);
    head.writeUInt8(worker, 6);
    head.writeBigUInt64LE(BigInt(at), 8);
    const answer = next();
    child.stdin?.write(Buffer.concat([head, body]));
    return Promise.race([answer, ended]);
  };

  return {
    apply: async (s) => {
      const ops = Buffer.concat(diff(before, s).map(encodeOp));
      // what the new generation asks its neighbours may come first
      const answers = await ask(1, 0, 0, 0, ops);
      const refused = answers.find((o) => o.fate === 'refused');
      if (refused !== undefined || !answers.some((o) => o.fate === 'ack'))
        throw new Error(`refused: ${new TextDecoder().decode(refused?.bytes)}`);
      before = s;
    },
    frame: (device, frame, worker = 0) => ask(3, devices.indexOf(device), worker, 0, frame),
    advance: (ms) => {
      now += ms;
      return ask(4, 0, 0, now, new Uint8Array(0));
    },
    drops: async () => {
      const counters = await ask(5, 0, 0, 0, new Uint8Array(0));
      return Object.fromEntries(counters.map((c) => [new TextDecoder().decode(c.bytes), c.at]));
    },
    close: async () => {
      child.stdin?.end();
      await ended;
    },
  };
}
