/**
 * keepalived.conf, normalised: every default filled in, durations in milliseconds, ranges expanded, timing of checks resolved by precedence
 * (checker, real_server, virtual_server, built in). Every object knows where it was written.
 */
import type { Place } from '../diagnostics.js';

export interface Prefix {
  /** Dotted decimal, or canonical IPv6. */
  readonly address: string;
  readonly prefixLength: number;
}

export interface GarpConfig {
  readonly masterDelayMs: number;
  readonly masterRepeat: number;
  readonly refreshMs: number;
  readonly refreshRepeat: number;
  readonly lowerPrioDelayMs: number;
  readonly lowerPrioRepeat: number;
}

export interface GlobalDefs {
  readonly routerId: string;
  readonly vrrpVersion: 2 | 3;
  readonly vrrpMcastGroup4: string;
  readonly garp: GarpConfig;
  /** lvs_timeouts; null: not given. */
  readonly lvsTimeouts: {
    readonly tcpMs: number | null;
    readonly tcpFinMs: number | null;
    readonly udpMs: number | null;
  };
}

export interface StaticAddress extends Prefix {
  readonly dev: string;
  readonly place: Place;
}

export interface StaticRoute {
  readonly destination: string;
  readonly prefixLength: number;
  readonly via: string | null;
  readonly dev: string | null;
  readonly src: string | null;
  readonly metric: number | null;
  readonly place: Place;
}

export interface VirtualAddress extends Prefix {
  readonly dev: string | null;
  readonly place: Place;
}

export type Authentication =
  | { readonly type: 'none' }
  | { readonly type: 'pass'; readonly password: string }
  | { readonly type: 'ah'; readonly password: string };

export interface VrrpInstance {
  readonly name: string;
  readonly state: 'MASTER' | 'BACKUP';
  readonly interface: string;
  readonly dpdkInterface: string | null;
  readonly vrid: number;
  readonly priority: number;
  readonly advertMs: number;
  readonly version: 2 | 3;
  readonly authentication: Authentication;
  readonly virtualAddresses: readonly VirtualAddress[];
  readonly excludedAddresses: readonly VirtualAddress[];
  readonly unicastPeers: readonly string[];
  readonly unicastTtl: number;
  readonly checkUnicastSource: boolean;
  /** mcast_src_ip or unicast_src_ip. */
  readonly sourceAddress: string | null;
  readonly multicastGroup: string;
  readonly preempt: boolean;
  readonly preemptDelayMs: number;
  readonly downTimerAdverts: number;
  readonly garp: GarpConfig;
  readonly lowerPrioNoAdvert: boolean;
  readonly higherPrioSendAdvert: boolean;
  readonly skipCheckAdvertAddresses: boolean;
  readonly v3ChecksumAsV2: boolean;
  readonly dontTrackPrimary: boolean;
  /**
   * Keelson's own word `track_quorum`: the instance gives way when every virtual server on one of
   * its addresses has lost its quorum.
   */
  readonly trackQuorum: boolean;
  readonly place: Place;
}

export interface VrrpSyncGroup {
  readonly name: string;
  readonly members: readonly string[];
  readonly place: Place;
}

export interface LocalAddressGroup {
  readonly name: string;
  readonly addresses: readonly { readonly address: string; readonly device: string }[];
  readonly place: Place;
}

export interface VirtualServerGroup {
  readonly name: string;
  /** Ranges expanded. */
  readonly entries: readonly { readonly address: string; readonly port: number }[];
  readonly place: Place;
}

export interface CheckTiming {
  readonly connectTimeoutMs: number;
  readonly retry: number;
  readonly delayBeforeRetryMs: number;
  readonly warmupMs: number;
  readonly delayLoopMs: number;
  readonly alpha: boolean;
  readonly logAllFailures: boolean;
}

export interface CheckTarget {
  readonly connectIp: string | null;
  readonly connectPort: number | null;
  readonly bindto: string | null;
  readonly bindPort: number | null;
}

export interface CheckUrl {
  readonly path: string;
  /** 32 hex digits, lower case. */
  readonly digest: string | null;
  readonly statusRanges: readonly { readonly from: number; readonly to: number }[];
  readonly virtualhost: string | null;
  readonly regex: string | null;
  readonly regexOptions: readonly string[];
  readonly regexNoMatch: boolean;
  readonly regexMinOffset: number;
  readonly regexMaxOffset: number | null;
}

interface CheckerBase {
  readonly timing: CheckTiming;
  readonly place: Place;
}

export interface TcpCheck extends CheckerBase {
  readonly kind: 'TCP_CHECK';
  readonly target: CheckTarget;
}

export interface HttpCheck extends CheckerBase {
  readonly kind: 'HTTP_GET' | 'SSL_GET';
  readonly target: CheckTarget;
  readonly protocol: '1.0' | '1.0C' | '1.1';
  readonly virtualhost: string | null;
  readonly enableSni: boolean;
  readonly sniName: string | null;
  readonly urls: readonly CheckUrl[];
}

export interface UdpCheck extends CheckerBase {
  readonly kind: 'UDP_CHECK';
  readonly target: CheckTarget;
  /** Hex digits. */
  readonly payload: string | null;
  /** null: silence is good; '' any reply. */
  readonly requireReply: string | null;
  readonly minReplyLength: number;
  readonly maxReplyLength: number;
}

/** Read and kept, not run yet. */
export interface OtherCheck extends CheckerBase {
  readonly kind:
    | 'SMTP_CHECK'
    | 'DNS_CHECK'
    | 'MISC_CHECK'
    | 'PING_CHECK'
    | 'BFD_CHECK'
    | 'FILE_CHECK';
}

export type Checker = TcpCheck | HttpCheck | UdpCheck | OtherCheck;

export interface RealServer {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Sessions from which on it takes no new ones; 0: no limit. */
  readonly upperThreshold: number;
  /** Sessions below which it takes them again; 0: three quarters of the upper one. */
  readonly lowerThreshold: number;
  /** Its own word, else that of the virtual server. */
  readonly inhibitOnFailure: boolean;
  readonly checkers: readonly Checker[];
  /** Of the real_server only; the virtual_server's is used where null. */
  readonly virtualhost: string | null;
  readonly place: Place;
}

export type VirtualServerTarget =
  | { readonly kind: 'address'; readonly address: string; readonly port: number }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'fwmark'; readonly mark: number }
  | { readonly kind: 'match'; readonly name: string };

/** Both ends included; ports 0 and 0: any. */
export interface AddressRange {
  readonly first: string;
  readonly last: string;
  readonly firstPort: number;
  readonly lastPort: number;
}

/** What a `virtual_server match` takes; null: any. */
export interface MatchRule {
  readonly source: AddressRange | null;
  readonly destination: AddressRange | null;
  readonly iif: string | null;
  readonly oif: string | null;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPV6';
export type TunnelKind =
  | { readonly type: 'gre'; readonly checksum: boolean }
  | { readonly type: 'gue'; readonly port: number; readonly checksum: boolean };

export type ForwardingKind = 'NAT' | 'DR' | 'TUN' | 'FNAT' | 'SNAT';

export interface VirtualServer {
  readonly target: VirtualServerTarget;
  readonly protocol: Protocol;
  /** rr, wrr, wlc, lc, sed, nq, sh, dh, fo, ovf, conhash, mh ... as written. */
  readonly scheduler: string;
  readonly schedulerPort: boolean;
  readonly schedulerFallback: boolean;
  readonly forwarding: ForwardingKind;
  /** TUN; null: IP in IP. */
  readonly tunnel: TunnelKind | null;
  readonly localAddressGroup: string | null;
  readonly match: MatchRule;
  /** ops: each datagram is scheduled anew. */
  readonly onePacket: boolean;
  /** quic: connection ids in DPVS's format; quic_lb: in QUIC-LB's, plaintext. */
  readonly quic: 'dpvs' | { readonly configId: number; readonly serverIdLength: number } | null;
  readonly synProxy: boolean;
  readonly expireQuiescent: boolean;
  readonly establishTimeoutMs: number | null;
  readonly persistenceTimeoutMs: number | null;
  /** null: each client by itself. */
  readonly persistencePrefixLength: number | null;
  readonly alpha: boolean;
  readonly omega: boolean;
  readonly quorum: number;
  readonly hysteresis: number;
  readonly sorryServer: { readonly address: string; readonly port: number } | null;
  readonly haSuspend: boolean;
  readonly inhibitOnFailure: boolean;
  readonly virtualhost: string | null;
  readonly realServers: readonly RealServer[];
  readonly place: Place;
}

export interface KeepalivedConfig {
  readonly globalDefs: GlobalDefs;
  readonly staticAddresses: readonly StaticAddress[];
  readonly staticRoutes: readonly StaticRoute[];
  readonly vrrpInstances: readonly VrrpInstance[];
  readonly vrrpSyncGroups: readonly VrrpSyncGroup[];
  readonly localAddressGroups: readonly LocalAddressGroup[];
  readonly virtualServerGroups: readonly VirtualServerGroup[];
  readonly virtualServers: readonly VirtualServer[];
}
