/**
 * The process behind `keelson start`: starts the processes of a node, watches them, starts again
 * what ends, and passes signals on. It holds no protocol state and depends on no log.
 *
 *   supervisor
 *     |- keelson-dataplane
 *     |- vrrp           each listens on its own socket of the run directory;
 *     |- healthcheck    all outlive the supervisor, and the next one adopts them
 *     '- controller
 *
 * SIGHUP: the controller reloads, log files are opened again. SIGTERM, SIGINT: the orderly stop of
 * the node. SIGUSR2: the supervisor ends and leaves everything running.
 */
import { statSync } from 'node:fs';
import type { Addon } from '../kernel/io/addon.js';
import { discard, readPlain, writeWhole } from '../kernel/io/files.js';
import type { Logger, ProcessLog } from '../kernel/io/logger.js';
import { idText, processId } from '../kernel/io/proc.js';
import { version } from '../kernel/io/version.js';
import { acceptedFiles } from './accepted.js';
import type { ProcessesMessage } from './controller-messages.js';
import type { Launcher } from './launch.js';
import { removeLeftInterfaces } from './left-interfaces.js';
import type { ProcessName } from './privileges.js';
import { type Role, replaceOrder, stopOrder } from './roles.js';
import type { RunDir } from './run-dir.js';
import { nextToReplace } from './upgrade.js';
import { type Watched, watch } from './watched.js';

export interface SupervisorOptions {
  readonly runDir: RunDir;
  readonly roles: readonly Role[];
  readonly launcher: Launcher;
  readonly addon: Addon | null;
  /** Asked once, when this listens itself: was a reload asked for before? */
  readonly owesReload: () => boolean;
}

const startedAt = Date.now();

const iso = (ms: number): string => new Date(ms).toISOString();

/** What the controller shows in `keelson status`. */
const processesMessage = (watched: readonly Watched[]): ProcessesMessage => ({
  type: 'processes',
  processes: [
    {
      name: 'supervisor',
      state: 'running',
      pid: process.pid,
      version,
      since: iso(startedAt),
      restarts: 0,
      reason: null,
    },
    ...watched.map((w) => {
      const s = w.status();
      return { ...s, since: iso(s.since) };
    }),
  ],
});

/**
 * Ends the processes of a node one after the other, in the order that peers want to see, and removes
 * what a data plane that ended otherwise has left in the kernel.
 */
export const stopAll = async (
  watched: ReadonlyMap<ProcessName, Watched>,
  dataplaneArgs: readonly string[],
  log: Logger,
): Promise<void> => {
  for (const name of stopOrder) await watched.get(name)?.stop();
  try {
    const interfaces = await removeLeftInterfaces(dataplaneArgs);
    if (interfaces.length > 0)
      log.info({ interfaces }, 'interfaces of a data plane that died are removed');
  } catch (e) {
    log.warn(`interfaces that the data plane may have left are not removed: ${String(e)}`);
  }
};

const argsOf = (roles: readonly Role[]): readonly string[] =>
  roles.find((r) => r.name === 'dataplane')?.args ?? [];

/** Runs a node until it is stopped or left; resolves with the exit code of the program. */
export const supervise = (o: SupervisorOptions, { log, sink }: ProcessLog): Promise<number> =>
  new Promise((resolve) => {
    const watched = new Map<ProcessName, Watched>();
    let ending = false;
    let told = '';

    const tell = (): void => {
      const message = processesMessage([...watched.values()]);
      const text = JSON.stringify(message);
      if (text !== told && watched.get('controller')?.send(message) === true) told = text;
    };
    const changed = (): void => {
      if (ending || watched.size < o.roles.length) return;
      // A controller that was started again knows nothing yet.
      if (watched.get('controller')?.status().state !== 'running') told = '';
      tell();
      const name = nextToReplace(
        [...watched.values()].map((w) => w.status()),
        replaceOrder,
        version,
      );
      if (name !== null) watched.get(name)?.replace(`version ${version} takes its place`);
    };
    const noteSelf = selfNoter(o.runDir, log);
    const finish = (code: number): void => {
      discard(o.runDir.pidFile);
      sink.flush();
      resolve(code);
    };
    const end = async (code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      log.info('stopping');
      await stopAll(watched, argsOf(o.roles), log);
      // The next start begins from the files alone.
      for (const path of acceptedFiles(o.runDir.acceptedFile)) discard(path);
      // The kernel interfaces went with the data plane, and all that was on them.
      discard(o.runDir.kernelFile);
      discard(o.runDir.apiSocket);
      log.info('stopped');
      finish(code);
    };
    const leave = (): void => {
      if (ending) return;
      ending = true;
      log.info('the supervisor ends and leaves the node running; the next start adopts it');
      for (const w of watched.values()) w.leave();
      finish(0);
    };
    const onFirstFailure = (role: Role, why: string): void => {
      if (role.name !== 'dataplane' || [...watched.values()].some((w) => w.wasAdopted)) return;
      log.error({ why }, 'the data plane did not start; see its message above');
      void end(1);
    };

    noteSelf();
    for (const role of o.roles)
      watched.set(
        role.name,
        watch({
          role,
          launcher: o.launcher,
          log,
          addon: o.addon,
          launches: true,
          isEnding: () => ending,
          onChange: changed,
          onFirstFailure: (why) => onFirstFailure(role, why),
        }),
      );
    const lock = inodeOf(o.runDir.lockFile);
    setInterval(() => {
      // Nobody finds a node without its run directory, and another start would not see it.
      if (!ending && inodeOf(o.runDir.lockFile) !== lock) {
        log.error(`${o.runDir.dir} was removed or replaced; the node stops`);
        void end(1);
      }
      if (ending) return;
      noteSelf();
      changed();
    }, 1000);

    process.on('SIGTERM', () => void end(0));
    process.on('SIGINT', () => void end(0));
    process.on('SIGUSR2', leave);
    const reload = (): void => {
      sink.reopen();
      for (const w of watched.values()) w.reload();
    };
    process.on('SIGHUP', reload);
    if (o.owesReload()) reload();
  });

const inodeOf = (path: string): number | null => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
  } catch {
    return null;
  }
};

/** Keeps the pid file right: it may be removed, and a full disk may have room again. */
const selfNoter = (d: RunDir, log: Logger): (() => void) => {
  const self = processId(process.pid);
  let isTroubled = false;
  return () => {
    if (self === null) return;
    try {
      if (readPlain(d.pidFile) !== idText(self)) writeWhole(d.pidFile, idText(self), 0o644);
      isTroubled = false;
    } catch (e) {
      if (!isTroubled) log.warn(`${d.pidFile} cannot be written: ${String(e)}`);
      isTroubled = true;
    }
  };
};
