/**
 * The shell of the health checks: one driven machine for each checker and each virtual server, wired to each other. In
 * flow the controller's messages, out flow messages to it and probes to start. Clock, chance, probes and wall time are
 * handed in, so a test lives through hours in a moment.
 */

import { type Clock, type Driver, drive, type Entry } from '../kernel/driver.js';
import { unreachable } from '../kernel/machine.js';
import {
  type CheckerEffect,
  type CheckerInput,
  type CheckerState,
  checker,
  newChecker,
} from './fsm.js';
import type { FromHealthcheck, HealthcheckCounters, ToHealthcheck } from './messages.js';
import { type BeginProbe, probeQueue } from './queue.js';
import { isUp, type Verdict } from './realserver.js';
import { reconcile } from './reconcile.js';
import type { CheckerConfig, RealServerConfig, VirtualServerConfig } from './types.js';
import {
  type ConfiguredRealServer,
  newVirtualServer,
  type VirtualServerEffect,
  type VirtualServerInput,
  type VirtualServerState,
  virtualServer,
} from './virtualserver.js';

export interface ServiceOptions {
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly begin: BeginProbe;
  /** Probes on the wire at once. */
  readonly maxProbes: number;
  readonly send: (m: FromHealthcheck) => void;
  /** Law 10: every input of every machine; `machine` names it. */
  readonly journal?: (machine: string, e: Entry<CheckerInput | VirtualServerInput>) => void;
}

export interface HealthService {
  readonly receive: (m: ToHealthcheck) => void;
  readonly counters: () => HealthcheckCounters;
}

interface RunningChecker {
  readonly key: string;
  readonly driver: Driver<CheckerState, CheckerInput>;
}

interface RunningVirtualServer {
  readonly driver: Driver<VirtualServerState, VirtualServerInput>;
  /** Checkers of each real server, in the order of the configuration. */
  readonly checkers: Map<string, readonly RunningChecker[]>;
  /** Since when a real server is as it is; `up` is what was told. */
  readonly since: Map<string, { readonly up: boolean; readonly at: number }>;
  suspended: boolean;
}

const held = (h: RealServerConfig['held']): boolean | null => (h === null ? null : h === 'up');

export function healthService(o: ServiceOptions): HealthService {
  const servers = new Map<string, RunningVirtualServer>();
  const queue = probeQueue(o.maxProbes, o.begin);
  let keys = 0;
  const freshKey = (): string => `checker ${++keys}`;

  const tell = (vs: string, v: RunningVirtualServer, e: VirtualServerEffect): void => {
    switch (e.type) {
      case 'realServer': {
        const was = v.since.get(e.rs);
        const since = was?.up === e.up ? was.at : o.wallClock();
        v.since.set(e.rs, { up: e.up, at: since });
        o.send({ ...e, vs, since });
        return;
      }
      case 'quorum': {
        const { up: quorumUp, liveWeight, reason } = e;
        const since = o.wallClock();
        o.send({ type: 'virtualServer', vs, quorumUp, liveWeight, reason, since });
        return;
      }
      case 'log':
        o.send({ ...e, vs, fields: {} });
        return;
      default:
        unreachable(e);
    }
  };

  const startVirtualServer = (id: string): RunningVirtualServer => {
    const v: RunningVirtualServer = {
      driver: drive({
        machine: virtualServer,
        initial: newVirtualServer(id),
        clock: o.clock,
        perform: (e) => tell(id, v, e),
        ...(o.journal === undefined
          ? {}
          : { journal: (e: Entry<VirtualServerInput>) => o.journal?.(id, e) }),
      }),
      checkers: new Map(),
      since: new Map(),
      suspended: false,
    };
    return v;
  };

  const startChecker = (
    vs: string,
    v: RunningVirtualServer,
    rs: string,
    key: string,
    config: CheckerConfig,
  ): RunningChecker => {
    let cancel: (() => void) | null = null;
    const perform = (e: CheckerEffect): void => {
      switch (e.type) {
        case 'startProbe':
          cancel = queue.add(e.probe, {
            started: () => driver.feed({ type: 'probeStarted', id: e.id }),
            ended: (result) => driver.feed({ type: 'probeResult', id: e.id, result }),
          });
          return;
        case 'cancelProbe':
          cancel?.();
          return;
        case 'report': {
          const { up, weightDelta, reason } = e;
          v.driver.feed({
            type: 'verdict',
            rs,
            checker: key,
            verdict: { up, weightDelta, reason },
          });
          return;
        }
        case 'log':
          o.send({ ...e, vs, rs });
          return;
        default:
          unreachable(e);
      }
    };
    const driver: Driver<CheckerState, CheckerInput> = drive({
      machine: checker,
      initial: newChecker(config),
      clock: o.clock,
      perform,
      ...(o.journal === undefined
        ? {}
        : { journal: (e: Entry<CheckerInput>) => o.journal?.(`${vs} ${rs} ${key}`, e) }),
    });
    return { key, driver };
  };

  const stopChecker = (c: RunningChecker): void => {
    c.driver.feed({ type: 'shutdown' });
    c.driver.stop();
  };

  /** A new checker of a known real server starts as the server is; of a new one as adopted, else by the rule of alpha. */
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
    const heldUp = before === undefined ? held(config.held) : isUp(before);
    const running = plan.checkers.map((p): RunningChecker => {
      const c = byKey.get(p.key);
      if (c !== undefined) {
        c.driver.feed({ type: 'configure', config: p.config, random: o.random() });
        return c;
      }
      const fresh = startChecker(vs, v, config.id, p.key, p.config);
      begin(v, fresh, heldUp);
      return fresh;
    });
    v.checkers.set(config.id, running);
    const reason = config.held === null ? 'start' : 'adopted';
    const verdicts = new Map(
      running.map((c): [string, Verdict] => {
        const { up, weightDelta } = c.driver.state();
        return [c.key, before?.verdicts.get(c.key) ?? { up, weightDelta, reason }];
      }),
    );
    return { id: config.id, weight: config.weight, verdicts, reason };
  };

  const removeRealServer = (v: RunningVirtualServer, rs: string): void => {
    for (const c of v.checkers.get(rs) ?? []) stopChecker(c);
    v.checkers.delete(rs);
    v.since.delete(rs);
  };

  const configureVirtualServer = (c: VirtualServerConfig): void => {
    const v = servers.get(c.id) ?? startVirtualServer(c.id);
    servers.set(c.id, v);
    const wanted = new Set(c.realServers.map((rs) => rs.id));
    for (const rs of [...v.checkers.keys()]) if (!wanted.has(rs)) removeRealServer(v, rs);
    const { quorum, hysteresis, alpha, quorumHeld } = c;
    v.driver.feed({
      type: 'configure',
      config: { quorum, hysteresis, alpha },
      adoptQuorumUp: quorumHeld,
      realServers: c.realServers.map((rs) => configureRealServer(c.id, v, rs)),
    });
  };

  const removeVirtualServer = (id: string, v: RunningVirtualServer): void => {
    for (const rs of [...v.checkers.keys()]) removeRealServer(v, rs);
    v.driver.stop();
    servers.delete(id);
  };

  const configure = (m: Extract<ToHealthcheck, { type: 'configure' }>): void => {
    const wanted = new Set(m.virtualServers.map((c) => c.id));
    for (const [id, v] of [...servers]) if (!wanted.has(id)) removeVirtualServer(id, v);
    for (const c of m.virtualServers) configureVirtualServer(c);
    o.send({ type: 'configured', revision: m.revision });
  };

  const suspend = (id: string, suspended: boolean): void => {
    const v = servers.get(id);
    if (v === undefined || v.suspended === suspended) return;
    v.suspended = suspended;
    for (const list of v.checkers.values())
      for (const c of list)
        c.driver.feed(suspended ? { type: 'suspend' } : { type: 'resume', random: o.random() });
  };

  const receive = (m: ToHealthcheck): void => {
    if (m.type === 'configure') configure(m);
    else if (m.type === 'suspend') suspend(m.virtualServer, m.suspended);
    else {
      for (const [id, v] of [...servers]) removeVirtualServer(id, v);
      o.send({ type: 'stopped' });
    }
  };

  const countCheckers = (): number => {
    let n = 0;
    for (const v of servers.values()) for (const list of v.checkers.values()) n += list.length;
    return n;
  };

  return { receive, counters: () => ({ checkers: countCheckers(), ...queue.counters() }) };
}
