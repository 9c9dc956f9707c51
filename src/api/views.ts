/** The answers of the API: plain data, the contract between the controller and its clients. */
import type { RuntimeCommand, ServiceWords } from '../cluster/runtime/types.js';

/** Changes that a client may request; several in one request are one transaction. */
export type {
  MatchWords,
  RouteScope,
  RuntimeCommand,
  ServerSettings,
  ServerWords,
  ServiceSettings,
  ServiceWords,
} from '../cluster/runtime/types.js';

export interface DataplaneView {
  readonly state: 'up' | 'connecting' | 'down';
  readonly reason: string | null;
  readonly pid: number | null;
  /** Generation the data plane has acknowledged. */
  readonly generation: number;
  readonly workers: number;
  /** Share of received packets that arrived at another worker than their session's; null without packets. */
  readonly changedWorker: number | null;
  /** Milliseconds left of the VIP lease, null when none is held. */
  readonly leaseLeftMs: number | null;
  /** Packets that found no room for a new session since the data plane started, and why. */
  readonly noRoom: {
    readonly sessionTable: number;
    readonly localPorts: number;
    readonly serversFull: number;
  };
}

/** One process of the node, as the process that watches it knows it. */
export interface ProcessView {
  readonly name: 'supervisor' | 'controller' | 'vrrp' | 'healthcheck' | 'dataplane';
  readonly state: 'starting' | 'running' | 'gone';
  /** null while it is not running. */
  readonly pid: number | null;
  /** Version of the program; null when unknown. */
  readonly version: string | null;
  /** ISO time of the last change of `state`; null when unknown. */
  readonly since: string | null;
  /** Starts after the first one, since the supervisor started. */
  readonly restarts: number;
  /** Why it is not running, or why it was last restarted; null: neither. */
  readonly reason: string | null;
}

/** The lease of one virtual address: the data plane answers for it while the lease lasts. */
export interface LeaseView {
  readonly device: string;
  readonly address: string;
  /** 0: not held. */
  readonly leftMs: number;
  /** Since its last renewal; null: it was never renewed. */
  readonly renewedMsAgo: number | null;
}

export interface ConfigurationView {
  /** `accepted`: the files cannot be used, and the last accepted configuration is in force. */
  readonly source: 'files' | 'accepted';
  /** Why a restart would not find what is in force; null: it would. */
  readonly notKept: string | null;
  /** ISO time since which it is in force. */
  readonly loadedAt: string;
  /** Why the files on disk are not in force; null when they are. */
  readonly error: string | null;
  /** What the data plane refused last; null: nothing, or another configuration or command followed. */
  readonly refused: { readonly reason: string; readonly at: string } | null;
}

export interface JournalView {
  readonly process: string;
  readonly path: string;
  readonly bytes: number;
  /** Why nothing is being written; null when all is well. */
  readonly error: string | null;
}

/** The event loop of the controller. */
export interface LoopView {
  readonly longestTurnMs: number;
  /** ISO time of the longest turn; null: none was measured. */
  readonly at: string | null;
  /** Turns longer than 50 ms since the start. */
  readonly over50Ms: number;
}

/** Numbers of servers, so that a client need not read all of them. */
export interface SummaryView {
  readonly virtualServers: number;
  readonly realServers: number;
  /** Virtual servers that have lost their quorum. */
  readonly quorumLost: number;
  /** Real servers whose checks fail. */
  readonly out: number;
  /** Real servers in service with weight 0. */
  readonly draining: number;
  /** Real servers at their upper threshold. */
  readonly full: number;
}

export interface VrrpView {
  readonly name: string;
  readonly interface: string;
  readonly vrid: number;
  readonly family: 4 | 6;
  readonly state: 'initialize' | 'backup' | 'active' | 'fault';
  readonly reason: string;
  /** ISO time of the last transition. */
  readonly since: string;
  readonly priority: number;
  readonly activeAddress: string | null;
  /** What was received and not used, by name, rows at 0 left out. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface VipView {
  readonly address: string;
  readonly device: string;
  readonly instance: string;
  readonly announced: boolean;
  /** Why it is announced, or why it is not. */
  readonly reason: string;
}

export interface RealServerView {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly up: boolean;
  readonly since: string;
  readonly reason: string;
  readonly activeSessions: number;
  readonly inactiveSessions: number;
  readonly connections: number;
  /** Takes no new sessions; drained when it has none left. */
  readonly draining: boolean;
  /** Its upper threshold in sessions; null: no limit. */
  readonly limit: number | null;
  /** It takes no new sessions, because it has reached its upper threshold. */
  readonly full: boolean;
  /** FNAT: local ports in use towards it, and how many exist; null without local addresses. */
  readonly localPorts: { readonly used: number; readonly of: number } | null;
}

/** A real server that was removed and still has sessions. */
export interface LeavingView {
  readonly service: string;
  readonly realServer: string;
  readonly sessions: number;
}

export interface VirtualServerView {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly scheduler: string;
  readonly forwarding: string;
  readonly quorumUp: boolean;
  readonly reason: string;
  /** The files, or a command. */
  readonly origin: 'file' | 'runtime';
  readonly realServers: readonly RealServerView[];
}

/**
 * The answer to `GET /v1/status`. `virtualServers` comes last: it is written in pieces, and the query says how much of it.
 */
export interface StatusView {
  readonly node: {
    readonly routerId: string;
    readonly version: string;
    readonly pid: number;
    readonly startedAt: string;
    readonly configLoadedAt: string;
    readonly configError: string | null;
  };
  /** null: there is nothing to serve. */
  readonly serving: ServingView | null;
  readonly configuration: ConfigurationView;
  readonly processes: readonly ProcessView[];
  readonly leases: readonly LeaseView[];
  readonly journals: readonly JournalView[];
  readonly loop: LoopView;
  readonly summary: SummaryView;
  readonly dataplane: DataplaneView;
  readonly vrrp: readonly VrrpView[];
  readonly vips: readonly VipView[];
  readonly leaving: readonly LeavingView[];
  /** What commands have set beside the files; `GET /v1/runtime` has the commands themselves. */
  readonly runtime: {
    readonly commands: number;
    readonly shadowed: RuntimeView['shadowed'];
  };
  readonly virtualServers: readonly VirtualServerView[];
}

/** Whether the node does its work, in one line. */
export interface ServingView {
  readonly ok: boolean;
  /** What it serves, or what is in the way. */
  readonly text: string;
}

export interface SessionView {
  readonly worker: number;
  readonly protocol: string;
  readonly state: string;
  readonly expiresMs: number;
  readonly client: string;
  readonly vip: string;
  readonly lip: string;
  readonly realServer: string;
}

export interface DropsView {
  /** Named reasons with what each worker counted; zero rows are left out unless all were asked for. */
  readonly drops: readonly {
    readonly reason: string;
    readonly total: number;
    readonly perWorker: readonly number[];
  }[];
}

export interface CountersView {
  readonly workers: readonly Readonly<Record<string, number>>[];
  readonly ports: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface ReloadView {
  readonly ok: boolean;
  /** The diagnostics of the files, as `keelson check` prints them. */
  readonly text: string;
  /** One line for each change that was made. */
  readonly changes: readonly string[];
}

export interface RuntimeView {
  /** Commands that recreate it. */
  readonly commands: readonly RuntimeCommand[];
  /** Objects that are not in force, because the files have them or their device is gone. */
  readonly shadowed: readonly { readonly what: string; readonly why: string }[];
}

export interface TransactionView {
  /** The acknowledged generation that contains all commands. */
  readonly generation: number;
}

export interface ServerCountsView {
  readonly active: number;
  readonly inactive: number;
  readonly conns: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface ServerView extends ServerCountsView {
  readonly address: string;
  readonly port: number;
  readonly forwarding: string;
  readonly weight: number;
  /** 0: none. */
  readonly upperThreshold: number;
  /** 0: none is set; three quarters of the upper one. */
  readonly lowerThreshold: number;
  /** It takes no new sessions, because it has reached its upper threshold. */
  readonly full: boolean;
}

export interface ServiceView {
  readonly service: ServiceWords;
  /** For display: `TCP 192.0.2.1:80`, `MATCH tcp,from=...`. */
  readonly name: string;
  /** Its name among the counters. */
  readonly key: string;
  /** FILE:LINE; null when a command has set it. */
  readonly file: string | null;
  readonly scheduler: string;
  readonly schedulerPort: boolean;
  readonly expireQuiescent: boolean;
  readonly onePacket: boolean;
  readonly quic: boolean;
  readonly persistenceMs: number;
  readonly persistencePrefixLength: number;
  readonly establishedTimeoutMs: number;
  readonly localAddresses: readonly {
    readonly device: string;
    readonly address: string;
    /** Sessions of this service with it; null when not counted. */
    readonly sessions: number | null;
  }[];
  readonly realServers: readonly ServerView[];
}

export interface ServicesView {
  readonly version: string;
  readonly generation: number;
  /** Seconds. */
  readonly timeouts: { readonly tcp: number; readonly tcpFin: number; readonly udp: number };
  readonly services: readonly ServiceView[];
}

/** A row of addresses, routes or neighbours; fields that do not apply are null, 0 or false. */
export interface TableRowView {
  readonly device: string;
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefixLength: number;
  /** Set by the files or by a command. */
  readonly command: boolean;
  readonly kernel: boolean;
  readonly connected: boolean;
  readonly leased: boolean;
  readonly local: boolean;
  readonly mtu: number;
  readonly metric: number;
  readonly gateway: string | null;
  readonly source: string | null;
  readonly mac: string | null;
  readonly state: string | null;
  readonly ageMs: number;
  /** Sessions that go out with it; null when not counted. */
  readonly localPortsUsed: number | null;
  /** Ports left towards the busiest real server; null when not counted. */
  readonly localPortsFree: number | null;
}

export interface LinkView {
  readonly index: number;
  readonly name: string;
  readonly kniName: string;
  readonly mtu: number;
  readonly rxQueues: number;
  readonly txQueues: number;
  readonly promisc: boolean;
  readonly up: boolean;
  readonly mbps: number;
  readonly mac: string | null;
  readonly counters: Readonly<Record<string, number>>;
}

export interface ErrorView {
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** Index of the command at fault. */
    readonly index?: number;
  };
}
