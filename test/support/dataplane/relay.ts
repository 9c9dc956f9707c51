/** A SEQPACKET server for tests: relay.py in front, so that what the server says is decided in the test. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnProgram } from '../programs/programs.js';

export interface Relay {
  readonly path: string;
  readonly send: (message: Uint8Array) => void;
  /** With a memory file of these contents as SCM_RIGHTS. */
  readonly sendWithMemory: (message: Uint8Array, contents: Uint8Array) => void;
  readonly drop: () => void;
  /** Stops reading, so the client's messages pile up; or reads again. */
  readonly read: (on: boolean) => void;
  readonly close: () => Promise<void>;
}

export interface RelayEvents {
  readonly onClient: () => void;
  readonly onMessage: (message: Uint8Array) => void;
  readonly onGone: () => void;
}

const script = join(process.cwd(), 'test/support/dataplane/relay.py');

const piece = (kind: string, data: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.write(kind, 0, 'latin1');
  head.writeUInt32LE(data.byteLength, 1);
  return Buffer.concat([head, data]);
};

/** Splits the child's output into pieces. */
const pieces = (child: ChildProcess, use: (kind: string, data: Uint8Array) => void): void => {
  let rest: Buffer = Buffer.alloc(0);
  child.stdout?.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32LE(1)) {
      const end = 5 + rest.readUInt32LE(1);
      use(rest.toString('latin1', 0, 1), new Uint8Array(rest.subarray(5, end)));
      rest = rest.subarray(end);
    }
  });
};

/** Listens when it resolves; `path`, when given, is taken over from an earlier relay: there is no moment without a socket of that name. */
export const startRelay = async (events: RelayEvents, path?: string): Promise<Relay> => {
  const dir = path === undefined ? await mkdtemp(join(tmpdir(), 'keelson-relay-')) : null;
  const socket = path ?? join(dir ?? '', 'dataplane.sock');
  const child = spawnProgram(['python3', script, socket], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const say = (kind: string, data: Uint8Array = new Uint8Array()): void => {
    child.stdin?.write(piece(kind, data));
  };
  const tell = (kind: string, data: Uint8Array): void => {
    if (kind === 'a') events.onClient();
    else if (kind === 'm') events.onMessage(data);
    else if (kind === 'e') events.onGone();
  };
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the relay ended')));
    pieces(child, (kind, data) => {
      if (kind === 'l') resolve();
      // Not before the caller holds what this function resolves with.
      else setImmediate(tell, kind, data);
    });
  });
  return {
    path: socket,
    send: (message) => say('m', message),
    sendWithMemory: (message, contents) => {
      say('c', contents);
      say('f', message);
    },
    drop: () => say('x'),
    read: (on) => say(on ? 'r' : 'p'),
    close: async () => {
      child.stdin?.end();
      child.kill();
      await ended;
      if (dir !== null) await rm(dir, { recursive: true, force: true });
    },
  };
};
