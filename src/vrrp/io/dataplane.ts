/**
 * The vrrp process's own connection to the data plane: leases, gratuitous ARP, events. Independent of
 * the controller. It reconnects by itself, and reports a data plane that does not answer as away
 * until it answers again.
 */
import type { Clock } from '../../kernel/driver.js';
import { after, type Millis } from '../../kernel/machine.js';
import {
  answersOf,
  batches,
  type LeaseAnswer,
  type LeaseMessage,
  type LeaseRequest,
} from '../lease-batch.js';
import {
  type DataplaneEvent,
  decodeFromDataplane,
  encodeGarp,
  encodeHello,
  encodeLease,
  encodePing,
  type LeaseState,
} from '../lease-codec.js';
import type { Vip } from '../messages.js';

const firstRetryMs = 50;
const lastRetryMs = 200;
const pingMs = 1000;

/** What the addon's seqpacket socket offers; a test has its own. */
export type ConnectSocket = (
  onMessage: (bytes: Uint8Array) => void,
  onClose: (code: string | null) => void,
) => { readonly send: (bytes: Uint8Array) => void; readonly close: () => void };

export interface DataplaneLinkOptions {
  readonly connect: ConnectSocket;
  readonly clock: Clock;
  readonly pid: number;
  /** How long an answer may take. */
  readonly patienceMs: () => number;
  readonly onUp: (bootId: string) => void;
  readonly onAway: (reason: string) => void;
  /** It is there and does not understand us: each reason once. */
  readonly onTrouble: (reason: string) => void;
  readonly onAnswer: (answer: LeaseAnswer) => void;
  readonly onEvent: (e: DataplaneEvent) => void;
}

export interface DataplaneLink {
  readonly leases: (requests: readonly LeaseRequest[]) => void;
  readonly garp: (vip: Vip, repeat: number) => void;
  /** Answers that were late. */
  readonly timeouts: () => number;
  readonly close: () => void;
}

/** A connection's request that waits for its answer; null: a ping. */
interface Waiting {
  readonly sentAt: Millis;
  readonly lease: LeaseMessage | null;
}

const because = (e: unknown): string => (e instanceof Error ? e.message : String(e));

export function dataplaneLink(o: DataplaneLinkOptions): DataplaneLink {
  const { clock } = o;
  let socket: ReturnType<ConnectSocket> | null = null;
  let bootId: string | null = null;
  let silent = false;
  let seq = 0;
  let helloSeq = 0;
  let timeouts = 0;
  let retryMs = firstRetryMs;
  let cancel: (() => void) | null = null;
  let closed = false;
  let trouble: string | null = null;
  const waiting = new Map<number, Waiting>();

  const wake = (ms: number, then: () => void): void => {
    cancel?.();
    cancel = clock.wakeAt(after(clock.now(), ms), then);
  };
  const nextSeq = (): number => {
    seq = (seq % 0x7fffffff) + 1;
    return seq;
  };

  const complain = (reason: string): void => {
    if (reason !== trouble) o.onTrouble(reason);
    trouble = reason;
  };
  const lost = (reason: string): void => {
    const was = bootId !== null && !silent;
    socket?.close();
    socket = null;
    bootId = null;
    silent = false;
    waiting.clear();
    if (was) o.onAway(reason);
    if (closed) return;
    wake(retryMs, connect);
    retryMs = Math.min(retryMs * 2, lastRetryMs);
  };
  const send = (bytes: Uint8Array): boolean => {
    if (socket === null) return false;
    try {
      socket.send(bytes);
      return true;
    } catch (e) {
      lost(`the connection to the data plane failed: ${because(e)}`);
      return false;
    }
  };
  const ask = (lease: LeaseMessage | null): void => {
    const n = nextSeq();
    const bytes =
      lease === null
        ? encodePing(n)
        : encodeLease(
            n,
            lease.ms,
            lease.parts.flatMap((p) => p.vips),
          );
    if (send(bytes)) waiting.set(n, { sentAt: clock.now(), lease });
  };

  /** Looks at the oldest question, and asks one when there is none. */
  const watch = (): void => {
    if (socket === null) return;
    const oldest = waiting.values().next().value;
    const patience = Math.min(pingMs, o.patienceMs());
    if (oldest === undefined) ask(null);
    else if (!silent && clock.now() - oldest.sentAt >= patience) {
      silent = true;
      timeouts += 1;
      if (bootId !== null)
        o.onAway(
          `the data plane has not answered for ${Math.round(clock.now() - oldest.sentAt)} ms`,
        );
    }
    if (socket !== null) wake(oldest === undefined ? pingMs : patience / 2, watch);
  };

  const answered = (n: number): LeaseMessage | null => {
    const found = waiting.get(n);
    waiting.delete(n);
    if (silent && bootId !== null && waiting.size === 0) {
      silent = false;
      o.onUp(bootId);
    }
    return found?.lease ?? null;
  };
  const pass = (asked: LeaseMessage | null, states: readonly LeaseState[]): void => {
    if (asked !== null) for (const a of answersOf(asked, states)) o.onAnswer(a);
  };
  const refused = (reason: string): void => {
    complain(reason);
    lost(reason);
  };
  const onMessage = (bytes: Uint8Array): void => {
    const m = decodeFromDataplane(bytes);
    if (typeof m === 'string') {
      refused(`the data plane's message cannot be read: ${m}`);
      return;
    }
    switch (m.type) {
      case 'helloAck':
        bootId = m.bootId;
        waiting.delete(m.seq);
        silent = false;
        retryMs = firstRetryMs;
        trouble = null;
        o.onUp(m.bootId);
        break;
      case 'lease':
        pass(answered(m.seq), m.states);
        break;
      case 'ack':
        if (m.seq === helloSeq && !m.ok) refused(`the data plane refuses us: ${m.reason}`);
        else pass(answered(m.seq), []);
        break;
      case 'event':
        o.onEvent(m.event);
        break;
      case 'other':
        break;
    }
  };

  function connect(): void {
    try {
      const opened: ReturnType<ConnectSocket> = o.connect(
        (bytes) => {
          if (opened === socket) onMessage(bytes);
        },
        (code) => {
          if (opened !== socket) return;
          const gone = code === null || code === 'ECONNRESET';
          lost(gone ? 'the data plane is gone' : `the connection to the data plane: ${code}`);
        },
      );
      socket = opened;
      helloSeq = nextSeq();
      if (!send(encodeHello(helloSeq, o.pid))) return;
      waiting.set(helloSeq, { sentAt: clock.now(), lease: null });
      wake(Math.min(pingMs, o.patienceMs()), watch);
    } catch (e) {
      lost(because(e));
    }
  }
  connect();

  return {
    // A data plane that is silent gets them too: a release must stand behind the last renewal.
    leases: (requests) => {
      if (socket === null) return;
      for (const m of batches(requests)) ask(m);
    },
    garp: (vip, repeat) => void send(encodeGarp(nextSeq(), vip, repeat)),
    timeouts: () => timeouts,
    close: () => {
      closed = true;
      cancel?.();
      socket?.close();
      socket = null;
    },
  };
}
