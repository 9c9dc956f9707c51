/**
 * The vrrp process: the controller's messages in, routers in the middle, messages out. It ends when it is told to, or
 * when the controller's channel closes; either way every address is yielded with priority 0 first.
 */
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import os from 'node:os';
import type { Clock } from '../../kernel/driver.js';
import { loadAddon } from '../../kernel/io/addon.js';
import { monotonicClock } from '../../kernel/io/clock.js';
import { type Logger, logUnhandled, openLogger } from '../../kernel/io/logger.js';
import { type ProcessOptions, processOptions } from '../../kernel/io/process-options.js';
import { runService, type Service } from '../../kernel/io/service.js';
import { version } from '../../kernel/io/version.js';
import { encodeLine } from '../journal.js';
import type { FromVrrp, ToVrrp } from '../legacy-messages.js';
import { type Routers, type RoutersOptions, routers } from './routers.js';
import { chooseTransport, type TransportFactory } from './transport.js';

const heartbeatMs = 1000;
const realtimePriority = 10;

let service: Service<FromVrrp> | null = null;
const tell = (message: FromVrrp): void => service?.tell(message, 'controller');

const log = (level: 'info' | 'warn' | 'error', msg: string): void =>
  tell({ type: 'log', level, instance: null, msg, fields: {} });

const because = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);

/** SCHED_RR for all threads, by the addon or else by util-linux; children would not inherit it. */
function becomeRealtime(): void {
  const said = (how: string): void =>
    log('info', `scheduling: SCHED_RR ${realtimePriority}, ${how}`);
  const addon = loadAddon();
  if (typeof addon !== 'string') {
    try {
      addon.setRealtime(realtimePriority);
      said('set by the addon');
      return;
    } catch (error) {
      log('warn', `scheduling: the addon could not: ${because(error)}`);
    }
  }
  const argv = ['-a', '-R', '-r', '-p', String(realtimePriority), String(process.pid)];
  execFile('chrt', argv, (error) => {
    if (error === null) said('set by chrt');
    else log('warn', `scheduling: no real-time priority: ${because(error)}`);
  });
}

/** Adverts must not wait behind health checks, a packet worker or a reload. */
function raisePriority(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
  } catch (error) {
    log('warn', `scheduling: cannot raise the priority: ${because(error)}`);
  }
  becomeRealtime();
}

/** The clock, which also remembers how late the timers were. */
function watchedClock(): Clock & { readonly takeLatest: () => number } {
  let latest = 0;
  return {
    now: monotonicClock.now,
    wakeAt: (at, wake) =>
      monotonicClock.wakeAt(at, () => {
        latest = Math.max(latest, monotonicClock.now() - at);
        wake();
      }),
    takeLatest: () => {
      const value = latest;
      latest = 0;
      return value;
    },
  };
}

/** Law 10: `--journal=FILE` appends one JSON line an input; `replayJournal` lives it again. */
function journalTo(file: string | undefined): RoutersOptions['journal'] {
  if (file === undefined) return null;
  const out = createWriteStream(file, { flags: 'a', mode: 0o600 });
  return (line) => out.write(`${encodeLine(line)}\n`);
}

function receive(all: Routers, m: ToVrrp, end: (reason: string) => void): void {
  switch (m.type) {
    case 'configure':
      all.configure(m);
      break;
    case 'serviceable':
      all.feed(m.instance, { type: 'serviceable', ok: m.ok, reason: m.reason });
      break;
    case 'priorityDelta':
      all.feed(m.instance, { type: 'priorityDelta', delta: m.delta });
      break;
    case 'vipsTaken':
      all.feed(m.instance, { type: 'vipsTaken' });
      break;
    case 'alive':
      all.feedAll({ type: 'alive', leaseMs: m.leaseMs });
      break;
    case 'vipsReleased':
      break;
    case 'shutdown':
      end('shutdown');
      break;
  }
}

/** Runs until the process ends. */
export async function runVrrp(): Promise<void> {
  const o = processOptions();
  const logs = openLogger(o.log);
  logUnhandled(logs, 'end');
  const ownLog = logs.log.child({ component: 'vrrp' });
  try {
    await run(await chooseTransport(), o, ownLog);
  } catch (error) {
    ownLog.fatal(because(error));
    logs.sink.flush();
    process.exit(1);
  }
}

async function run(factory: TransportFactory, o: ProcessOptions, ownLog: Logger): Promise<void> {
  const clock = watchedClock();
  const journalFile = process.argv.find((a) => a.startsWith('--journal='))?.slice(10);
  const all = routers({ clock, factory, tell, journal: journalTo(journalFile) });

  let ending = false;
  const end = (reason: string): void => {
    if (ending) return;
    ending = true;
    ownLog.info(`ends: ${reason}`);
    all.shutdown(reason);
  };
  const leave = (reason: string): void => {
    end(reason);
    process.exit(0);
  };
  service = await runService<ToVrrp, FromVrrp>({
    role: 'vrrp',
    socketPath: o.socketPath,
    version,
    levels: (to) => (to === 'controller' ? [{ type: 'ready', pid: process.pid }] : []),
    onMessage: (m) => receive(all, m, leave),
    onPeerGone: (peer) => {
      if (peer.role === 'controller') leave('the controller is gone');
    },
    stop: async () => end('the node stops'),
    abandon: end,
    onError: (reason) => ownLog.error(reason),
  });
  log('info', `sockets: ${factory.name}`);
  raisePriority();
  setInterval(
    () => tell({ type: 'heartbeat', counters: all.counters(), latestTimerMs: clock.takeLatest() }),
    heartbeatMs,
  );
}
