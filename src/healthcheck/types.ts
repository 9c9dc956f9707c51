/**
 * What a health check is: whom to ask, how, how often, and what counts as an answer. Plain data, because it crosses a
 * process border; names follow keepalived's keywords, times are milliseconds, and every default is already filled in.
 */

/** Where a probe connects to (connect_ip, connect_port) and from (bindto, bind_port). */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** null: the kernel chooses. */
  readonly bindAddress: string | null;
  readonly bindPort: number | null;
}

/** An inclusive range of HTTP status codes. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface BodyPattern {
  /** A PCRE2 pattern; the body is searched as bytes. */
  readonly source: string;
  /** PCRE2 options by keepalived's names (`caseless`, `multiline` ...). */
  readonly options: readonly string[];
  /** regex_no_match turns this false: the pattern must be absent. */
  readonly mustMatch: boolean;
  /** A match must begin inside [minOffset, maxOffset]; null: anywhere. */
  readonly minOffset: number;
  readonly maxOffset: number | null;
}

export interface HttpUrl {
  readonly path: string;
  /** Empty: 200-299. */
  readonly status: readonly StatusRange[];
  /** MD5 of the body as 32 hex digits. */
  readonly digest: string | null;
  readonly pattern: BodyPattern | null;
  /** Host header: virtualhost of url, checker, real_server, virtual_server in this order; null: the endpoint. */
  readonly host: string | null;
  /** TLS server name (SNI); null: none is sent. Only SSL_GET looks at it. */
  readonly serverName: string | null;
}

export interface TcpProbe {
  readonly kind: 'TCP_CHECK';
  readonly endpoint: Endpoint;
  /** connect_timeout, for one exchange with the server. */
  readonly timeoutMs: number;
}

export interface HttpProbe {
  readonly kind: 'HTTP_GET' | 'SSL_GET';
  readonly endpoint: Endpoint;
  readonly timeoutMs: number;
  /** 1.0C and 1.1 ask the server to close the connection. */
  readonly protocol: '1.0' | '1.0C' | '1.1';
  /** Asked one after the other; the first failure ends the run. At least one. */
  readonly urls: readonly HttpUrl[];
}

export interface UdpProbe {
  readonly kind: 'UDP_CHECK';
  readonly endpoint: Endpoint;
  readonly timeoutMs: number;
  /** Hex digits; null: a fixed text. */
  readonly payload: string | null;
  /** null: silence is good. '' asks for any reply; else hex digits in which `x` fits every digit. */
  readonly requireReply: string | null;
  readonly minReplyLength: number;
  readonly maxReplyLength: number;
}

export type ProbeSpec = TcpProbe | HttpProbe | UdpProbe;
export type ProbeKind = ProbeSpec['kind'];

export interface CheckerConfig {
  readonly probe: ProbeSpec;
  readonly delayLoopMs: number;
  /** More tries before a server that was up is called down. */
  readonly retry: number;
  readonly delayBeforeRetryMs: number;
  /** The first run waits 1 s and a random part of this. */
  readonly warmupMs: number;
  /** Down until the first success. */
  readonly alpha: boolean;
  readonly logAllFailures: boolean;
}

export interface RealServerConfig {
  /** Unique in its virtual server; real servers are matched by it over a reload. */
  readonly id: string;
  readonly weight: number;
  readonly checkers: readonly CheckerConfig[];
  /**
   * What the controller believes now; null: start it as keepalived starts it. Ignored for a real
   * server that this process knows already.
   */
  readonly held: 'up' | 'down' | null;
}

export interface VirtualServerConfig {
  readonly id: string;
  readonly quorum: number;
  readonly hysteresis: number;
  /** The quorum is down until enough real servers are up. */
  readonly alpha: boolean;
  /** As `held`: what the controller believes now; null: by `alpha`. */
  readonly quorumHeld: boolean | null;
  /** ha_suspend: the checks rest while another node has the address; their states are kept. */
  readonly suspended: boolean;
  readonly realServers: readonly RealServerConfig[];
}

/** Why a probe failed, as far as the server is to blame. */
export type ProbeFailure =
  | { readonly type: 'timeout'; readonly afterMs: number }
  | { readonly type: 'errno'; readonly errno: string }
  | { readonly type: 'status'; readonly status: number }
  | { readonly type: 'digest'; readonly found: string }
  /** Found where it must be absent, or the other way round. */
  | { readonly type: 'pattern'; readonly mustMatch: boolean }
  /** Another reply than the one that is required. */
  | { readonly type: 'reply' }
  /** The answer is not what the protocol allows, or exceeds a bound of ours. */
  | { readonly type: 'protocol'; readonly what: string };

export type ProbeResult =
  /** `weightDelta` is added to the configured weight (0 for most kinds). */
  | { readonly type: 'ok'; readonly weightDelta: number }
  /** `where` names the part that failed: a URL's path, or ''. */
  | { readonly type: 'failed'; readonly failure: ProbeFailure; readonly where: string }
  /** The fault is here (no local address, no descriptor left): nothing is known of the server. */
  | { readonly type: 'inconclusive'; readonly errno: string }
  /** This process did not run for a part of the probe's time: the failure may be its own. */
  | { readonly type: 'paused'; readonly failure: ProbeFailure; readonly where: string };
