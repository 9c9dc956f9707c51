/**
 * One process under the liveness machine: launches it, connects to its socket, notices its end, and
 * sends the signals that the machine decides on.
 */
import { drive } from '../kernel/driver.js';
import type { Addon } from '../kernel/io/addon.js';
import { monotonicClock } from '../kernel/io/clock.js';
import { discard } from '../kernel/io/files.js';
import { connectLink } from '../kernel/io/link.js';
import type { Logger } from '../kernel/io/logger.js';
import {
  isRunning,
  type ProcessId,
  processId,
  signalProcess,
  startedAt,
} from '../kernel/io/proc.js';
import {
  type FromProcess,
  type Hello,
  protocolVersion,
  type ToProcess,
} from '../kernel/process.js';
import { pingDataplane } from './dataplane-ping.js';
import { idOfChild, type Launcher, lockedCode } from './launch.js';
import { type Effect, type Input, initial, liveness, type State } from './liveness.js';
import type { ProcessName } from './privileges.js';
import type { Role } from './roles.js';

/** An adopted process is no child of ours, so nobody reports its end. */
const adoptedLookMs = 200;

export interface WatchedStatus {
  readonly name: ProcessName;
  readonly state: 'starting' | 'running' | 'gone';
  readonly pid: number | null;
  readonly version: string | null;
  /** Milliseconds since the epoch of the last change of `state`. */
  readonly since: number;
  readonly restarts: number;
  /** Why it was last started again; null: it never was. */
  readonly reason: string | null;
}

export interface Watched {
  readonly status: () => WatchedStatus;
  /** An earlier supervisor started it. */
  readonly wasAdopted: boolean;
  /** False when it is not connected. */
  readonly send: (m: ToProcess | object) => boolean;
  /** It reads its configuration and its log file anew: now, or as soon as it is connected. */
  readonly reload: () => void;
  readonly replace: (reason: string) => void;
  /** The node's orderly stop: resolves when it has ended. */
  readonly stop: () => Promise<void>;
  /** Lets go of it: it runs on, nobody watches. */
  readonly leave: () => void;
}

export interface WatchedOptions {
  readonly role: Role;
  readonly launcher: Launcher;
  readonly log: Logger;
  /** null: the data plane cannot be asked. */
  readonly addon: Addon | null;
  /** False: what runs is watched and stopped, nothing is started. */
  readonly launches: boolean;
  /** The node stops: what ends now is not started again. */
  readonly isEnding: () => boolean;
  /** Any change of the status. */
  readonly onChange: () => void;
  /** The first process of this role ended before its first word. */
  readonly onFirstFailure: (reason: string) => void;
}

const hello = (): Hello => ({
  type: 'hello',
  role: 'supervisor',
  pid: process.pid,
  protocol: protocolVersion,
});

export const watch = (o: WatchedOptions): Watched => {
  const { role, launcher } = o;
  const log = o.log.child({ process: role.name });
  let current: ProcessId | null = null;
  let version: string | null = null;
  let everSpoke = false;
  let starts = 0;
  let reason: string | null = null;
  let tag: State['life']['tag'] = 'waiting';
  let since = Date.now();
  /** Of a process that was adopted: when it began. */
  let runsSince: number | null = null;
  let left = false;
  let isStopping = false;
  /** A reload was asked for while nobody was there to hear it. */
  let owesReload = false;
  let onStopped: () => void = () => undefined;

  const found = launcher.find(role);

  const gone = (id: ProcessId | null, why: string): void => {
    if (id !== null && id.pid !== current?.pid) return;
    current = null;
    runsSince = null;
    version = null;
    if (!everSpoke && !o.isEnding() && !left) o.onFirstFailure(why);
    if (!isStopping) reason = why;
    driver.feed({ type: 'gone', reason: why });
  };
  const adopt = (id: ProcessId): void => {
    current = id;
    runsSince = startedAt(id);
    everSpoke = true;
    launcher.note(role, id);
    log.info({ pid: id.pid }, `${role.name} runs already: adopted`);
    const look = (): void => {
      if (left || current?.pid !== id.pid) return;
      if (isRunning(id)) setTimeout(look, adoptedLookMs);
      else gone(id, 'is gone');
    };
    look();
  };
  const launch = (): void => {
    if (!o.launches) return;
    starts++;
    let child: ReturnType<Launcher['launch']>;
    try {
      child = launcher.launch(role);
    } catch (e) {
      setImmediate(() => gone(null, `cannot be started: ${String(e)}`));
      return;
    }
    const id = idOfChild(child);
    current = id;
    child.once('error', (e) => {
      if (id === null) gone(null, `cannot be started: ${e.message}`);
    });
    child.once('exit', (code, signal) => {
      if (left) return;
      // The lock is held by a process that a supervisor before us left in the middle of its start.
      const other = code === lockedCode ? launcher.find(role) : null;
      if (other !== null) adopt(other);
      else gone(id, signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });
    // Nothing here may keep the supervisor from ending.
    child.unref();
    if (id !== null) launcher.note(role, id);
    else if (child.pid !== undefined) current = { pid: child.pid, start: '' };
  };

  const perform = (e: Effect): void => {
    switch (e.type) {
      case 'launch':
        // Not inside the step: a failure is the next input.
        setImmediate(() => {
          if (!left && !isStopping && !o.isEnding()) launch();
        });
        break;
      case 'signal':
        if (current !== null) signalProcess(current, e.signal);
        break;
      case 'log':
        // What ends while the node stops is not started again, and is no news.
        if (e.level !== 'error' || !o.isEnding()) log[e.level](`${role.name} ${e.msg}`);
        break;
    }
  };
  const driver = drive<State, Input, Effect>({
    machine: {
      ...liveness,
      step: (s, input, now) => {
        const next = liveness.step(s, input, now);
        if (next[0].life.tag !== tag) {
          tag = next[0].life.tag;
          since = Date.now();
          setImmediate(o.onChange);
          if (tag === 'stopped') setImmediate(onStopped);
        }
        return next;
      },
    },
    initial: initial(role.limits, monotonicClock.now()),
    clock: monotonicClock,
    perform,
  });

  const noteVersion = (pid: number, of: string): void => {
    if (current?.pid !== pid || version === of) return;
    version = of;
    setImmediate(o.onChange);
  };
  const word = (pid: number): void => {
    if (left || current?.pid !== pid) return;
    if (!everSpoke || tag === 'starting') log.info({ pid, version }, `${role.name} is up`);
    everSpoke = true;
    driver.feed({ type: 'word' });
  };

  /** What was asked of it before it listened is asked now. */
  const ready = (m: Extract<FromProcess, { type: 'ready' }>): void => {
    noteVersion(m.pid, m.version);
    if (owesReload) owesReload = !link.send({ type: 'reload' } satisfies ToProcess);
    if (isStopping) link.send({ type: 'stop' } satisfies ToProcess);
  };

  const connect = (): { readonly send: (m: object) => boolean; readonly close: () => void } => {
    if (role.name === 'dataplane') {
      const close =
        o.addon === null
          ? () => undefined
          : pingDataplane({
              addon: o.addon,
              socketPath: role.socket,
              onWord: (pid, of) => {
                noteVersion(pid, of);
                word(pid);
              },
            });
      return { send: () => false, close };
    }
    let speaker: number | null = null;
    return connectLink<FromProcess, object>({
      path: role.socket,
      onOpen: (link) => {
        speaker = null;
        link.send(hello());
      },
      onMessage: (m) => {
        if (m.type === 'ready') {
          speaker = m.pid;
          ready(m);
        }
        if (speaker !== null) word(speaker);
      },
      onClose: () => {
        speaker = null;
        // Sooner than the next look at an adopted process.
        if (current !== null && current.start !== '' && processId(current.pid) === null)
          setTimeout(() => {
            if (current !== null && !isRunning(current)) gone(current, 'is gone');
          }, 20);
      },
    });
  };
  const link = connect();

  if (found !== null) {
    driver.feed({ type: 'found' });
    adopt(found);
  } else if (!o.launches) driver.feed({ type: 'stop' });

  return {
    wasAdopted: found !== null,
    status: () => ({
      name: role.name,
      state:
        tag === 'starting'
          ? 'starting'
          : current === null || tag === 'waiting'
            ? 'gone'
            : 'running',
      pid: current?.pid ?? null,
      version,
      since: runsSince ?? since,
      restarts: Math.max(0, starts - (found === null ? 1 : 0)),
      reason,
    }),
    send: link.send,
    reload: () => {
      if (role.name !== 'dataplane')
        owesReload = !link.send({ type: 'reload' } satisfies ToProcess);
    },
    replace: (why) => driver.feed({ type: 'replace', reason: why }),
    stop: () =>
      new Promise((resolve) => {
        isStopping = true;
        const done = (): void => {
          for (const path of [role.socket, role.pidFile]) discard(path);
          link.close();
          driver.stop();
          resolve();
        };
        onStopped = done;
        if (tag === 'stopped') {
          done();
          return;
        }
        const id = current;
        driver.feed({ type: 'stop' });
        if (id === null) {
          // It was about to be launched.
          driver.feed({ type: 'gone', reason: 'was not running' });
          return;
        }
        if (role.name === 'dataplane') signalProcess(id, 'SIGTERM');
        // One that does not hear is killed after its limit.
        else link.send({ type: 'stop' } satisfies ToProcess);
      }),
    leave: () => {
      left = true;
      driver.stop();
      link.close();
    },
  };
};
