/** What the API answers: plain data, the contract between the controller and every client of it. */

export interface DataplaneView {
  readonly state: 'up' | 'connecting' | 'down';
  readonly reason: string | null;
  readonly pid: number | null;
  /** Generation the data plane has acknowledged. */
  readonly generation: number;
  readonly workers: number;
  /** Of all packets received, the share that arrived at another worker than their session's; null without packets. */
  readonly changedWorker: number | null;
  /** Milliseconds left of the VIP lease, null when none is held. */
  readonly leaseLeftMs: number | null;
}

export interface VrrpView {
  readonly name: string;
  readonly interface: string;
  readonly vrid: number;
  readonly state: 'initialize' | 'backup' | 'active' | 'fault';
  readonly reason: string;
  /** ISO time of the last transition. */
  readonly since: string;
  readonly priority: number;
  readonly activeAddress: string | null;
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
  readonly connections: number;
}

export interface VirtualServerView {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly scheduler: string;
  readonly forwarding: string;
  readonly quorumUp: boolean;
  readonly reason: string;
  readonly realServers: readonly RealServerView[];
}

export interface StatusView {
  readonly node: {
    readonly routerId: string;
    readonly version: string;
    readonly pid: number;
    readonly startedAt: string;
    readonly configLoadedAt: string;
    readonly configError: string | null;
  };
  readonly dataplane: DataplaneView;
  readonly vrrp: readonly VrrpView[];
  readonly vips: readonly VipView[];
  readonly virtualServers: readonly VirtualServerView[];
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
  /** What the files had to say, as `keelson check` prints it. */
  readonly text: string;
  /** One line a change that was made. */
  readonly changes: readonly string[];
}

export interface ErrorView {
  readonly error: { readonly code: string; readonly message: string };
}
