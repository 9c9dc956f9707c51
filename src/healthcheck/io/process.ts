/**
 * The healthcheck process: the checks on Node's clock and sockets, and a socket of its own on which
 * it reports to the controller. It outlives controller and supervisor and keeps checking.
 */
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Addon, loadAddon } from '../../kernel/io/addon.js';
import { monotonicClock } from '../../kernel/io/clock.js';
import { openJournal } from '../../kernel/io/journal.js';
import { type Logger, logUnhandled, openLogger } from '../../kernel/io/logger.js';
import { type ProcessOptions, processOptions } from '../../kernel/io/process-options.js';
import { type Peer, runService } from '../../kernel/io/service.js';
import { version } from '../../kernel/io/version.js';
import { checkerKind, virtualServerKind } from '../journal.js';
import type { FromHealthcheck, ToHealthcheck } from '../messages.js';
import { patternMatcher } from '../probes/io/patterns.js';
import { probeRunner } from '../probes/table.js';
import { runningClock } from '../running-clock.js';
import { type HealthClient, type HealthLogLine, healthService } from '../service.js';
import { sharedClock } from '../timers.js';

/** Descriptors are the limit: Node raises its soft limit to the hard one, which is far above this. */
const maxProbes = 8192;
const countersMs = 1000;
/** All servers flapping at once must not fill a file system in memory. */
const journalBytesPerSecond = 256 * 1024;

const logLine =
  (log: Logger) =>
  ({ level, vs, rs, msg, fields }: HealthLogLine): void =>
    log[level]({ vs, ...(rs === null ? {} : { rs }), ...fields }, msg);

/**
 * Bodies and banners of strangers are parsed here: nothing they could do to this process starts
 * another one. A kernel without seccomp is reported and survived.
 */
const restrict = (addon: Addon, log: Logger): void => {
  try {
    addon.restrictSystemCalls();
  } catch (e) {
    log.warn({ err: e }, 'system calls cannot be restricted (seccomp)');
  }
};

const serve = async (o: ProcessOptions, log: Logger): Promise<void> => {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new Error(addon);
  const timers = sharedClock(monotonicClock);
  let journalTrouble: string | null = null;
  const journal = openJournal({
    path: join(dirname(o.socketPath), 'journal.jsonl'),
    process: 'healthcheck',
    version,
    bytesPerSecond: journalBytesPerSecond,
    report: (trouble) => {
      journalTrouble = trouble;
      log.warn(trouble ?? 'the journal can be written again');
    },
  });
  process.on('exit', () => journal.flushNow());
  const clock = runningClock(timers);
  const checks = healthService({
    clock,
    wallClock: () => Math.round(performance.timeOrigin + performance.now()),
    random: Math.random,
    later: (f) => void setImmediate(f),
    begin: probeRunner(clock, patternMatcher(addon)),
    maxProbes,
    log: logLine(log),
    journal: {
      checker: (unit) => journal.machine(checkerKind, unit),
      virtualServer: (unit) => journal.machine(virtualServerKind, unit),
    },
  });
  const clients = new Map<Peer<FromHealthcheck>, HealthClient>();
  const service = await runService<ToHealthcheck, FromHealthcheck>({
    role: 'healthcheck',
    socketPath: o.socketPath,
    version,
    // Reported page by page by the service of the checks, not at once.
    levels: () => [],
    onPeer: (peer) => {
      if (peer.role === 'controller')
        clients.set(
          peer,
          checks.attach((m) => void peer.send(m)),
        );
    },
    onMessage: (m, from) => clients.get(from)?.receive(m),
    onPeerGone: (peer) => {
      clients.get(peer)?.close();
      clients.delete(peer);
    },
    stop: async () => checks.stop(),
    onError: (reason) => log.error(reason),
  });
  // The directory hands its group on: the controller may connect, and nobody else.
  chmodSync(o.socketPath, 0o660);
  restrict(addon, log);
  setInterval(
    () =>
      service.tell(
        {
          type: 'counters',
          counters: checks.counters(),
          latestTimerMs: timers.takeLatest(),
          journalTrouble,
        },
        'controller',
      ),
    countersMs,
  );
};

export async function runHealthcheckProcess(): Promise<void> {
  const o = processOptions();
  const logs = openLogger(o.log);
  logUnhandled(logs, 'end');
  const log = logs.log.child({ component: 'healthcheck' });
  try {
    await serve(o, log);
  } catch (e) {
    log.fatal(e instanceof Error ? e.message : String(e));
    logs.sink.flush();
    process.exit(1);
  }
}
