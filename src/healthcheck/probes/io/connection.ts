/**
 * One TCP connection of a probe: opened from the wanted local address, watched for silence, closed with a reset so that
 * thousands of probes leave no TIME_WAIT behind, and settled exactly once.
 */
import { connect, type Socket, type TcpSocketConnectOpts } from 'node:net';
import type { Endpoint, ProbeResult } from '../../types.js';
import { resultOfError, timedOut } from './faults.js';

export interface Exchange {
  readonly endpoint: Endpoint;
  /** Longest silence: until connected, then between reads. */
  readonly timeoutMs: number;
  /** Longest exchange, however busy. */
  readonly totalMs: number;
  /** Names the part of the probe in a failure. */
  readonly where: string;
  readonly signal: AbortSignal;
}

export interface Connection {
  readonly socket: Socket;
  /** Ends the exchange; the first call counts. */
  readonly settle: (r: ProbeResult) => void;
  readonly fail: (e: unknown) => void;
  /** Something arrived: the time of silence begins anew. */
  readonly alive: () => void;
}

const connectOptions = (e: Endpoint): TcpSocketConnectOpts => ({
  host: e.address,
  port: e.port,
  ...(e.bindAddress === null ? {} : { localAddress: e.bindAddress }),
  ...(e.bindPort === null ? {} : { localPort: e.bindPort }),
});

/** `talk` is called once, as soon as the connection stands. */
export function exchange(x: Exchange, talk: (c: Connection) => void): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect(connectOptions(x.endpoint));
    const abort = (): void => settle({ type: 'inconclusive', errno: 'ECANCELED' });
    const silence = setTimeout(() => settle(timedOut(x.timeoutMs, x.where)), x.timeoutMs);
    const total = setTimeout(() => settle(timedOut(x.totalMs, x.where)), x.totalMs);
    const settle = (r: ProbeResult): void => {
      clearTimeout(silence);
      clearTimeout(total);
      x.signal.removeEventListener('abort', abort);
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
      resolve(r);
    };
    const fail = (e: unknown): void => settle(resultOfError(e, x.where));
    x.signal.addEventListener('abort', abort);
    socket.on('error', fail);
    socket.once('connect', () => {
      silence.refresh();
      talk({ socket, settle, fail, alive: () => silence.refresh() });
    });
    if (x.signal.aborted) abort();
  });
}
