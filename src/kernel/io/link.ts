/**
 * Links between Keelson's processes: messages over a unix stream socket (src/kernel/frames.ts).
 *
 * A link may break at any time: the peer died, was replaced or hangs. Nothing is queued for a peer
 * that is not there. Whoever connects again tells and learns whole levels, so a lost message never
 * leaves two processes with different beliefs.
 */
import { chmodSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { encodeFrame, frameReader } from '../frames.js';

/** One message; a configuration of 10,000 virtual servers x 10 takes about 40 MB. */
const maxMessageBytes = 256 << 20;
/** A peer that does not read this much is given up; it is briefed anew when it connects again. */
const maxWaitingBytes = 512 << 20;
const firstRetryMs = 20;
const lastRetryMs = 500;

export interface LinkEnd<Out> {
  /** False when the message cannot be delivered because there is no connection. */
  readonly send: (message: Out) => boolean;
  readonly close: () => void;
}

interface Handlers<In> {
  readonly onMessage: (message: In) => void;
  /** Once; `null` when this side closed it. */
  readonly onClose: (reason: string | null) => void;
}

/** Every message is an object that names its type. */
const isMessage = (m: unknown): boolean =>
  typeof m === 'object' && m !== null && 'type' in m && typeof m.type === 'string';

const attach = <In, Out>(
  socket: Socket,
  handlers: Handlers<In>,
  maxBytes: number,
): LinkEnd<Out> => {
  const reader = frameReader(maxBytes);
  let open = true;
  const end = (reason: string | null): void => {
    if (!open) return;
    open = false;
    socket.destroy();
    handlers.onClose(reason);
  };
  // What a peer sends may end its connection, never this process.
  const hand = (m: In): void => {
    try {
      handlers.onMessage(m);
    } catch (e) {
      end(`a message of the peer cannot be taken: ${e instanceof Error ? e.stack : String(e)}`);
    }
  };
  socket.on('data', (chunk: Uint8Array) => {
    const read = reader.push(chunk);
    if (!read.ok) {
      end(`the peer sent ${read.error.why}`);
      return;
    }
    for (const m of read.value) {
      if (!open) return;
      if (isMessage(m)) hand(m as In);
      else end('the peer sent something that is no message');
    }
  });
  socket.on('error', (e) => end(e.message));
  socket.on('close', () => end('the peer closed the connection'));
  return {
    send: (message) => {
      if (!open) return false;
      socket.write(encodeFrame(message));
      if (socket.writableLength <= maxWaitingBytes) return true;
      end(`the peer does not read (${socket.writableLength} bytes wait)`);
      return false;
    },
    close: () => end(null),
  };
};

export interface ListenOptions<In, Out> {
  readonly path: string;
  readonly maxMessageBytes?: number;
  /** Called for each connection; the answer receives what the peer sends. */
  readonly onPeer: (peer: LinkEnd<Out>) => Handlers<In>;
  readonly onError: (reason: string) => void;
}

/** Listens; rejects with the system's error, EADDRINUSE when the path exists. */
export const listenLink = <In, Out>(o: ListenOptions<In, Out>): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      let handlers: Handlers<In> | null = null;
      const peer = attach<In, Out>(
        socket,
        {
          onMessage: (m) => handlers?.onMessage(m),
          onClose: (reason) => handlers?.onClose(reason),
        },
        o.maxMessageBytes ?? maxMessageBytes,
      );
      handlers = o.onPeer(peer);
    });
    server.once('error', reject);
    // The socket is made by this call, so nobody else can ever connect to it. Worker threads may
    // not set the umask.
    const before = isMainThread ? process.umask(0o177) : null;
    server.listen(o.path, () => {
      if (!isMainThread) chmodSync(o.path, 0o600);
      server.off('error', reject);
      server.on('error', (e) => o.onError(e.message));
      resolve(server);
    });
    if (before !== null) process.umask(before);
  });

export interface ConnectOptions<In, Out> {
  readonly path: string;
  readonly maxMessageBytes?: number;
  /** Connected (again): send `hello` and what the peer has to know. */
  readonly onOpen: (link: LinkEnd<Out>) => void;
  readonly onMessage: (message: In) => void;
  /** Was connected and is no more; it will be tried again until `close`. */
  readonly onClose: (reason: string | null) => void;
}

/** Keeps a connection to `path`: tries again, more slowly while it fails, until it is closed. */
export const connectLink = <In, Out>(o: ConnectOptions<In, Out>): LinkEnd<Out> => {
  let current: LinkEnd<Out> | null = null;
  let closed = false;
  let retryMs = firstRetryMs;
  let timer: NodeJS.Timeout | null = null;

  const again = (): void => {
    if (closed) return;
    timer = setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, lastRetryMs);
  };
  const connect = (): void => {
    timer = null;
    const socket = createConnection(o.path);
    const failed = (): void => {
      socket.destroy();
      again();
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      if (closed) {
        socket.destroy();
        return;
      }
      retryMs = firstRetryMs;
      current = attach<In, Out>(
        socket,
        {
          onMessage: o.onMessage,
          onClose: (reason) => {
            current = null;
            o.onClose(reason);
            again();
          },
        },
        o.maxMessageBytes ?? maxMessageBytes,
      );
      o.onOpen(current);
    });
  };
  connect();
  return {
    send: (message) => current?.send(message) ?? false,
    close: () => {
      closed = true;
      if (timer !== null) clearTimeout(timer);
      current?.close();
    },
  };
};
