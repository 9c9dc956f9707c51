/**
 * What the controller and the healthcheck process say to each other over the fork's channel: plain data, the contract.
 *
 * The controller sends the whole desired set each time; what is known keeps its state. The healthcheck process answers
 * with one `realServer` for each real server it did not know, one `virtualServer` for each virtual server it did not
 * know, then `configured`; afterwards it speaks when something changes. When the channel closes, it ends.
 */
import type { VirtualServerConfig } from './types.js';

export type ToHealthcheck =
  | {
      readonly type: 'configure';
      /** Echoed in `configured`. */
      readonly revision: number;
      readonly virtualServers: readonly VirtualServerConfig[];
    }
  /** ha_suspend: checks of a virtual server rest while its address is served elsewhere; states are kept. */
  | { readonly type: 'suspend'; readonly virtualServer: string; readonly suspended: boolean }
  /** Stop every probe, answer `stopped` and end. */
  | { readonly type: 'shutdown' };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export interface HealthcheckCounters {
  readonly checkers: number;
  readonly probesStarted: number;
  readonly probesOk: number;
  readonly probesFailed: number;
  readonly probesInconclusive: number;
  /** Now on the wire. */
  readonly probesRunning: number;
  /** Due, waiting for one of the bounded number of places. */
  readonly probesQueued: number;
}

export type FromHealthcheck =
  /** The process is up and listens to its channel. */
  | { readonly type: 'ready'; readonly pid: number }
  | { readonly type: 'configured'; readonly revision: number }
  | {
      /** Sent when a real server becomes known, goes up or down, or changes its effective weight. */
      readonly type: 'realServer';
      readonly vs: string;
      readonly rs: string;
      readonly up: boolean;
      /** Configured weight and the checkers' deltas. */
      readonly weight: number;
      readonly reason: string;
      /** Milliseconds since the epoch of the last change of `up`. */
      readonly since: number;
    }
  | {
      /** Sent when a virtual server becomes known and when its quorum is gained or lost. */
      readonly type: 'virtualServer';
      readonly vs: string;
      readonly quorumUp: boolean;
      /** Sum of the weights of the real servers that are up. */
      readonly liveWeight: number;
      readonly reason: string;
      readonly since: number;
    }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly vs: string | null;
      readonly rs: string | null;
      readonly msg: string;
      readonly fields: LogFields;
    }
  | {
      /** About once a second; its absence means that the process hangs. */
      readonly type: 'heartbeat';
      readonly counters: HealthcheckCounters;
      /** Longest delay of a timer since the last heartbeat, ms. */
      readonly latestTimerMs: number;
    }
  /** Every probe is ended; the process ends. */
  | { readonly type: 'stopped' };
