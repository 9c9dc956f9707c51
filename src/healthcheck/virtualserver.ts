/**
 * A virtual server's quorum. Inputs are its configuration and the verdicts on its real servers'
 * checkers; effects are what changed: real servers going up and down, what their checkers add to
 * the weight, quorum gained or lost. Hysteresis keeps the quorum from flapping: it is gained at
 * quorum + hysteresis, and lost below quorum - hysteresis or at 0.
 */

import type { Machine, Step } from '../kernel/machine.js';
import type { LogLevel } from './messages.js';
import {
  isUp,
  liveWeight,
  notChecked,
  type RealServer,
  type Verdict,
  weightDelta,
  withChecks,
  withVerdict,
} from './realserver.js';

export interface QuorumConfig {
  readonly quorum: number;
  readonly hysteresis: number;
  readonly alpha: boolean;
}

export interface VirtualServerState {
  readonly id: string;
  readonly config: QuorumConfig;
  /** In the order of the configuration. */
  readonly realServers: ReadonlyMap<string, RealServer>;
  /** null: not configured yet. */
  readonly quorumUp: boolean | null;
}

export interface ConfiguredRealServer {
  readonly id: string;
  readonly weight: number;
  /** What each checker holds now, by its key. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** Shown for a server that is new. */
  readonly reason: string;
}

export type VirtualServerInput =
  | {
      readonly type: 'configure';
      readonly config: QuorumConfig;
      /** Where the quorum begins; null: up, unless `alpha`. Ignored once the quorum is known. */
      readonly quorumHeld: boolean | null;
      readonly realServers: readonly ConfiguredRealServer[];
    }
  | {
      readonly type: 'verdict';
      readonly rs: string;
      readonly checker: string;
      readonly verdict: Verdict;
    };

export type VirtualServerEffect =
  | {
      readonly type: 'realServer';
      readonly rs: string;
      readonly up: boolean;
      readonly delta: number;
      readonly reason: string;
    }
  | { readonly type: 'quorum'; readonly up: boolean; readonly reason: string }
  /** The sum of the weights of the real servers that are up has changed. */
  | { readonly type: 'liveWeight' }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly rs: string | null;
      readonly msg: string;
    };

type Next = Step<VirtualServerState, VirtualServerEffect>;

export const newVirtualServer = (id: string): VirtualServerState => ({
  id,
  config: { quorum: 1, hysteresis: 0, alpha: false },
  realServers: new Map(),
  quorumUp: null,
});

export function totalLiveWeight(s: VirtualServerState): number {
  let sum = 0;
  for (const rs of s.realServers.values()) sum += liveWeight(rs);
  return sum;
}

/** What the quorum is once `live` is known; between the thresholds it stays what it was. */
export function quorumAfter(wasUp: boolean, c: QuorumConfig, live: number): boolean {
  if (live === 0 || live < c.quorum - c.hysteresis) return false;
  return wasUp || live >= c.quorum + c.hysteresis;
}

function quorumReason(up: boolean, c: QuorumConfig, live: number): string {
  if (up) return `Gained quorum ${c.quorum}+${c.hysteresis}=${c.quorum + c.hysteresis} <= ${live}`;
  return `Lost quorum ${c.quorum}-${c.hysteresis}=${c.quorum - c.hysteresis} > ${live}`;
}

/** Judges the quorum anew; `before` is null when it has not been reported yet. */
function judged(s: VirtualServerState, before: boolean | null, start: boolean): Next {
  const live = totalLiveWeight(s);
  const up = quorumAfter(before ?? start, s.config, live);
  const next = { ...s, quorumUp: up };
  if (up === before) return [next, []];
  const changed = before !== null || up !== start;
  const reason = changed ? quorumReason(up, s.config, live) : notChecked;
  const report: VirtualServerEffect = { type: 'quorum', up, reason };
  if (!changed) return [next, [report]];
  const log: VirtualServerEffect = {
    type: 'log',
    level: up ? 'info' : 'warn',
    rs: null,
    msg: `${reason} for VS ${s.id}`,
  };
  return [next, [report, log]];
}

function movedEffects(
  vs: string,
  before: RealServer | null,
  now: RealServer,
): readonly VirtualServerEffect[] {
  const up = isUp(now);
  const delta = weightDelta(now);
  const report: VirtualServerEffect = {
    type: 'realServer',
    rs: now.id,
    up,
    delta,
    reason: now.reason,
  };
  if (before === null) return [report];
  if (isUp(before) !== up)
    return [
      report,
      {
        type: 'log',
        level: up ? 'info' : 'warn',
        rs: now.id,
        msg: `${up ? 'Adding' : 'Removing'} service ${now.id} ${up ? 'to' : 'from'} VS ${vs}`,
      },
    ];
  return weightDelta(before) === delta && before.reason === now.reason ? [] : [report];
}

const weighed = (
  before: VirtualServerState,
  now: VirtualServerState,
): readonly VirtualServerEffect[] =>
  totalLiveWeight(before) === totalLiveWeight(now) ? [] : [{ type: 'liveWeight' }];

function configured(
  s: VirtualServerState,
  e: Extract<VirtualServerInput, { type: 'configure' }>,
): Next {
  const realServers = new Map<string, RealServer>();
  const effects: VirtualServerEffect[] = [];
  for (const c of e.realServers) {
    const before = s.realServers.get(c.id) ?? null;
    const base = before ?? {
      id: c.id,
      configuredWeight: c.weight,
      verdicts: c.verdicts,
      reason: c.reason,
    };
    const merged = withChecks(base, c.weight, c.verdicts);
    const moved = before !== null && isUp(before) !== isUp(merged);
    const now = moved ? { ...merged, reason: 'configuration changed' } : merged;
    realServers.set(c.id, now);
    effects.push(...movedEffects(s.id, before, now));
  }
  const [next, quorum] = judged(
    { ...s, config: e.config, realServers },
    s.quorumUp,
    e.quorumHeld ?? !e.config.alpha,
  );
  return [next, [...effects, ...weighed(s, next), ...quorum]];
}

function verdictGiven(
  s: VirtualServerState,
  e: Extract<VirtualServerInput, { type: 'verdict' }>,
): Next {
  const before = s.realServers.get(e.rs);
  if (before === undefined) return [s, []];
  const now = withVerdict(before, e.checker, e.verdict);
  if (now === before) return [s, []];
  const effects = movedEffects(s.id, before, now);
  const moved = { ...s, realServers: new Map(s.realServers).set(e.rs, now) };
  const [next, quorum] = judged(moved, s.quorumUp, !s.config.alpha);
  return [next, [...effects, ...weighed(s, next), ...quorum]];
}

export const virtualServer: Machine<VirtualServerState, VirtualServerInput, VirtualServerEffect> = {
  deadline: () => null,
  step(s, e) {
    if (e.type === 'tick') return [s, []];
    return e.type === 'configure' ? configured(s, e) : verdictGiven(s, e);
  },
};
