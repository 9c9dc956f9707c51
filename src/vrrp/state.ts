/**
 * State, inputs and effects of one virtual router. Its parameters and surroundings are part of the
 * state, so a reload is an input and a journal replays on its own.
 */
import { after, type Millis, type Step } from '../kernel/machine.js';
import { formatIpv4, type Ipv4, parseIpv4 } from '../net/ipv4.js';
import type {
  InstanceConfig,
  InstanceCounters,
  LogFields,
  LogLevel,
  Vip,
  VrrpState,
} from './messages.js';
import { skewMs } from './timers.js';

/** A second burst of gratuitous ARP, for the VIPs of the first. */
export interface SecondBurst {
  readonly at: Millis;
  readonly vips: readonly string[];
}

/** Where a yield leads to. */
export interface Rest {
  readonly tag: 'initialize' | 'fault' | 'stopped';
  readonly reason: string;
}

/** Each phase carries only its own data. */
export type Phase =
  | { readonly tag: 'initialize'; readonly reason: string }
  | {
      readonly tag: 'backup';
      readonly reason: string;
      readonly activeDownAt: Millis;
      /** End of preempt_delay, counted from the first advert that could be preempted. */
      readonly preemptAt: Millis | null;
      /** The last advert of a lower priority that was left alone: its sender is active. */
      readonly lowerHeardAt: Millis | null;
    }
  | {
      readonly tag: 'active';
      readonly reason: string;
      readonly advertAt: Millis;
      readonly lastAdvertAt: Millis;
      /**
       * A lower router is active and has not heard of us yet: its data plane stops answering before
       * ours begins. null: the addresses are ours.
       */
      readonly handoverUntil: Millis | null;
      /** No lease runs longer than this. */
      readonly leaseUntil: Millis;
      /** Keys of the VIPs that the data plane answers for and that were announced. */
      readonly announced: readonly string[];
      /** The data plane does not know all VIPs yet: when to ask again. */
      readonly retryAt: Millis | null;
      /** Something is missing that may be back in a moment: no adverts, no lease until then. */
      readonly quiet: { readonly until: Millis; readonly reason: string } | null;
      readonly second: SecondBurst | null;
      readonly refreshAt: Millis | null;
      readonly lowerPrioGarpAt: Millis | null;
    }
  | {
      /** The data plane was told to stop answering; priority 0 follows its acknowledgement. */
      readonly tag: 'yielding';
      readonly reason: string;
      /** By then the leases have run out by themselves. */
      readonly until: Millis;
      readonly rest: Rest;
    }
  | { readonly tag: 'fault'; readonly reason: string }
  /** After shutdown: nothing moves it again. */
  | { readonly tag: 'stopped'; readonly reason: string };

export type PhaseOf<Tag extends Phase['tag']> = Extract<Phase, { tag: Tag }>;

/**
 * Why a router may not take part.
 * - wait: something has not been reported yet
 * - away: the data plane is gone or silent, or was restarted and nobody has checked it
 * - link: the interface is down or has no address
 * - fault: anything else
 */
export interface Obstacle {
  readonly kind: 'wait' | 'away' | 'link' | 'fault';
  readonly reason: string;
}

export interface Peer {
  readonly address: Ipv4;
  readonly priority: number;
}

/** What the controller reported, and the data plane for which it is true. */
export interface Service {
  readonly bootId: string;
  readonly ok: boolean;
  readonly reason: string;
}

export interface DataplaneView {
  /** null: no connection, or no answer. */
  readonly bootId: string | null;
  readonly reason: string;
  /** The last one that was connected. */
  readonly lastBootId: string | null;
}

/** The process before this one was active; the leases tell whether that is recent enough. */
export interface Resume {
  readonly by: Millis;
  /** null: not asked yet. */
  readonly askedAt: Millis | null;
  /** null until the data plane has answered. */
  readonly renewedAt: Millis | null;
}

export interface State {
  readonly config: InstanceConfig;
  /** `config.addresses` and `config.unicastPeers` as numbers. */
  readonly addresses: readonly Ipv4[];
  readonly peers: readonly Ipv4[];
  readonly started: boolean;
  /** null until the interface monitor has reported. */
  readonly link: { readonly up: boolean; readonly reason: string } | null;
  /** Stays known after it is lost: the last advert is sent from it. */
  readonly source: Ipv4 | null;
  readonly sourceLost: boolean;
  /** null until the controller has reported. */
  readonly service: Service | null;
  /** null before the first connection. */
  readonly dataplane: DataplaneView | null;
  readonly resume: Resume | null;
  /** It has taken part in an election. Before that it keeps no active member of its group down. */
  readonly hasTakenPart: boolean;
  /** What keeps another member of the sync group from taking part. */
  readonly groupObstacle: Obstacle | null;
  readonly delta: number;
  /** Active_Adver_Interval (RFC 9568 §6.1). */
  readonly activeIntervalMs: number;
  /** The other router that is active, as adverts showed it; with priority 0 it has yielded. */
  readonly peer: Peer | null;
  readonly counters: InstanceCounters;
  /** Complaints already logged since the last transition: a bad peer must not flood the log. */
  readonly complaints: readonly string[];
  readonly phase: Phase;
}

export type Input =
  | { readonly type: 'startup' }
  | { readonly type: 'shutdown'; readonly reason: string }
  /** An IPv4 packet as a raw socket delivers it. */
  | { readonly type: 'packet'; readonly bytes: Uint8Array }
  | { readonly type: 'interface'; readonly up: boolean; readonly reason: string }
  | { readonly type: 'sourceAddress'; readonly address: Ipv4 | null }
  /** null: the controller no longer reports on it. */
  | { readonly type: 'serviceable'; readonly service: Service | null }
  | { readonly type: 'dataplane'; readonly bootId: string | null; readonly reason: string }
  /** Answer to `renewLease`, by keys of VIPs; `missing`: in no generation yet. */
  | {
      readonly type: 'leaseAnswer';
      readonly granted: readonly string[];
      readonly missing: readonly string[];
    }
  /** Answer to `queryLease`; null: never renewed, or no longer leased. */
  | { readonly type: 'leaseQueried'; readonly renewedAgoMs: number | null }
  /** The data plane has stopped answering. */
  | { readonly type: 'leaseReleased' }
  | { readonly type: 'priorityDelta'; readonly delta: number }
  | { readonly type: 'configure'; readonly config: InstanceConfig }
  /** The machine was suspended; the clock of `now` stood still for so long. */
  | { readonly type: 'slept'; readonly ms: number }
  | { readonly type: 'sendFailed'; readonly reason: string }
  /** From the sync group: follow another member, or be kept down by it (null: no longer). */
  | { readonly type: 'follow'; readonly to: 'active' | 'backup'; readonly reason: string }
  | { readonly type: 'groupObstacle'; readonly obstacle: Obstacle | null };

export type GarpCause = 'taken' | 'second' | 'refresh' | 'lowerPriority';

export type Effect =
  | { readonly type: 'advertise'; readonly priority: number }
  /** The data plane answers for these VIPs for `ms` from now. */
  | { readonly type: 'renewLease'; readonly vips: readonly Vip[]; readonly ms: number }
  /** The data plane stops answering for them at once. */
  | { readonly type: 'releaseLease'; readonly vips: readonly Vip[] }
  | { readonly type: 'queryLease'; readonly vips: readonly Vip[] }
  | {
      readonly type: 'garp';
      readonly vips: readonly Vip[];
      readonly repeat: number;
      readonly cause: GarpCause;
    }
  | {
      readonly type: 'transition';
      readonly from: VrrpState;
      readonly to: VrrpState;
      readonly reason: string;
    }
  /** Something that `view` shows has changed without a transition. */
  | { readonly type: 'changed' }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly msg: string;
      readonly fields: LogFields;
      /** A packet caused it: the shell sums up lines with the same key. */
      readonly heard: string | null;
    };

export type Next = Step<State, Effect>;

const noCounts: InstanceCounters = {
  advertsReceived: 0,
  advertsSent: 0,
  becameActive: 0,
  releasedActive: 0,
  packetLengthErrors: 0,
  ttlErrors: 0,
  invalidType: 0,
  versionErrors: 0,
  checksumErrors: 0,
  advertIntervalErrors: 0,
  addressListErrors: 0,
  invalidAuthType: 0,
  authTypeMismatch: 0,
  authFailures: 0,
  sourceErrors: 0,
  priorityZeroReceived: 0,
  priorityZeroSent: 0,
  sendErrors: 0,
};

const parsed = (list: readonly string[]): readonly Ipv4[] =>
  list.map((text) => {
    const address = parseIpv4(text);
    if (address === null) throw new TypeError(`not an IPv4 address: ${text}`);
    return address;
  });

/** Parameters and what follows from them; throws on addresses that the config core refuses. */
export const withConfig = (
  config: InstanceConfig,
): Pick<State, 'config' | 'addresses' | 'peers'> => ({
  config,
  addresses: parsed(config.addresses),
  peers: parsed(config.unicastPeers),
});

export const initial = (config: InstanceConfig): State => ({
  ...withConfig(config),
  started: false,
  link: null,
  source: null,
  sourceLost: false,
  service: null,
  dataplane: null,
  resume: null,
  hasTakenPart: false,
  groupObstacle: null,
  delta: 0,
  activeIntervalMs: config.advertMs,
  peer: null,
  counters: noCounts,
  complaints: [],
  phase: { tag: 'initialize', reason: 'not started' },
});

export const vipKey = (v: Vip): string => `${v.device} ${v.address}`;

/**
 * How long an active router may be silent before a peer takes over: three intervals, as the RFCs
 * have it. A router that was silent for so long is not active any more. A peer that waits for a
 * single interval waits for its skew as well, which is at least ours: it has no higher priority.
 */
export const allowanceMs = (c: InstanceConfig): number =>
  c.downTimerAdverts > 1
    ? Math.min(3, c.downTimerAdverts) * c.advertMs
    : c.advertMs + skewMs(c, c.advertMs) / 2;

/**
 * A lease ends before a peer may take over, also when nobody is left to release it. Each advert
 * renews it, so it lasts two intervals at least: a late advert must not leave the addresses silent.
 */
export const leaseSpanMs = (c: InstanceConfig): number => {
  const spare = c.downTimerAdverts > 1 ? Math.min(100, c.advertMs / 2) : 0;
  return Math.max(1, Math.min(Math.max(c.leaseMs, 2 * c.advertMs), allowanceMs(c) - spare));
};

/** The state that a process finds which replaces another one. */
export interface Restored {
  readonly service: Service | null;
  readonly delta: number;
  readonly wasActive: boolean;
}

export const restore = (config: InstanceConfig, r: Restored, now: Millis): State => ({
  ...initial(config),
  service: r.service,
  delta: r.delta,
  hasTakenPart: r.wasActive,
  resume: r.wasActive
    ? { by: after(now, allowanceMs(config)), askedAt: null, renewedAt: null }
    : null,
});

/** The owner's priority never moves (RFC 9568 §5.2.4); others stay within 1..254. */
export const priorityOf = (s: State): number =>
  s.config.priority === 255 ? 255 : Math.min(254, Math.max(1, s.config.priority + s.delta));

export const timingOf = (s: State) => ({
  version: s.config.version,
  priority: priorityOf(s),
  downTimerAdverts: s.config.downTimerAdverts,
});

/** A router that yields is active until the data plane has stopped answering. */
export const shownState = (p: Phase): VrrpState => {
  if (p.tag === 'stopped') return 'initialize';
  return p.tag === 'yielding' ? 'active' : p.tag;
};

export const count = (
  s: State,
  name: keyof InstanceCounters,
  also?: keyof InstanceCounters,
): State => {
  const counters = { ...s.counters, [name]: s.counters[name] + 1 };
  if (also !== undefined) counters[also] += 1;
  return { ...s, counters };
};

export const log = (level: LogLevel, s: State, msg: string, fields: LogFields = {}): Effect => ({
  type: 'log',
  level,
  msg: `(${s.config.name}) ${msg}`,
  fields,
  heard: null,
});

/** A line that a packet caused; lines with the same `key` are summed up. */
export const heardLog = (s: State, key: string, msg: string, fields: LogFields = {}): Effect => ({
  type: 'log',
  level: 'info',
  msg: `(${s.config.name}) ${msg}`,
  fields,
  heard: key,
});

export interface View {
  readonly state: VrrpState;
  readonly reason: string;
  readonly priority: number;
  readonly activeAddress: string | null;
  readonly intervalMs: number;
  readonly holds: boolean;
}

/** What an operator sees. */
export function view(s: State): View {
  const peer = s.peer === null || s.peer.priority === 0 ? null : s.peer.address;
  const holds = s.phase.tag === 'active' || s.phase.tag === 'yielding';
  const active = holds ? s.source : peer;
  return {
    state: shownState(s.phase),
    reason: (s.phase.tag === 'active' ? s.phase.quiet?.reason : null) ?? s.phase.reason,
    priority: priorityOf(s),
    activeAddress: active === null ? null : formatIpv4(active),
    intervalMs: holds ? s.config.advertMs : s.activeIntervalMs,
    holds,
  };
}
