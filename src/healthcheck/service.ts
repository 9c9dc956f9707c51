/**
 * The shell of the health checks: one driven machine for each checker and each virtual server, wired
 * to each other. Inputs are the controller's messages; outputs are messages to it, probes to start
 * and log lines. Clock, chance, probes and wall time are handed in, so tests need no real time.
 *
 * The checks do not depend on a controller being connected. A controller that connects receives all
 * levels, and its configuration then changes only what is different.
 */
import { type Clock, type Driver, drive } from '../kernel/driver.js';
import type { JournalHook } from '../kernel/journal.js';
import { unreachable } from '../kernel/machine.js';
import { configureQueue } from './configure-queue.js';
import type { CheckerInput, CheckerState } from './fsm.js';
import { type LevelFeed, levelFeed, type Subject } from './level-feed.js';
import type {
  FromHealthcheck,
  HealthcheckCounters,
  LogFields,
  LogLevel,
  RealServerLevel,
  ToHealthcheck,
  VirtualServerLevel,
} from './messages.js';
import { type BeginProbe, probeQueue } from './queue.js';
import { asBefore, isUp, notChecked, type Verdict, weightDelta } from './realserver.js';
import { reconcile } from './reconcile.js';
import { type RunningChecker, startChecker, stopChecker } from './running-checker.js';
import type { CheckerConfig, RealServerConfig, VirtualServerConfig } from './types.js';
import {
  type ConfiguredRealServer,
  newVirtualServer,
  totalLiveWeight,
  type VirtualServerEffect,
  type VirtualServerInput,
  type VirtualServerState,
  virtualServer,
} from './virtualserver.js';

/** Law 10: gives each machine that is started its journal hook. */
export interface HealthJournal {
  readonly checker: (unit: string) => JournalHook<CheckerState, CheckerInput>;
  readonly virtualServer: (unit: string) => JournalHook<VirtualServerState, VirtualServerInput>;
}

export interface HealthLogLine {
  readonly level: LogLevel;
  readonly vs: string;
  readonly rs: string | null;
  readonly msg: string;
  readonly fields: LogFields;
}

export interface ServiceOptions {
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Runs `f` in a later turn of the loop. */
  readonly later: (f: () => void) => void;
  readonly begin: BeginProbe;
  /** Probes on the wire at once. */
  readonly maxProbes: number;
  readonly log: (l: HealthLogLine) => void;
  readonly journal?: HealthJournal;
}

/** A connected controller. */
export interface HealthClient {
  readonly receive: (m: ToHealthcheck) => void;
  readonly close: () => void;
}

export interface HealthService {
  /** Reports all levels, then what changes. Only the newest client's messages are taken. */
  readonly attach: (send: (m: FromHealthcheck) => void) => HealthClient;
  readonly counters: () => HealthcheckCounters;
  /** Ends every probe. */
  readonly stop: () => void;
}

interface Since {
  readonly up: boolean;
  readonly at: number;
}

interface RunningVirtualServer {
  readonly driver: Driver<VirtualServerState, VirtualServerInput>;
  /** Checkers of each real server, in the order of the configuration. */
  readonly checkers: Map<string, readonly RunningChecker[]>;
  /** Since when each real server is as it is. */
  readonly since: Map<string, Since>;
  quorum: { readonly up: boolean; readonly reason: string; readonly since: number } | null;
  suspended: boolean;
}

const isHeldUp = (h: RealServerConfig['held']): boolean | null => (h === null ? null : h === 'up');

export function healthService(o: ServiceOptions): HealthService {
  const servers = new Map<string, RunningVirtualServer>();
  const queue = probeQueue(o.maxProbes, o.begin);
  const feeds = new Set<LevelFeed>();
  let newest: LevelFeed | null = null;
  let keys = 0;
  const freshKey = (): string => `checker ${++keys}`;

  function* allSubjects(): Generator<Subject> {
    for (const [vs, v] of servers) {
      yield { vs, rs: null };
      for (const rs of v.checkers.keys()) yield { vs, rs };
    }
  }
  const realServerLevel = (vs: string, id: string): RealServerLevel | null => {
    const v = servers.get(vs);
    const rs = v?.driver.state().realServers.get(id);
    const since = v?.since.get(id);
    if (rs === undefined || since === undefined) return null;
    const { reason } = rs;
    return { vs, rs: id, up: isUp(rs), delta: weightDelta(rs), reason, since: since.at };
  };
  const virtualServerLevel = (vs: string): VirtualServerLevel | null => {
    const v = servers.get(vs);
    if (v === undefined || v.quorum === null) return null;
    const { up: quorumUp, reason, since } = v.quorum;
    return { vs, quorumUp, liveWeight: totalLiveWeight(v.driver.state()), reason, since };
  };
  const changed = (vs: string, rs: string | null): void => {
    for (const f of feeds) f.changed(vs, rs);
  };

  const perform = (vs: string, v: RunningVirtualServer, e: VirtualServerEffect): void => {
    switch (e.type) {
      case 'realServer':
        if (v.since.get(e.rs)?.up !== e.up) v.since.set(e.rs, { up: e.up, at: o.wallClock() });
        changed(vs, e.rs);
        return;
      case 'quorum':
        v.quorum = { up: e.up, reason: e.reason, since: o.wallClock() };
        changed(vs, null);
        return;
      case 'liveWeight':
        changed(vs, null);
        return;
      case 'log':
        o.log({ level: e.level, vs, rs: e.rs, msg: e.msg, fields: {} });
        return;
      default:
        unreachable(e);
    }
  };

  const startVirtualServer = (id: string): RunningVirtualServer => {
    const journal = o.journal?.virtualServer(id);
    const v: RunningVirtualServer = {
      driver: drive({
        machine: virtualServer,
        initial: newVirtualServer(id),
        clock: o.clock,
        perform: (e) => perform(id, v, e),
        ...(journal === undefined ? {} : { journal }),
      }),
      checkers: new Map(),
      since: new Map(),
      quorum: null,
      suspended: false,
    };
    return v;
  };

  const newRunning = (
    vs: string,
    v: RunningVirtualServer,
    rs: string,
    key: string,
    config: CheckerConfig,
  ): RunningChecker =>
    startChecker(key, config, {
      clock: o.clock,
      queue,
      report: (verdict) => v.driver.feed({ type: 'verdict', rs, checker: key, verdict }),
      log: (level, msg, fields) => o.log({ level, vs, rs, msg, fields }),
      journal: o.journal?.checker(`${vs} ${rs} ${key}`) ?? null,
    });

  /** A new checker of a known real server starts as the server is, another one by `held`. */
  const begin = (v: RunningVirtualServer, c: RunningChecker, up: boolean | null): void => {
    const random = o.random();
    c.driver.feed(up === null ? { type: 'start', random } : { type: 'adopt', up, random });
    if (v.suspended) c.driver.feed({ type: 'suspend' });
  };

  const configureRealServer = (
    vs: string,
    v: RunningVirtualServer,
    config: RealServerConfig,
  ): ConfiguredRealServer => {
    const before = v.driver.state().realServers.get(config.id);
    const old = v.checkers.get(config.id) ?? [];
    const byKey = new Map(old.map((c) => [c.key, c]));
    const plan = reconcile(
      old.map((c) => ({ key: c.key, config: c.driver.state().config })),
      config.checkers,
      freshKey,
    );
    for (const key of plan.removed) {
      const gone = byKey.get(key);
      if (gone !== undefined) stopChecker(gone);
    }
    const startsUp = before === undefined ? isHeldUp(config.held) : isUp(before);
    const running = plan.checkers.map((p): RunningChecker => {
      const c = byKey.get(p.key);
      if (c !== undefined) {
        c.driver.feed({ type: 'configure', config: p.config, random: o.random() });
        return c;
      }
      const fresh = newRunning(vs, v, config.id, p.key, p.config);
      begin(v, fresh, startsUp);
      return fresh;
    });
    v.checkers.set(config.id, running);
    const reason = config.held === null ? notChecked : asBefore;
    const verdicts = new Map(
      running.map((c): [string, Verdict] => {
        const { up, weightDelta: delta } = c.driver.state();
        return [c.key, before?.verdicts.get(c.key) ?? { up, weightDelta: delta, reason }];
      }),
    );
    return { id: config.id, weight: config.weight, verdicts, reason };
  };

  const removeRealServer = (v: RunningVirtualServer, rs: string): void => {
    for (const c of v.checkers.get(rs) ?? []) stopChecker(c);
    v.checkers.delete(rs);
    v.since.delete(rs);
  };

  const suspend = (v: RunningVirtualServer, suspended: boolean): void => {
    if (v.suspended === suspended) return;
    v.suspended = suspended;
    for (const list of v.checkers.values())
      for (const c of list)
        c.driver.feed(suspended ? { type: 'suspend' } : { type: 'resume', random: o.random() });
  };

  const configureVirtualServer = (c: VirtualServerConfig): void => {
    const v = servers.get(c.id) ?? startVirtualServer(c.id);
    servers.set(c.id, v);
    const wanted = new Set(c.realServers.map((rs) => rs.id));
    for (const rs of [...v.checkers.keys()]) if (!wanted.has(rs)) removeRealServer(v, rs);
    suspend(v, c.suspended);
    const { quorum, hysteresis, alpha, quorumHeld } = c;
    v.driver.feed({
      type: 'configure',
      config: { quorum, hysteresis, alpha },
      quorumHeld,
      realServers: c.realServers.map((rs) => configureRealServer(c.id, v, rs)),
    });
  };

  const removeVirtualServer = (id: string): void => {
    const v = servers.get(id);
    if (v === undefined) return;
    for (const rs of [...v.checkers.keys()]) removeRealServer(v, rs);
    v.driver.stop();
    servers.delete(id);
  };

  const configuring = configureQueue({
    now: o.clock.now,
    later: o.later,
    apply: configureVirtualServer,
    remove: removeVirtualServer,
    known: () => servers.keys(),
    done: (revision) => newest?.sendAfter({ type: 'configured', revision }),
  });

  const receive = (m: ToHealthcheck): void => {
    if (m.type === 'configure') configuring.add(m);
    else if (m.type === 'suspend') {
      const v = servers.get(m.virtualServer);
      if (v !== undefined) suspend(v, m.suspended);
    }
  };

  const countCheckers = (): number => {
    let n = 0;
    for (const v of servers.values()) for (const list of v.checkers.values()) n += list.length;
    return n;
  };

  return {
    attach: (send) => {
      const feed = levelFeed({
        all: allSubjects,
        realServer: realServerLevel,
        virtualServer: virtualServerLevel,
        send,
        later: o.later,
      });
      feeds.add(feed);
      newest = feed;
      configuring.reset();
      return {
        // An older controller, replaced by now, must not take back what the new one configured.
        receive: (m) => {
          if (newest === feed) receive(m);
        },
        close: () => {
          feed.close();
          feeds.delete(feed);
          if (newest === feed) newest = null;
        },
      };
    },
    counters: () => ({ checkers: countCheckers(), ...queue.counters() }),
    stop: () => {
      configuring.reset();
      for (const id of [...servers.keys()]) removeVirtualServer(id);
    },
  };
}
