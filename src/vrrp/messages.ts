/**
 * The contract between the vrrp process and its clients, the controller and the supervisor: JSON
 * over `<run-dir>/vrrp.sock` (src/kernel/io/link.ts).
 *
 * The vrrp process outlives its clients. When a client connects, the process first reports its whole
 * state (`states` with `whole: true`); the controller then sends everything that it desires. Messages
 * carry levels, so a repeated or a lost message does no harm. A dead controller changes nothing: the
 * configuration, `serviceable` and the priority deltas stay as they were reported last.
 */
import type { Family, RouterId } from './identity.js';

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

/** A virtual address on a DPDK device: what a lease is for and what gratuitous ARP announces. */
export interface Vip {
  readonly device: string;
  readonly address: string;
}

export interface InstanceConfig {
  /** A label for people; the identity is interface, VRID and family. */
  readonly name: string;
  /** Linux interface that carries the adverts: `<dev>.kni`, or any other. */
  readonly interface: string;
  readonly vrid: number;
  readonly family: Family;
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
  /** Every virtual address, excluded ones too, with the DPDK device that answers for it. */
  readonly vips: readonly Vip[];
  /** vip_lease_ms: the data plane answers for a VIP at most this long after the last renewal. */
  readonly leaseMs: number;
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
  family: 'inet',
  version: 2,
  priority: 100,
  advertMs: 1000,
  initialState: 'backup',
  preempt: true,
  preemptDelayMs: 0,
  downTimerAdverts: 3,
  excludedAddresses: [],
  vips: [],
  leaseMs: 2000,
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
  /** A label. */
  readonly name: string;
  readonly members: readonly RouterId[];
}

export interface Serviceable {
  readonly id: RouterId;
  readonly ok: boolean;
  /** Why not, or why. */
  readonly reason: string;
}

export type ToVrrp =
  | {
      /** The whole desired set. An instance with a known identity keeps its state. */
      readonly type: 'configure';
      readonly revision: number;
      readonly instances: readonly InstanceConfig[];
      readonly syncGroups: readonly SyncGroupConfig[];
    }
  | {
      /**
       * Whether the data plane can serve the addresses of each instance (law 4). It holds for the
       * data plane with this boot id alone. null: the controller has no data plane and reports
       * nothing; what it reported before stays.
       */
      readonly type: 'serviceable';
      readonly bootId: string | null;
      /**
       * All are named of whom anything is known. Of the others nothing is known now: what was
       * reported of them last holds on, and never is the lack of news a reason to withdraw.
       */
      readonly whole: boolean;
      readonly instances: readonly Serviceable[];
    }
  /** Sum of the weighted trackers; the instance clamps its priority. */
  | { readonly type: 'priorityDelta'; readonly id: RouterId; readonly delta: number };

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

export interface InstanceState {
  readonly id: RouterId;
  readonly interface: string;
  readonly vrid: number;
  readonly family: Family;
  readonly name: string;
  readonly state: VrrpState;
  /** The state before the last transition. */
  readonly previous: VrrpState;
  readonly reason: string;
  /** Milliseconds since the epoch of the last transition. */
  readonly since: number;
  /** Effective priority. */
  readonly priority: number;
  /** The active router as far as this node knows: the peer's address, our own source, or null. */
  readonly activeAddress: string | null;
  /** Milliseconds between the adverts of the active router. */
  readonly intervalMs: number;
  /** The instance renews the leases of its addresses. */
  readonly holds: boolean;
}

export type FromVrrp =
  | {
      /** Coalesced: one message per turn of the event loop. */
      readonly type: 'states';
      /** Instances that are not named do not exist. */
      readonly whole: boolean;
      readonly instances: readonly InstanceState[];
    }
  /** The answer to `configure`; a whole `states` precedes it. */
  | { readonly type: 'configured'; readonly revision: number }
  | {
      /** About once a second. */
      readonly type: 'counters';
      readonly instances: Readonly<Record<RouterId, InstanceCounters>>;
      /** Longest delay of a timer since the last report, ms. */
      readonly latestTimerMs: number;
      /** LEASE messages that went unanswered. */
      readonly leaseTimeouts: number;
      /** Why the journal is not written; null: it is. */
      readonly journalTrouble: string | null;
    };
