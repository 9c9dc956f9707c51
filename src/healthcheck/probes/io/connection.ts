/**
 * One TCP connection of a probe: opened from the wanted local address, watched for silence, closed
 * with a reset so that thousands of probes leave no TIME_WAIT behind, and settled exactly once.
 */
import { connect, type Socket, type TcpSocketConnectOpts } from 'node:net';
import type { Clock } from '../../../kernel/driver.js';
import { after, type Millis, millis } from '../../../kernel/machine.js';
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
  /** Stands still while this process does not run. */
  readonly clock: Clock;
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

const nothing = (): void => undefined;

/** `talk` is called once, as soon as the connection stands; the answer ends the exchange early. */
export function exchange(
  x: Exchange,
  talk: (c: Connection) => void,
  ended: (r: ProbeResult) => void,
): () => void {
  const { clock } = x;
  const socket = connect(connectOptions(x.endpoint));
  const endsAt = after(clock.now(), x.totalMs);
  let silentUntil = after(clock.now(), x.timeoutMs);
  let settled = false;
  let disarm = nothing;

  // One timer, moved only when it is due: what arrives costs nothing.
  const dueAt = (): Millis => millis(Math.min(silentUntil, endsAt));
  const arm = (): void => {
    disarm = clock.wakeAt(dueAt(), () => {
      const now = clock.now();
      if (now >= endsAt) settle(timedOut(x.totalMs, x.where));
      else if (now >= silentUntil) settle(timedOut(x.timeoutMs, x.where));
      else arm();
    });
  };
  const close = (): void => {
    settled = true;
    disarm();
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  };
  const settle = (r: ProbeResult): void => {
    if (settled) return;
    close();
    ended(r);
  };
  const alive = (): void => {
    silentUntil = after(clock.now(), x.timeoutMs);
  };
  const fail = (e: unknown): void => settle(resultOfError(e, x.where));
  socket.on('error', fail);
  socket.once('connect', () => {
    alive();
    if (!settled) talk({ socket, settle, fail, alive });
  });
  arm();
  return () => {
    if (!settled) close();
  };
}
