/**
 * Transactions of commands: checked, planned, acknowledged by the data plane, written down; only then told as done. One at a time. What is refused, or
 * not acknowledged in time, leaves everything as it was.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { State } from '../cluster/machine.js';
import { applyAgain, applyCommands } from '../cluster/runtime/apply.js';
import { commandsOf } from '../cluster/runtime/commands.js';
import { emptyRuntime, type Runtime, type RuntimeCommand } from '../cluster/runtime/types.js';
import type { Config } from '../config/config.js';
import { digest, type Snapshot } from '../dataplane/snapshot.js';

/** What a transaction comes to: the generation that has it, or why nothing changed. */
export type Outcome =
  | { readonly ok: true; readonly generation: number }
  | {
      readonly ok: false;
      readonly index: number | null;
      readonly reason: string;
      /** The data plane has said no, so that asking again would not help. */
      readonly refused?: true;
    };

const acknowledgeMs = 10_000;
const version = 1;

interface Kept {
  readonly version: number;
  readonly commands: readonly RuntimeCommand[];
}

/** The file is there whole or as it was before, also when the machine stops in between. */
const writeAtomically = (path: string, content: string): void => {
  const next = `${path}.new`;
  const fd = openSync(next, 'w', 0o600);
  try {
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, path);
  const dir = openSync(dirname(path), 'r');
  try {
    fsyncSync(dir);
  } finally {
    closeSync(dir);
  }
};

const keep = (path: string, runtime: Runtime): void => {
  const kept: Kept = { version, commands: commandsOf(runtime) };
  writeAtomically(path, `${JSON.stringify(kept)}\n`);
};

/** Without what the files own: what was set before they had it is kept, and comes back when they let go of it. */
const ownerless = (config: Config): Config => ({
  ...config,
  keepalived: {
    ...config.keepalived,
    globalDefs: {
      ...config.keepalived.globalDefs,
      lvsTimeouts: { tcpMs: null, tcpFinMs: null, udpMs: null },
    },
    vrrpInstances: [],
    localAddressGroups: [],
    virtualServers: [],
  },
});

/** What a controller before us left; nothing when there was none. A file that cannot be read is set aside, and told. */
export const loadRuntime = (
  path: string,
  config: Config,
  tell: (problem: string) => void,
): Runtime => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') tell(`${path}: ${String(e)}`);
    return emptyRuntime;
  }
  try {
    const kept = JSON.parse(text) as Partial<Kept>;
    if (kept.version !== version || !Array.isArray(kept.commands))
      throw new Error(`version ${version} with commands was expected`);
    return applyAgain(ownerless(config), kept.commands, (command, reason) =>
      tell(`${JSON.stringify(command)}: ${reason}`),
    );
  } catch (e) {
    renameSync(path, `${path}.bad`);
    tell(`${path} cannot be read (${String(e)}); it is kept as ${path}.bad`);
    return emptyRuntime;
  }
};

interface Waiting {
  /** Digests of the snapshots that have the change. */
  readonly wanted: Set<bigint>;
  readonly done: (o: Outcome) => void;
}

export interface TransactionsOptions {
  readonly path: string;
  readonly state: () => State;
  /** Makes it part of the facts; effects follow at once. */
  readonly set: (runtime: Runtime) => void;
}

export interface Transactions {
  readonly run: (commands: readonly unknown[]) => Promise<Outcome>;
  /**
   * Another configuration, in its turn: `set` makes it part of the facts, and `undo` takes it back when the data plane refuses it. Without a data plane it
   * is taken as it is (generation 0): that comes up with it.
   */
  readonly configure: (set: () => void, undo: () => void) => Promise<Outcome>;
  /** News of the data plane's generations. */
  readonly desired: (s: Snapshot) => void;
  readonly acked: (generation: number, s: Snapshot) => void;
  readonly rejected: (reason: string, s: Snapshot) => void;
  readonly lost: (reason: string) => void;
}

export const transactions = (o: TransactionsOptions): Transactions => {
  let waiting: Waiting | null = null;
  let queue: Promise<unknown> = Promise.resolve();

  const finish = (outcome: Outcome): void => {
    const w = waiting;
    waiting = null;
    w?.done(outcome);
  };
  const failed = (reason: string) => ({ ok: false, index: null, reason }) as const;

  /** Until a generation with what `set` changes is acknowledged, refused, or the time is over. */
  const acknowledgement = (set: () => void): Promise<Outcome> =>
    new Promise((resolve) => {
      const timer = setTimeout(
        () =>
          finish(failed(`the data plane has not acknowledged it within ${acknowledgeMs / 1000} s`)),
        acknowledgeMs,
      );
      const wanted = new Set<bigint>();
      waiting = {
        wanted,
        done: (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        },
      };
      set();
      const { plan, facts } = o.state();
      if (plan !== null) wanted.add(digest(plan.snapshot));
      const acked = facts.dataplane.state === 'up' ? facts.dataplane.acked : null;
      if (acked !== null && wanted.has(digest(acked.snapshot)))
        finish({ ok: true, generation: acked.generation });
    });

  const write = (runtime: Runtime, outcome: Outcome): Outcome => {
    try {
      keep(o.path, runtime);
      return outcome;
    } catch (e) {
      return failed(`${o.path} cannot be written (${String(e)}), so it would be lost by a restart`);
    }
  };

  const one = async (commands: readonly unknown[]): Promise<Outcome> => {
    const { facts } = o.state();
    const before = facts.runtime;
    if (facts.dataplane.state !== 'up')
      return failed(`the data plane is not connected (${facts.dataplane.reason}); nothing changed`);
    const next = applyCommands(facts.config, before, commands);
    if (!next.ok) return { ok: false, ...next.error };
    const acked = await acknowledgement(() => o.set(next.value));
    const outcome = acked.ok ? write(next.value, acked) : acked;
    if (!outcome.ok) o.set(before);
    return outcome;
  };

  const configured = async (set: () => void, undo: () => void): Promise<Outcome> => {
    if (o.state().facts.dataplane.state !== 'up') {
      set();
      return { ok: true, generation: 0 };
    }
    const outcome = await acknowledgement(set);
    // One that is gone, or slow, will find it; one that says no has said so for good.
    if (!outcome.ok && outcome.refused === true) {
      undo();
      return outcome;
    }
    return outcome.ok ? outcome : { ok: true, generation: 0 };
  };

  const inTurn = (work: () => Promise<Outcome>): Promise<Outcome> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  return {
    run: (commands) => inTurn(() => one(commands)),
    configure: (set, undo) => inTurn(() => configured(set, undo)),
    desired: (s) => void waiting?.wanted.add(digest(s)),
    acked: (generation, s) => {
      if (waiting?.wanted.has(digest(s)) === true) finish({ ok: true, generation });
    },
    rejected: (reason, s) => {
      if (waiting?.wanted.has(digest(s)) === true)
        finish({ ...failed(`the data plane refuses it: ${reason}`), refused: true });
    },
    lost: (reason) => finish(failed(`the data plane is gone: ${reason}`)),
  };
};
