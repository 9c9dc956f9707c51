/** The supervisor's own connection to the data plane: hello, then a ping each second. */
import { closeSync } from 'node:fs';
import { decodeMessage, encodeHello, encodePing } from '../dataplane/codec.js';
import type { Addon, SeqpacketHandle } from '../kernel/io/addon.js';

const pingMs = 1000;
const retryMs = 200;

export interface PingOptions {
  readonly addon: Addon;
  readonly socketPath: string;
  /** Each answer; `pid` and `version` are the data plane's. */
  readonly onWord: (pid: number, version: string) => void;
}

/** Connects again until the answer is called. */
export const pingDataplane = (o: PingOptions): (() => void) => {
  let handle: SeqpacketHandle | null = null;
  let pid: number | null = null;
  let version = '';
  let seq = 0;
  let closed = false;
  let timer: NodeJS.Timeout | null = null;

  const later = (ms: number, work: () => void): void => {
    if (closed) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
  const lose = (): void => {
    handle?.close();
    handle = null;
    pid = null;
    later(retryMs, connect);
  };
  const send = (bytes: Uint8Array): void => {
    try {
      handle?.send(bytes);
    } catch {
      lose();
    }
  };
  const ping = (): void => {
    if (handle === null) return;
    later(pingMs, ping);
    seq = (seq % 0x7fffffff) + 1;
    send(encodePing(seq));
  };
  const onMessage = (bytes: Uint8Array, fd: number | null): void => {
    // The shared counters are of no use here.
    if (fd !== null) closeSync(fd);
    const m = decodeMessage(bytes);
    if (!m.ok) lose();
    else if (m.value.type === 'helloAck') {
      pid = m.value.body.pid;
      version = m.value.body.version;
      o.onWord(pid, version);
      later(pingMs, ping);
    } else if (pid !== null && m.value.type === 'ack') o.onWord(pid, version);
  };
  const connect = (): void => {
    try {
      const opened: SeqpacketHandle = o.addon.seqpacketConnect(
        o.socketPath,
        (bytes, fd) => {
          if (opened === handle) onMessage(bytes, fd);
          else if (fd !== null) closeSync(fd);
        },
        () => {
          if (opened === handle) lose();
        },
      );
      handle = opened;
      seq = (seq % 0x7fffffff) + 1;
      send(encodeHello(seq, process.pid, 'supervisor'));
    } catch {
      lose();
    }
  };
  connect();
  return () => {
    closed = true;
    if (timer !== null) clearTimeout(timer);
    handle?.close();
    handle = null;
  };
};
