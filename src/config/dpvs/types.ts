/** dpvs.conf, normalised: ranges checked, defaults filled in, durations in milliseconds. */
import type { Place } from '../diagnostics.js';

export interface Device {
  readonly name: string;
  /** Keelson's own item: the DPDK device (PCI address, or a vdev such as net_af_packet0,iface=eth1); null: the next one probed. */
  readonly devargs: string | null;
  readonly rxQueues: number;
  readonly rxDescriptors: number;
  readonly txQueues: number;
  readonly txDescriptors: number;
  readonly mtu: number;
  readonly promisc: boolean;
  readonly allmulticast: boolean;
  /** `<name>.kni` unless given. */
  readonly kniName: string;
  readonly place: Place;
}

export interface WorkerPort {
  readonly device: string;
  readonly rxQueues: readonly number[];
  readonly txQueues: readonly number[];
}

export interface Worker {
  readonly name: string;
  readonly type: 'master' | 'slave' | 'kni';
  readonly cpuId: number;
  readonly ports: readonly WorkerPort[];
  readonly place: Place;
}

/** Timeouts that were written in the file; what was not keeps the data plane's (DPVS's) default. */
export interface Timeouts {
  readonly tcpNone?: number;
  readonly tcpEstablished?: number;
  readonly tcpSynSent?: number;
  readonly tcpSynRecv?: number;
  readonly tcpFinWait?: number;
  readonly tcpTimeWait?: number;
  readonly tcpClose?: number;
  readonly tcpCloseWait?: number;
  readonly tcpLastAck?: number;
  readonly tcpListen?: number;
  readonly tcpSynAck?: number;
  readonly tcpLast?: number;
  readonly udpOneway?: number;
  readonly udpNormal?: number;
  readonly udpLast?: number;
  readonly connInit?: number;
}

export type ReuseState = 'CLOSE' | 'TIME_WAIT' | 'FIN_WAIT' | 'CLOSE_WAIT' | 'LAST_ACK';

export interface DpvsConfig {
  readonly devices: readonly Device[];
  readonly workers: readonly Worker[];
  readonly timeoutsMs: Timeouts;
  /** Rows of mh's tables, a prime; Keelson's own item `mh_table_size` (DPVS has 4093 for good). */
  readonly maglevSize: number;
  /** conn_reuse_state: the states in which a new SYN begins a connection anew. */
  readonly reuseStates: readonly ReuseState[];
  /** Keelson's own item `tcp { reset_expired }`: both ends of a connection that expires are told (DPVS always does). */
  readonly resetExpired: boolean;
  /** expire_quiescent_template: a client leaves its real server when that has weight 0. */
  readonly expireTemplate: boolean;
  /** EMERG ALERT CRIT ERR WARNING NOTICE INFO DEBUG */
  readonly logLevel: string;
  readonly kni: boolean;
  readonly pktpoolSize: number;
  /** Sessions of each worker at most. */
  readonly connPoolSize: number;
  readonly defaultTtl: number;
  readonly neighbourTimeoutMs: number;
  /** Keelson's own items in global_defs. */
  readonly ealArgs: readonly string[];
  readonly filePrefix: string | null;
  readonly vipLeaseMs: number;
  readonly idleSleepMaxUs: number;
}
