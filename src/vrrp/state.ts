/**
 * The state, inputs and effects of one virtual router. The router's parameters and surroundings are part of the state,
 * so a reload is an input and a journal replays alone.
 */
import type { Millis, Step } from '../kernel/machine.js';
import { formatIpv4, type Ipv4, parseIpv4 } from '../net/ipv4.js';
import type {
  InstanceConfig,
  InstanceCounters,
  LogFields,
  LogLevel,
  VrrpState,
} from './messages.js';

/** Each phase carries only its own data. */
export type Phase =
  | { readonly tag: 'initialize'; readonly reason: string }
  | {
      readonly tag: 'backup';
      readonly reason: string;
      readonly activeDownAt: Millis;
      /** End of preempt_delay, counted from the first advert that could be preempted. */
      readonly preemptAt: Millis | null;
    }
  | {
      readonly tag: 'active';
      readonly reason: string;
      readonly advertAt: Millis;
      /** Whether the data plane has acknowledged the addresses; there is no gratuitous ARP before. */
      readonly vips: 'asked' | 'taken';
      readonly secondGarpAt: Millis | null;
      readonly refreshAt: Millis | null;
      readonly lowerPrioGarpAt: Millis | null;
    }
  | { readonly tag: 'fault'; readonly reason: string }
  /** After shutdown: nothing moves it again. */
  | { readonly tag: 'stopped'; readonly reason: string };

export type PhaseOf<Tag extends Phase['tag']> = Extract<Phase, { tag: Tag }>;

/** Why a router may not take part: not yet (`wait`), or no longer (`fault`). */
export interface Obstacle {
  readonly kind: 'wait' | 'fault';
  readonly reason: string;
}

export interface Peer {
  readonly address: Ipv4;
  readonly priority: number;
}

export interface State {
  readonly config: InstanceConfig;
  /** `config.addresses` and `config.unicastPeers` as numbers. */
  readonly addresses: readonly Ipv4[];
  readonly peers: readonly Ipv4[];
  readonly started: boolean;
  /** null until the interface monitor has spoken. */
  readonly link: { readonly up: boolean; readonly reason: string } | null;
  /** Stays known after it is lost: the farewell is sent from it. */
  readonly source: Ipv4 | null;
  readonly sourceLost: boolean;
  /** null until the controller has spoken. */
  readonly service: { readonly ok: boolean; readonly reason: string } | null;
  /** What keeps another member of the sync group from taking part. */
  readonly groupObstacle: Obstacle | null;
  /** The controller's promise to speak again (law 4); null: it has made none. */
  readonly lease: { readonly until: Millis; readonly expired: boolean } | null;
  readonly delta: number;
  /** Active_Adver_Interval (RFC 9568 §6.1). */
  readonly activeIntervalMs: number;
  /** The other router that is active, as far as adverts told; with priority 0 it has yielded. */
  readonly peer: Peer | null;
  readonly counters: InstanceCounters;
  /** Complaints already logged since the last transition: a bad peer must not flood the log. */
  readonly complaints: readonly string[];
  readonly phase: Phase;
}

export type Input =
  | { readonly type: 'startup' }
  | { readonly type: 'shutdown'; readonly reason: string }
  /** An IPv4 packet as a raw socket gives it. */
  | { readonly type: 'packet'; readonly bytes: Uint8Array }
  | { readonly type: 'interface'; readonly up: boolean; readonly reason: string }
  | { readonly type: 'sourceAddress'; readonly address: Ipv4 | null }
  | { readonly type: 'serviceable'; readonly ok: boolean; readonly reason: string }
  | { readonly type: 'priorityDelta'; readonly delta: number }
  | { readonly type: 'configure'; readonly config: InstanceConfig }
  | { readonly type: 'alive'; readonly leaseMs: number }
  | { readonly type: 'vipsTaken' }
  | { readonly type: 'sendFailed'; readonly reason: string }
  /** From the sync group: follow another member, or be kept down by it (null: no longer). */
  | { readonly type: 'follow'; readonly to: 'active' | 'backup'; readonly reason: string }
  | { readonly type: 'groupObstacle'; readonly obstacle: Obstacle | null };

export type GarpCause = 'taken' | 'second' | 'refresh' | 'lowerPriority';

export type Effect =
  | { readonly type: 'advertise'; readonly priority: number }
  | { readonly type: 'takeVips' }
  | { readonly type: 'releaseVips' }
  | { readonly type: 'garp'; readonly repeat: number; readonly cause: GarpCause }
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

/** Parameters and what follows from them; throws on addresses that the config core would have refused. */
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
  groupObstacle: null,
  lease: null,
  delta: 0,
  activeIntervalMs: config.advertMs,
  peer: null,
  counters: noCounts,
  complaints: [],
  phase: { tag: 'initialize', reason: 'not started' },
});

/** The owner's priority never moves (RFC 9568 §5.2.4); others stay within 1..254. */
export const priorityOf = (s: State): number =>
  s.config.priority === 255 ? 255 : Math.min(254, Math.max(1, s.config.priority + s.delta));

export const timingOf = (s: State) => ({
  version: s.config.version,
  priority: priorityOf(s),
  downTimerAdverts: s.config.downTimerAdverts,
});

export const shownState = (p: Phase): VrrpState => (p.tag === 'stopped' ? 'initialize' : p.tag);

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
});

export interface View {
  readonly state: VrrpState;
  readonly reason: string;
  readonly priority: number;
  readonly activeAddress: string | null;
  readonly intervalMs: number;
}

/** What an operator sees. */
export function view(s: State): View {
  const peer = s.peer === null || s.peer.priority === 0 ? null : s.peer.address;
  const active = s.phase.tag === 'active' ? s.source : peer;
  return {
    state: shownState(s.phase),
    reason: s.phase.reason,
    priority: priorityOf(s),
    activeAddress: active === null ? null : formatIpv4(active),
    intervalMs: s.phase.tag === 'active' ? s.config.advertMs : s.activeIntervalMs,
  };
}
