/** The healthcheck process: the service on Node's clock and sockets, and on its own socket. */
import { performance } from 'node:perf_hooks';
import { monotonicClock } from '../../kernel/io/clock.js';
import { logUnhandled, openLogger } from '../../kernel/io/logger.js';
import { processOptions } from '../../kernel/io/process-options.js';
import { runService, type Service } from '../../kernel/io/service.js';
import { version } from '../../kernel/io/version.js';
import type { FromHealthcheck, ToHealthcheck } from '../messages.js';
import { beginProbe } from '../probes/table.js';
import { healthService } from '../service.js';
import { sharedClock } from '../timers.js';

/** Descriptors are the limit: Node raises its soft limit to the hard one, which is far above this. */
const maxProbes = 8192;
const heartbeatMs = 1000;

export async function runHealthcheckProcess(): Promise<void> {
  const o = processOptions();
  const logs = openLogger(o.log);
  logUnhandled(logs, 'end');
  const log = logs.log.child({ component: 'healthcheck' });
  const clock = sharedClock(monotonicClock);
  const process_: { service: Service<FromHealthcheck> | null } = { service: null };
  const send = (m: FromHealthcheck): void => process_.service?.tell(m, 'controller');
  const checks = healthService({
    clock,
    wallClock: () => Math.round(performance.timeOrigin + performance.now()),
    random: Math.random,
    begin: beginProbe,
    maxProbes,
    send,
  });
  try {
    process_.service = await runService<ToHealthcheck, FromHealthcheck>({
      role: 'healthcheck',
      socketPath: o.socketPath,
      version,
      levels: (to) => (to === 'controller' ? [{ type: 'ready', pid: process.pid }] : []),
      onMessage: (m) => checks.receive(m),
      onPeerGone: (peer) => {
        if (peer.role === 'controller') process.exit(0);
      },
      stop: async () => undefined,
      onError: (reason) => log.error(reason),
    });
  } catch (e) {
    log.fatal(e instanceof Error ? e.message : String(e));
    logs.sink.flush();
    process.exit(1);
  }
  setInterval(
    () =>
      send({
        type: 'heartbeat',
        counters: checks.counters(),
        latestTimerMs: clock.takeLatest(),
      }),
    heartbeatMs,
  );
}
