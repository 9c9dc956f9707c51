/**
 * The vrrp process.
 *
 *   controller, supervisor --- vrrp.sock ---> service --> routers <--> raw sockets (adverts)
 *                                                           |  \
 *                                       vrrp-state.json <---'   `--> dataplane.sock (leases, ARP)
 *
 * It outlives its clients, and keeps configuration and levels. Only the supervisor's `stop` yields;
 * a process that ends otherwise leaves its state file, and the one that replaces it goes on.
 */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { join } from 'node:path';
import { type Addon, loadAddon } from '../../kernel/io/addon.js';
import { openJournal } from '../../kernel/io/journal.js';
import { logUnhandled, openLogger } from '../../kernel/io/logger.js';
import type { ProcessOptions } from '../../kernel/io/process-options.js';
import { runService } from '../../kernel/io/service.js';
import { version } from '../../kernel/io/version.js';
import { completeInstance } from '../complete.js';
import { vrrpKind } from '../journal.js';
import type { FromVrrp, ToVrrp } from '../messages.js';
import { type ConnectSocket, dataplaneLink } from './dataplane.js';
import { watchLinks } from './links.js';
import { patientClock } from './patient-clock.js';
import { type Log, type Routers, routers } from './routers.js';
import { savedState } from './saved-state.js';
import { chooseTransport } from './transport.js';

const countersMs = 1000;
const realtimePriority = 10;
/** A flood of adverts must not become one of the disk. */
const journalBytesPerSecond = 1 << 20;

const because = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);

/** SCHED_RR for all threads, by the addon or else by util-linux; children do not inherit it. */
function becomeRealtime(addon: Addon | null, log: Log): void {
  const done = (how: string): void =>
    log('info', `scheduling: SCHED_RR ${realtimePriority}, ${how}`, {});
  if (addon !== null) {
    try {
      addon.setRealtime(realtimePriority);
      done('set by the addon');
      return;
    } catch (error) {
      log('warn', `scheduling: the addon could not: ${because(error)}`, {});
    }
  }
  const argv = ['-a', '-R', '-r', '-p', String(realtimePriority), String(process.pid)];
  execFile('chrt', argv, (error) => {
    if (error === null) done('set by chrt');
    else log('warn', `scheduling: no real-time priority: ${because(error)}`, {});
  });
}

/** Adverts must not wait behind health checks, a packet worker or a reload. */
function raisePriority(addon: Addon | null, log: Log): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
  } catch (error) {
    log('warn', `scheduling: cannot raise the priority: ${because(error)}`, {});
  }
  becomeRealtime(addon, log);
}

const seqpacket =
  (addon: Addon, path: string): ConnectSocket =>
  (onMessage, onClose) =>
    addon.seqpacketConnect(path, (bytes) => onMessage(bytes), onClose);

const receive = (all: Routers, m: ToVrrp): void => {
  switch (m.type) {
    case 'configure':
      all.configure({ ...m, instances: m.instances.map(completeInstance) });
      break;
    case 'serviceable':
      all.serviceable(m);
      break;
    case 'priorityDelta':
      all.priorityDelta(m.id, m.delta);
      break;
  }
};

export interface VrrpOptions extends ProcessOptions {
  /** In place of `vrrp-state.json` in the run directory. */
  readonly stateFile?: string;
  /** In place of `vrrp-journal.jsonl`. */
  readonly journalFile?: string;
}

/** Runs until the process ends. `connect` replaces the data plane's socket in tests. */
export async function runVrrp(options: VrrpOptions, connect?: ConnectSocket): Promise<void> {
  const processLog = openLogger(options.log);
  logUnhandled(processLog, 'end');
  const pinoLog = processLog.log.child({ component: 'vrrp' });
  const log: Log = (level, msg, fields) => pinoLog[level](fields, msg);
  const fail = (error: unknown): never => {
    log('error', because(error), {});
    processLog.sink.flush();
    process.exit(1);
  };

  const loaded = loadAddon();
  const addon = typeof loaded === 'string' ? null : loaded;
  const connectSocket =
    connect ??
    (addon === null ? fail(loaded) : seqpacket(addon, join(options.runDir, 'dataplane.sock')));
  const factory = await chooseTransport().catch(fail);
  log('info', `sockets: ${factory.name}`, {});
  raisePriority(addon, log);

  const clock = patientClock((ms) => {
    log('warn', `the machine was suspended for ${Math.round(ms)} ms`, {});
    all.slept(ms);
  });
  let tell: (m: FromVrrp) => void = () => undefined;
  let journalTrouble: string | null = null;
  const journal = openJournal({
    path: options.journalFile ?? join(options.runDir, 'vrrp-journal.jsonl'),
    process: 'vrrp',
    version,
    bytesPerSecond: journalBytesPerSecond,
    report: (trouble) => {
      journalTrouble = trouble;
      log('warn', `journal: ${trouble ?? 'written again'}`, {});
    },
  });
  const all: Routers = routers({
    clock,
    wallClock: Date.now,
    factory,
    watchLinks: (onChange) => watchLinks(addon, onChange),
    log,
    leases: (requests) => link?.leases(requests),
    garp: (vip, repeat) => link?.garp(vip, repeat),
    report: (m) => tell(m),
    onInput: clock.noticeInput,
    onChange: () => saved.changed(),
    journal: (unit) => journal.machine(vrrpKind, unit),
  });
  const saved = savedState({
    file: options.stateFile ?? join(options.runDir, 'vrrp-state.json'),
    current: all.saved,
    onProblem: (msg) => log('warn', msg, {}),
  });
  let link: ReturnType<typeof dataplaneLink> | null = null;

  const service = await runService<ToVrrp, FromVrrp>({
    role: 'vrrp',
    socketPath: options.socketPath,
    version,
    levels: (role) => (role === 'controller' ? [all.states()] : []),
    onMessage: (m, from) => {
      if (from.role === 'controller') receive(all, m);
    },
    stop: async () => {
      log('info', 'stopping: yielding', {});
      await all.stop('shutdown');
      saved.remove();
      link?.close();
      journal.flushNow();
    },
    abandon: (reason) => {
      saved.flush();
      journal.flushNow();
      log('info', `ends: ${reason}`, {});
      processLog.sink.flush();
    },
    onError: (reason) => log('error', reason, {}),
  }).catch(fail);
  tell = (m) => service.tell(m, 'controller');

  // Not before it is certain that no other vrrp process runs.
  const before = saved.read();
  if (before !== null) {
    const active = before.routers.filter((r) => r.wasActive).length;
    log('info', 'goes on from its state file', { routers: before.routers.length, active });
    try {
      all.restore(before);
    } catch (error) {
      // The next process begins as backup.
      saved.setAside();
      fail(new Error(`the state file is of no use: ${because(error)}`));
    }
  }
  link = dataplaneLink({
    connect: connectSocket,
    clock,
    pid: process.pid,
    patienceMs: all.patienceMs,
    onUp: (bootId) => {
      log('info', 'connected to the data plane', { bootId });
      all.dataplane(bootId, 'connected');
    },
    onAway: (reason) => {
      log('warn', reason, {});
      all.dataplane(null, reason);
    },
    onTrouble: (reason) => log('error', reason, {}),
    onAnswer: (answer) => {
      clock.noticeInput();
      all.answer(answer);
    },
    onEvent: (e) => {
      if (e.address !== null && e.text !== '')
        log('warn', `data plane: ${e.text}`, { device: e.device, address: e.address });
    },
  });
  setInterval(
    () =>
      tell({
        type: 'counters',
        instances: all.counters(),
        latestTimerMs: clock.takeLatest(),
        leaseTimeouts: link?.timeouts() ?? 0,
        journalTrouble,
      }),
    countersMs,
  );
}
