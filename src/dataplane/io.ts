/**
 * The data plane's client: runs the generation machine on the addon's socket and carries single
 * requests (leases, gratuitous ARP, sessions, tables). A caller sets the desired snapshot and is
 * called back with what was acknowledged, refused or lost.
 */
import { closeSync } from 'node:fs';
import { type Clock, drive } from '../kernel/driver.js';
import type { Addon, SeqpacketHandle } from '../kernel/io/addon.js';
import type { JournalHook } from '../kernel/journal.js';
import {
  type Ack,
  decodeMessage,
  type Event,
  encodeAbort,
  encodeGarp,
  encodeHello,
  encodeLease,
  encodeList,
  encodePing,
  encodeSessions,
  type Generation,
  generationMessages,
  type HelloAck,
  type LeaseAddress,
  type LeaseState,
  type ListKind,
  type ListRow,
  type Message,
  noOp,
  type SessionRow,
  status,
  statusNames,
} from './codec.js';
import {
  type Counters,
  type Overview,
  readCounters,
  readOverview,
  type ServerTable,
  serverTable,
} from './counters.js';
import { type Op, opsBetween } from './diff.js';
import { type Effect, generations, type Input, initial, type State } from './generation.js';
import type { Snapshot } from './snapshot.js';

export interface DataplaneOptions {
  readonly addon: Addon;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly pid: number;
  readonly onUp: (hello: HelloAck) => void;
  readonly onAcked: (generation: number, snapshot: Snapshot) => void;
  readonly onRejected: (reason: string, snapshot: Snapshot) => void;
  readonly onLost: (reason: string) => void;
  readonly onEvent: (e: Event) => void;
  readonly journal?: JournalHook<State, Input>;
}

export interface SessionPagesQuery {
  /** Rows of all pages together; absent: no limit. */
  readonly limit?: number;
  readonly wanted?: (r: SessionRow) => boolean;
}

export interface Dataplane {
  readonly setDesired: (s: Snapshot) => void;
  /** Leases of leased addresses (VIPs), in their order; rejects as `list` does. `ms` as in `encodeLease`. */
  readonly lease: (
    ms: number,
    addresses: readonly LeaseAddress[],
  ) => Promise<readonly LeaseState[]>;
  readonly garp: (device: string, address: string, repeat: number) => void;
  /**
   * Sessions of all workers, a page at a time, so that a caller never holds more than a page;
   * rejects when there is no connection or no answer.
   */
  readonly sessionPages: (query?: SessionPagesQuery) => AsyncIterable<readonly SessionRow[]>;
  /** At most `limit` sessions over all workers, of those that are `wanted`; rejects likewise. */
  readonly sessions: (
    limit: number,
    wanted?: (r: SessionRow) => boolean,
  ) => Promise<readonly SessionRow[]>;
  /** A whole table of layer 3; rejects likewise. */
  readonly list: (kind: ListKind) => Promise<readonly ListRow[]>;
  /** null while there is no connection. */
  readonly counters: () => Counters | null;
  /** Counters beside those of real servers; null while there is no connection. */
  readonly overview: () => Overview | null;
  /** Counters of real servers, one at a time; null while there is no connection. */
  readonly servers: () => ServerTable | null;
  readonly close: () => void;
}

interface Waiting {
  readonly resolve: (m: Message) => void;
  readonly reject: (e: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const pageRows = 512;
/** Messages of a generation in one turn of the loop; one has up to 64 KiB. */
const messagesAtOnce = 4;
const answerMs = 5000;
/** A worker that lists sessions for somebody else is asked again. */
const busyMs = 10;
const busyTries = 100;

/** The rows of `pages` that are wanted, up to the limit; no page more is asked for than it takes. */
async function* limited(
  pages: AsyncIterable<readonly SessionRow[]>,
  { limit = Number.POSITIVE_INFINITY, wanted = () => true }: SessionPagesQuery = {},
): AsyncGenerator<readonly SessionRow[]> {
  let left = limit;
  if (left <= 0) return;
  for await (const all of pages) {
    const rows = all.filter(wanted).slice(0, left);
    left -= rows.length;
    if (rows.length > 0) yield rows;
    if (left <= 0) return;
  }
}

const because = (e: unknown): string => (e instanceof Error ? e.message : String(e));
const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

export const connectDataplane = (o: DataplaneOptions): Dataplane => {
  let handle: SeqpacketHandle | null = null;
  let memory: Uint8Array | null = null;
  let workers = 0;
  let seq = 0;
  /** Of the message of each kind that was sent last. */
  let helloSeq = 0;
  let commitSeq = 0;
  let pingSeq = 0;
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
      lost(because(e));
      return false;
    }
  };

  const onHello = (hello: HelloAck, fd: number | null): void => {
    try {
      if (fd !== null) memory = new Uint8Array(o.addon.mapReadOnly(fd, hello.shmSize));
    } catch (e) {
      lost(`the shared counters: ${because(e)}`);
      return;
    }
    workers = hello.workers;
    driver.feed({ type: 'connected', hello });
  };
  const onAck = (n: number, ack: Ack): void => {
    if (n === commitSeq) driver.feed({ type: 'ack', ack });
    else if (n === pingSeq) driver.feed({ type: 'pong' });
    else if (n === helloSeq) lost(`it refuses us: ${ack.reason}`);
  };
  const route = (m: Message, fd: number | null): void => {
    const w = waiting.get(m.seq);
    if (w !== undefined) {
      waiting.delete(m.seq);
      clearTimeout(w.timer);
      w.resolve(m);
    } else if (m.type === 'helloAck') onHello(m.body, fd);
    else if (m.type === 'ack') onAck(m.seq, m.body);
    else if (m.type === 'event') o.onEvent(m.body);
  };
  const onMessage = (from: SeqpacketHandle, bytes: Uint8Array, fd: number | null): void => {
    const m = from === handle ? decodeMessage(bytes) : null;
    // Descriptors come with HELLO_ACK alone.
    if (fd !== null && !(m?.ok && m.value.type === 'helloAck')) closeSync(fd);
    if (m === null) return;
    if (m.ok) route(m.value, fd);
    else lost(`an answer that is none: ${m.error.reason}`);
  };
  const connect = (): void => {
    try {
      const opened: SeqpacketHandle = o.addon.seqpacketConnect(
        o.socketPath,
        (bytes, fd) => onMessage(opened, bytes, fd),
        (code) => {
          // ECONNRESET: it did so with messages of ours unread.
          const closed = code === null || code === 'ECONNRESET';
          if (opened === handle) lost(closed ? 'it closed the connection' : code);
        },
      );
      handle = opened;
      helloSeq = nextSeq();
      send(encodeHello(helloSeq, o.pid, 'controller'));
    } catch (e) {
      lost(because(e));
    }
  };

  /** What cannot even be written is refused as the data plane would. */
  const unwritable = (g: Generation, error: unknown): void => {
    commitSeq = 0;
    send(encodeAbort(nextSeq()));
    const generation = g.generation - 1n;
    const reason = because(error);
    driver.feed({
      type: 'ack',
      ack: { generation, status: status.invalid, opIndex: noOp, reason },
    });
  };
  /** True when all were sent; false when there are more, or the connection is gone. */
  const sendSome = (messages: Iterator<Uint8Array>): boolean => {
    for (let n = 0; n < messagesAtOnce; n++) {
      const next = messages.next();
      if (next.done === true) return true;
      if (!send(next.value)) return false;
    }
    return false;
  };
  /** A large generation is sent in pieces, so that this loop goes on between them. */
  const commit = (e: Extract<Effect, { readonly type: 'commit' }>): void => {
    commitSeq = nextSeq();
    const own = commitSeq;
    const connection = handle;
    let ops = 0;
    const counted = function* (): Generator<Op> {
      for (const op of opsBetween(e.from, e.to)) {
        ops += 1;
        yield op;
      }
    };
    const messages = generationMessages(own, e, counted());
    const piece = (): void => {
      if (handle !== connection || commitSeq !== own) return;
      try {
        if (sendSome(messages)) driver.feed({ type: 'sent', ops });
        else setImmediate(piece);
      } catch (error) {
        unwritable(e, error);
      }
    };
    piece();
  };
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
        commit(e);
        break;
      case 'ping':
        pingSeq = nextSeq();
        send(encodePing(pingSeq));
        break;
      case 'up':
        o.onUp(e.hello);
        break;
      case 'acked':
        o.onAcked(Number(e.generation), e.snapshot);
        break;
      case 'rejected':
        o.onRejected(e.reason, e.snapshot);
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

  const page = async (worker: number, cursor: number, max: number) => {
    for (let i = 0; i < busyTries; i++) {
      const m = await ask((n) => encodeSessions(n, worker, cursor, max));
      const refused = m.type === 'sessions' ? m.status : status.malformed;
      if (m.type === 'sessions' && refused === status.ok) return m;
      if (refused !== status.busy)
        throw new Error(`sessions of worker ${worker}: ${statusNames[refused]}`);
      await pause(busyMs);
    }
    throw new Error(`sessions of worker ${worker}: ${statusNames[status.busy]}`);
  };
  async function* allPages(): AsyncGenerator<readonly SessionRow[]> {
    if (handle === null) throw new Error('the data plane is not connected');
    for (let worker = 0; worker < workers; worker++)
      for (let cursor: number | null = 0; cursor !== null; ) {
        const m = await page(worker, cursor, pageRows);
        cursor = m.next;
        yield m.rows;
      }
  }
  const listOf = async (kind: ListKind): Promise<readonly ListRow[]> => {
    const rows: ListRow[] = [];
    for (let cursor: number | null = 0; cursor !== null; ) {
      const from: number = cursor;
      const m: Message = await ask((n) => encodeList(n, kind, from, pageRows));
      if (m.type !== 'list' || m.status !== status.ok) {
        const why = m.type === 'list' ? statusNames[m.status] : 'another answer';
        throw new Error(`the data plane does not list ${kind}: ${why}`);
      }
      for (const row of m.rows) rows.push(row);
      cursor = m.next;
    }
    return rows;
  };
  const leaseOf = async (
    ms: number,
    addresses: readonly LeaseAddress[],
  ): Promise<readonly LeaseState[]> => {
    const m = await ask((n) => encodeLease(n, ms, addresses));
    if (m.type === 'lease' && m.status === status.ok) return m.states;
    const why = m.type === 'lease' ? statusNames[m.status] : 'another answer';
    throw new Error(`the data plane refuses the lease: ${why}`);
  };

  return {
    setDesired: (snapshot) => driver.feed({ type: 'desired', snapshot }),
    lease: leaseOf,
    garp: (device, address, repeat) => void send(encodeGarp(nextSeq(), device, address, repeat)),
    sessionPages: (query) => limited(allPages(), query),
    sessions: async (limit, wanted) => {
      const rows: SessionRow[] = [];
      const query = wanted === undefined ? { limit } : { limit, wanted };
      for await (const page of limited(allPages(), query)) for (const row of page) rows.push(row);
      return rows;
    },
    list: listOf,
    counters: () => (memory === null ? null : readCounters(memory)),
    overview: () => (memory === null ? null : readOverview(memory)),
    servers: () => (memory === null ? null : serverTable(memory)),
    close: () => {
      driver.stop();
      drop('closed');
    },
  };
};
