/**
 * All that the controller knows at one moment, and how each piece of news changes it. Whatever is decided is decided from
 * this value alone (plan.ts), so two nodes with the same facts do the same.
 */
import type { Config } from '../config/config.js';
import type { Snapshot } from '../dataplane/snapshot.js';
import type { FromHealthcheck } from '../healthcheck/messages.js';
import { type Millis, unreachable } from '../kernel/machine.js';
import type { FromVrrp } from '../vrrp/legacy-messages.js';
import type { VrrpState } from '../vrrp/messages.js';
import { emptyRuntime, type Runtime } from './runtime/types.js';

/** Milliseconds since the epoch: for people to read, never compared with a deadline. */
export type WallMs = number;

export interface VrrpFact {
  readonly state: VrrpState;
  readonly reason: string;
  readonly since: WallMs;
  readonly priority: number;
  readonly activeAddress: string | null;
  /** It has asked for its addresses and not given them back. */
  readonly holds: boolean;
}

export interface RealServerFact {
  readonly up: boolean;
  /** Configured weight and what its checkers add. */
  readonly weight: number;
  readonly reason: string;
  readonly since: WallMs;
}

export interface QuorumFact {
  readonly up: boolean;
  readonly reason: string;
  readonly since: WallMs;
}

export type DataplaneFact =
  | { readonly state: 'connecting'; readonly reason: string }
  | {
      readonly state: 'up';
      readonly pid: number;
      readonly workers: number;
      /** Last generation it acknowledged to this controller; null: none yet. */
      readonly acked: { readonly generation: number; readonly snapshot: Snapshot } | null;
      /** Why the newest wish was refused; null: it was not. */
      readonly rejected: string | null;
    };

export interface Facts {
  readonly config: Config;
  /** What commands have set beside it. */
  readonly runtime: Runtime;
  readonly vrrp: ReadonlyMap<string, VrrpFact>;
  /** By `realServerId`. */
  readonly realServers: ReadonlyMap<string, RealServerFact>;
  /** By virtual server id. */
  readonly quorums: ReadonlyMap<string, QuorumFact>;
  readonly dataplane: DataplaneFact;
  /** Real servers which the data plane held when this controller began, by `realServerId`; null: nothing is known. */
  readonly adopted: ReadonlySet<string> | null;
  /** The node is going down: nothing is announced any more. */
  readonly stopping: boolean;
}

export type Input =
  | { readonly type: 'config'; readonly config: Config }
  | { readonly type: 'runtime'; readonly runtime: Runtime }
  | { readonly type: 'vrrp'; readonly message: FromVrrp }
  | { readonly type: 'vrrpGone'; readonly reason: string }
  | { readonly type: 'healthcheck'; readonly message: FromHealthcheck }
  | {
      readonly type: 'dataplaneUp';
      readonly pid: number;
      readonly workers: number;
      readonly adopted: ReadonlySet<string> | null;
    }
  | { readonly type: 'dataplaneAcked'; readonly generation: number; readonly snapshot: Snapshot }
  | { readonly type: 'dataplaneRejected'; readonly reason: string }
  | { readonly type: 'dataplaneLost'; readonly reason: string }
  | { readonly type: 'stop' };

/** Unique over all virtual servers. */
export const realServerId = (vs: string, rs: string): string => `${vs} ${rs}`;

export const initialFacts = (config: Config): Facts => ({
  config,
  runtime: emptyRuntime,
  vrrp: new Map(),
  realServers: new Map(),
  quorums: new Map(),
  dataplane: { state: 'connecting', reason: 'not connected yet' },
  adopted: null,
  stopping: false,
});

const withEntry = <K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> =>
  new Map(map).set(key, value);

const unknownVrrp: VrrpFact = {
  state: 'initialize',
  reason: 'starting',
  since: 0,
  priority: 0,
  activeAddress: null,
  holds: false,
};

const learnVrrp = (f: Facts, m: FromVrrp): Facts => {
  switch (m.type) {
    case 'state': {
      const before = f.vrrp.get(m.instance) ?? unknownVrrp;
      const { state, reason, since, priority, activeAddress } = m;
      const fact = { ...before, state, reason, since, priority, activeAddress };
      return { ...f, vrrp: withEntry(f.vrrp, m.instance, fact) };
    }
    case 'takeVips':
    case 'releaseVips': {
      const before = f.vrrp.get(m.instance) ?? unknownVrrp;
      const fact = { ...before, holds: m.type === 'takeVips' };
      return { ...f, vrrp: withEntry(f.vrrp, m.instance, fact) };
    }
    case 'ready':
    case 'garp':
    case 'log':
    case 'heartbeat':
    case 'stopped':
      return f;
    default:
      return unreachable(m);
  }
};

const learnHealth = (f: Facts, m: FromHealthcheck): Facts => {
  if (m.type === 'realServer') {
    const { up, weight, reason, since } = m;
    const fact = { up, weight, reason, since };
    return { ...f, realServers: withEntry(f.realServers, realServerId(m.vs, m.rs), fact) };
  }
  if (m.type === 'virtualServer') {
    const fact = { up: m.quorumUp, reason: m.reason, since: m.since };
    return { ...f, quorums: withEntry(f.quorums, m.vs, fact) };
  }
  return f;
};

/** The facts after one piece of news. Time is not a fact; `_now` is part of the shape every machine has. */
export const learn = (f: Facts, input: Input, _now: Millis): Facts => {
  switch (input.type) {
    case 'config':
      return { ...f, config: input.config };
    case 'runtime':
      return { ...f, runtime: input.runtime };
    case 'vrrp':
      return learnVrrp(f, input.message);
    case 'vrrpGone': {
      // Nobody speaks for the addresses any more, so nobody may answer for them (law 4).
      const gone = (v: VrrpFact): VrrpFact => ({
        ...v,
        state: 'initialize',
        reason: `vrrp process ${input.reason}`,
        holds: false,
      });
      return { ...f, vrrp: new Map([...f.vrrp].map(([k, v]) => [k, gone(v)])) };
    }
    case 'healthcheck':
      return learnHealth(f, input.message);
    case 'dataplaneUp': {
      const { pid, workers, adopted } = input;
      const dataplane = { state: 'up', pid, workers, acked: null, rejected: null } as const;
      return { ...f, dataplane, adopted: f.adopted ?? adopted };
    }
    case 'dataplaneAcked': {
      if (f.dataplane.state !== 'up') return f;
      const { generation, snapshot } = input;
      return {
        ...f,
        dataplane: { ...f.dataplane, acked: { generation, snapshot }, rejected: null },
      };
    }
    case 'dataplaneRejected':
      return f.dataplane.state === 'up'
        ? { ...f, dataplane: { ...f.dataplane, rejected: input.reason } }
        : f;
    case 'dataplaneLost':
      return { ...f, dataplane: { state: 'connecting', reason: input.reason } };
    case 'stop':
      return { ...f, stopping: true };
    default:
      return unreachable(input);
  }
};
