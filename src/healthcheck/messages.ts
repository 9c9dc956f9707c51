/**
 * The messages between the healthcheck process and its clients, over <run-dir>/healthcheck/link.sock.
 *
 * When a client connects, the process first reports its whole state (`states`, `whole: true`); the
 * controller then sends the whole desired set (`configure`, `whole: true`). Later both sides send
 * what changed, always as levels. After a `configure` the states it changed are reported before
 * `configured`, so `configured` means that the revision is in force here.
 *
 * Large sets are cut into pages, so that neither side blocks its loop for a set of 100,000: `more`
 * is true on all pages of a set but the last. The pages of one set are not interleaved with others.
 */
import type { VirtualServerConfig } from './types.js';

export type ToHealthcheck =
  | {
      readonly type: 'configure';
      /** Echoed in `configured`; the same on all pages. */
      readonly revision: number;
      /** Virtual servers that no page of this set names are removed. */
      readonly whole: boolean;
      readonly more: boolean;
      /** New ones and changed ones; each with all its real servers. */
      readonly virtualServers: readonly VirtualServerConfig[];
      /** Ids of virtual servers to remove; of use where the set is not whole. */
      readonly removed: readonly string[];
    }
  /** Until the controller connects over the socket: ha_suspend, now a level in `configure`. */
  | { readonly type: 'suspend'; readonly virtualServer: string; readonly suspended: boolean }
  /** Until the controller connects over the socket: stop every probe, answer `stopped`, end. */
  | { readonly type: 'shutdown' };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface HealthcheckCounters {
  readonly checkers: number;
  readonly probesStarted: number;
  readonly probesOk: number;
  readonly probesFailed: number;
  readonly probesInconclusive: number;
  /** On the wire now. */
  readonly probesRunning: number;
  /** Due, waiting for one of the bounded number of places. */
  readonly probesQueued: number;
}

export interface RealServerLevel {
  readonly vs: string;
  readonly rs: string;
  readonly up: boolean;
  /** Sum of what the checkers add to the configured weight; the receiver computes the weight. */
  readonly delta: number;
  readonly reason: string;
  /** Milliseconds since the epoch of the last change of `up`. */
  readonly since: number;
}

export interface VirtualServerLevel {
  readonly vs: string;
  readonly quorumUp: boolean;
  /** Sum of the weights of the real servers that are up. */
  readonly liveWeight: number;
  readonly reason: string;
  /** Milliseconds since the epoch of the last change of `quorumUp`. */
  readonly since: number;
}

export type FromHealthcheck =
  | {
      readonly type: 'states';
      /** Real and virtual servers that no page of this set names are unknown to the process. */
      readonly whole: boolean;
      readonly more: boolean;
      readonly realServers: readonly RealServerLevel[];
      readonly virtualServers: readonly VirtualServerLevel[];
    }
  | { readonly type: 'configured'; readonly revision: number }
  | {
      /** About once a second. */
      readonly type: 'counters';
      readonly counters: HealthcheckCounters;
      /** Longest delay of a timer since the last report, ms. */
      readonly latestTimerMs: number;
      /** Why the journal is not written; null: it is. */
      readonly journalTrouble: string | null;
    };
