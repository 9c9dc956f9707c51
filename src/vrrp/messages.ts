/**
 * What the controller and the vrrp process say to each other over the fork's channel: plain data, the contract.
 *
 * The controller configures instances by name, says whether the data plane can serve their addresses, and moves the
 * addresses when asked; the vrrp process speaks on the wire and decides who is active. An instance stays out of the
 * election ('initialize') until the first `serviceable` for it arrives. When the channel closes, the vrrp process
 * yields every address with priority 0 and ends.
 */

export type Authentication =
  | { readonly type: 'none' }
  /** Up to 8 characters, sent in clear (RFC 2338 §5.3.6.2); version 2 only. */
  | { readonly type: 'pass'; readonly password: string };

export interface GarpConfig {
  /** Frames for each address when it is taken, and again `delayMs` later. */
  readonly repeat: number;
  /** 0: no second burst. */
  readonly delayMs: number;
  /** 0: no refresh while active. */
  readonly refreshMs: number;
  readonly refreshRepeat: number;
  /** Answer to an advert of lower priority while active; 0: none. */
  readonly lowerPrioRepeat: number;
  readonly lowerPrioDelayMs: number;
}

export interface InstanceConfig {
  readonly name: string;
  /** Linux interface that carries the adverts: `<dev>.kni`, or any other. */
  readonly interface: string;
  readonly vrid: number;
  readonly version: 2 | 3;
  /** 1..255; 255 is the address owner. */
  readonly priority: number;
  readonly advertMs: number;
  /** Matters only with priority 255: active at once. */
  readonly initialState: 'backup' | 'active';
  readonly preempt: boolean;
  readonly preemptDelayMs: number;
  readonly downTimerAdverts: number;
  /** Virtual addresses carried in the adverts, IPv4 without a prefix length, in their order. */
  readonly addresses: readonly string[];
  /** virtual_ipaddress_excluded: taken and announced by ARP, not carried in adverts. */
  readonly excludedAddresses: readonly string[];
  readonly authentication: Authentication;
  /** mcast_src_ip or unicast_src_ip; null takes the interface's first address. */
  readonly sourceAddress: string | null;
  readonly multicastGroup: string;
  /** Empty: multicast. */
  readonly unicastPeers: readonly string[];
  readonly unicastTtl: number;
  readonly checkUnicastSource: boolean;
  readonly lowerPrioNoAdvert: boolean;
  readonly higherPrioSendAdvert: boolean;
  readonly skipCheckAdvertAddresses: boolean;
  readonly v3ChecksumAsV2: boolean;
  readonly dontTrackPrimary: boolean;
  readonly garp: GarpConfig;
}

/** What keepalived does where the file says nothing; spread it and set what is known. */
export const instanceDefaults: Omit<InstanceConfig, 'name' | 'interface' | 'vrid' | 'addresses'> = {
  version: 2,
  priority: 100,
  advertMs: 1000,
  initialState: 'backup',
  preempt: true,
  preemptDelayMs: 0,
  downTimerAdverts: 3,
  excludedAddresses: [],
  authentication: { type: 'none' },
  sourceAddress: null,
  multicastGroup: '224.0.0.18',
  unicastPeers: [],
  unicastTtl: 255,
  checkUnicastSource: false,
  lowerPrioNoAdvert: false,
  higherPrioSendAdvert: false,
  skipCheckAdvertAddresses: false,
  v3ChecksumAsV2: false,
  dontTrackPrimary: false,
  garp: {
    repeat: 5,
    delayMs: 5000,
    refreshMs: 0,
    refreshRepeat: 1,
    lowerPrioRepeat: 5,
    lowerPrioDelayMs: 5000,
  },
};

/** All or none: members become active, backup and fault together. */
export interface SyncGroupConfig {
  readonly name: string;
  readonly members: readonly string[];
}

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

export type VrrpState = 'initialize' | 'backup' | 'active' | 'fault';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** keepalived's statistics (SIGUSR2, JSON), counted since the instance began. */
export interface InstanceCounters {
  readonly advertsReceived: number;
  readonly advertsSent: number;
  readonly becameActive: number;
  readonly releasedActive: number;
  readonly packetLengthErrors: number;
  readonly ttlErrors: number;
  readonly invalidType: number;
  readonly versionErrors: number;
  readonly checksumErrors: number;
  readonly advertIntervalErrors: number;
  readonly addressListErrors: number;
  readonly invalidAuthType: number;
  readonly authTypeMismatch: number;
  readonly authFailures: number;
  readonly sourceErrors: number;
  readonly priorityZeroReceived: number;
  readonly priorityZeroSent: number;
  readonly sendErrors: number;
}

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
