/**
 * The healthcheck process: the service on Node's clock, sockets and channel. The channel is its life: when the
 * controller is gone it ends, whoever else signals it (a service manager that signals the whole group must not make the
 * controller believe that the checks have died).
 */
import { performance } from 'node:perf_hooks';
import { monotonicClock } from '../../kernel/io/clock.js';
import type { FromHealthcheck, ToHealthcheck } from '../messages.js';
import { beginProbe } from '../probes/table.js';
import { healthService } from '../service.js';
import { sharedClock } from '../timers.js';

/** Descriptors are the limit: Node raises its soft limit to the hard one, which is far above this. */
const maxProbes = 8192;
const heartbeatMs = 1000;

const send = (m: FromHealthcheck, sent: () => void = () => undefined): void => {
  // The callback takes the error of a channel that closes at this moment; 'disconnect' follows.
  if (process.connected) process.send?.(m, undefined, undefined, sent);
};

export function runHealthcheckProcess(): void {
  const clock = sharedClock(monotonicClock);
  const service = healthService({
    clock,
    wallClock: () => Math.round(performance.timeOrigin + performance.now()),
    random: Math.random,
    begin: beginProbe,
    maxProbes,
    send: (m) => send(m, m.type === 'stopped' ? () => process.exit(0) : undefined),
  });
  process.on('message', (m) => service.receive(m as ToHealthcheck));
  process.on('disconnect', () => process.exit(0));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  setInterval(
    () =>
      send({
        type: 'heartbeat',
        counters: service.counters(),
        latestTimerMs: clock.takeLatest(),
      }),
    heartbeatMs,
  );
  send({ type: 'ready', pid: process.pid });
}
