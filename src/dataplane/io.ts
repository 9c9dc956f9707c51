/**
 * The data plane's client: runs the generation machine on the addon's socket, and carries the single requests (lease, gratuitous ARP,
 * sessions). Whoever uses it says what is wanted and hears what was acknowledged.
 */
import { type Clock, drive, type Entry } from '../kernel/driver.js';
import type { Addon, SeqpacketHandle } from '../kernel/io/addon.js';
import {
  decodeMessage,
  type Event,
  encodeGarp,
  encodeGeneration,
  encodeHello,
  encodeLease,
  encodeSessions,
  type HelloAck,
  type Message,
  type SessionRow,
} from './codec.js';
import { type Counters, readCounters } from './counters.js';
import { type Effect, generations, type Input, initial } from './generation.js';
import type { Snapshot } from './snapshot.js';

export interface DataplaneOptions {
  readonly addon: Addon;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly pid: number;
  readonly onUp: (hello: HelloAck) => void;
  readonly onAcked: (generation: number, snapshot: Snapshot) => void;
  readonly onRejected: (reason: string) => void;
  readonly onLost: (reason: string) => void;
  readonly onEvent: (e: Event) => void;
  readonly journal?: (entry: Entry<Input>) => void;
}

export interface Dataplane {
  readonly setDesired: (s: Snapshot) => void;
  /** Leased VIPs are answered for so many milliseconds from now. */
  readonly renewLease: (ms: number) => void;
  readonly garp: (device: string, address: string, repeat: number) => void;
  /** At most `limit` sessions over all workers; rejects when there is no connection or no answer. */
  readonly sessions: (limit: number) => Promise<readonly SessionRow[]>;
  /** null while there is no connection. */
  readonly counters: () => Counters | null;
  readonly close: () => void;
}

interface Waiting {
  readonly resolve: (m: Message) => void;
  readonly reject: (e: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const pageRows = 512;
const answerMs = 5000;
/** Answers to single requests nobody waits for. */
const unasked = 0;

export const connectDataplane = (o: DataplaneOptions): Dataplane => {
  let handle: SeqpacketHandle | null = null;
  let memory: Uint8Array | null = null;
  let workers = 0;
  let seq = 0;
  const waiting = new Map<number, Waiting>();

  const nextSeq = (): number => {
    seq = (seq % 0x7fffffff) + 1;
    return seq;
  };
  const drop = (reason: string): void => {
    handle?.close();
    handle = null;
    memory = null;
    for (const w of waiting.values()) {
      clearTimeout(w.timer);
      w.reject(new Error(reason));
    }
    waiting.clear();
  };
  const lost = (reason: string): void => {
    drop(reason);
    driver.feed({ type: 'disconnected', reason });
  };
  const send = (bytes: Uint8Array): boolean => {
    if (handle === null) return false;
    try {
      handle.send(bytes);
      return true;
    } catch (e) {
      lost(e instanceof Error ? e.message : String(e));
      return false;
    }
  };

  const onMessage = (from: SeqpacketHandle | null, bytes: Uint8Array, fd: number | null): void => {
    if (from !== handle) return;
    const m = decodeMessage(bytes);
    if (!m.ok) {
      lost(`an answer that is none: ${m.error.reason}`);
      return;
    }
    const w = waiting.get(m.value.seq);
    if (w !== undefined && m.value.seq !== unasked) {
      waiting.delete(m.value.seq);
      clearTimeout(w.timer);
      w.resolve(m.value);
      return;
    }
    switch (m.value.type) {
      case 'helloAck': {
        const hello = m.value.body;
        workers = hello.workers;
        if (fd !== null) memory = new Uint8Array(o.addon.mapReadOnly(fd, hello.shmSize));
        driver.feed({ type: 'connected', hello });
        break;
      }
      case 'ack':
        if (m.value.seq === commitSeq) driver.feed({ type: 'ack', ack: m.value.body });
        break;
      case 'event':
        o.onEvent(m.value.body);
        break;
      case 'sessions':
        break;
    }
  };
  const connect = (): void => {
    try {
      const opened: SeqpacketHandle = o.addon.seqpacketConnect(
        o.socketPath,
        (bytes, fd) => onMessage(opened, bytes, fd),
        (code) => {
          if (opened === handle) lost(code === null ? 'it closed the connection' : code);
        },
      );
      handle = opened;
      send(encodeHello(nextSeq(), o.pid, 'keelson'));
    } catch (e) {
      lost(e instanceof Error ? e.message : String(e));
    }
  };

  let commitSeq = -1;
  const perform = (e: Effect): void => {
    switch (e.type) {
      case 'connect':
        // Not inside a step: what fails at once is the next input.
        setImmediate(connect);
        break;
      case 'close':
        drop('closed');
        break;
      case 'commit':
        commitSeq = nextSeq();
        for (const bytes of encodeGeneration(commitSeq, e)) if (!send(bytes)) return;
        break;
      case 'up':
        o.onUp(e.hello);
        break;
      case 'acked':
        o.onAcked(Number(e.generation), e.snapshot);
        break;
      case 'rejected':
        o.onRejected(e.reason);
        break;
      case 'lost':
        o.onLost(e.reason);
        break;
    }
  };
  const driver = drive({
    machine: generations,
    initial: initial(o.clock.now()),
    clock: o.clock,
    perform,
    ...(o.journal === undefined ? {} : { journal: o.journal }),
  });

  const ask = (make: (seq: number) => Uint8Array): Promise<Message> =>
    new Promise((resolve, reject) => {
      if (handle === null) {
        reject(new Error('the data plane is not connected'));
        return;
      }
      const own = nextSeq();
      const timer = setTimeout(() => {
        waiting.delete(own);
        reject(new Error('the data plane does not answer'));
      }, answerMs);
      waiting.set(own, { resolve, reject, timer });
      send(make(own));
    });

  const sessionsOf = async (worker: number, limit: number): Promise<readonly SessionRow[]> => {
    const rows: SessionRow[] = [];
    for (let cursor: number | null = 0; cursor !== null && rows.length < limit; ) {
      const from: number = cursor;
      const max = Math.min(pageRows, limit - rows.length);
      const m = await ask((s) => encodeSessions(s, worker, from, max));
      if (m.type !== 'sessions') throw new Error('the data plane refused to list sessions');
      rows.push(...m.rows);
      cursor = m.next;
    }
    return rows;
  };

  return {
    setDesired: (snapshot) => driver.feed({ type: 'desired', snapshot }),
    renewLease: (ms) => void send(encodeLease(nextSeq(), ms)),
    garp: (device, address, repeat) => void send(encodeGarp(nextSeq(), device, address, repeat)),
    sessions: async (limit) => {
      const rows: SessionRow[] = [];
      for (let w = 0; w < workers && rows.length < limit; w++)
        rows.push(...(await sessionsOf(w, limit - rows.length)));
      return rows;
    },
    counters: () => (memory === null ? null : readCounters(memory)),
    close: () => {
      driver.stop();
      drop('closed');
    },
  };
};
