/** The messages of the forked vrrp process; they go when the controller uses the socket. */
import type {
  InstanceConfig,
  InstanceCounters,
  LogFields,
  LogLevel,
  SyncGroupConfig,
  VrrpState,
} from './messages.js';

export type ToVrrp =
  | {
      /** The whole desired set, every time; instances are matched by interface and VRID, and keep their state. */
      readonly type: 'configure';
      readonly instances: readonly InstanceConfig[];
      readonly syncGroups: readonly SyncGroupConfig[];
    }
  | {
      /** Law 4: may this instance hold its addresses? `reason` says why not (or why so). */
      readonly type: 'serviceable';
      readonly instance: string;
      readonly ok: boolean;
      readonly reason: string;
    }
  /** Sum of the weighted trackers, clamped into the priority by the instance. */
  | { readonly type: 'priorityDelta'; readonly instance: string; readonly delta: number }
  /** The data plane acknowledged a generation that has the addresses: ARP may be announced. */
  | { readonly type: 'vipsTaken'; readonly instance: string; readonly generation: number }
  | { readonly type: 'vipsReleased'; readonly instance: string }
  /**
   * The controller lives and will say so again within `leaseMs`. When it does not (it hangs), the data plane's lease of the
   * addresses runs out too, so every instance yields until the next `alive`. Without any `alive` there is no lease.
   */
  | { readonly type: 'alive'; readonly leaseMs: number }
  /** Yield with priority 0, then answer `stopped` and end. */
  | { readonly type: 'shutdown' };

export type FromVrrp =
  /** The process is up and listens to its channel. */
  | { readonly type: 'ready'; readonly pid: number }
  | {
      /** Sent at every change of state, priority or active address. */
      readonly type: 'state';
      readonly instance: string;
      readonly interface: string;
      readonly vrid: number;
      readonly state: VrrpState;
      readonly previous: VrrpState;
      readonly reason: string;
      /** Milliseconds since the epoch of the last transition. */
      readonly since: number;
      /** Effective priority. */
      readonly priority: number;
      /** Who is active as far as this node knows: the peer's address, our own source, or null. */
      readonly activeAddress: string | null;
      /** Milliseconds between the adverts of the active router. */
      readonly intervalMs: number;
    }
  /** The first advert has left: put the addresses into the data plane, then answer `vipsTaken`. */
  | { readonly type: 'takeVips'; readonly instance: string; readonly addresses: readonly string[] }
  | {
      readonly type: 'releaseVips';
      readonly instance: string;
      readonly addresses: readonly string[];
    }
  /** Announce each address `repeat` times by gratuitous ARP. */
  | {
      readonly type: 'garp';
      readonly instance: string;
      readonly addresses: readonly string[];
      readonly repeat: number;
    }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly instance: string | null;
      readonly msg: string;
      readonly fields: LogFields;
    }
  | {
      /** About once a second; its absence means that the process hangs. */
      readonly type: 'heartbeat';
      readonly counters: Readonly<Record<string, InstanceCounters>>;
      /** Longest delay of a timer since the last heartbeat, ms. */
      readonly latestTimerMs: number;
    }
  /** Every address is yielded; the process ends. */
  | { readonly type: 'stopped' };
