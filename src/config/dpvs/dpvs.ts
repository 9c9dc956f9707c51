/**
 * dpvs.conf (dpvs.md 2): every item with its range and default. As in DPVS a bad value is a warning
 * with its place, and the default is used. `<init>` and other remarks in angle brackets are comments.
 */
import { languageOf, type Row } from '../language.js';
import type { At, Node, Report, SourceLine } from '../text.js';
import {
  type Context,
  type Draft,
  inner,
  type Reader,
  readBlock,
  type Table,
  table,
  text,
  topLevel,
} from '../values.js';
import { ipvsTable, ipvsTables } from './ipvs.js';
import { checkDevices, device, netifTables, worker } from './netif.js';
import { int, lenient, onOff, whenOn } from './readers.js';
import type { Device, DpvsConfig, Timeouts, Worker } from './types.js';

/** dpvs.conf while it is read. */
export interface DpvsDraft extends Draft<DpvsConfig> {
  readonly devices: Device[];
  readonly workers: Worker[];
  readonly timeoutsMs: Draft<Timeouts>;
}

/** Remarks in angle brackets become blanks, so that columns stay. */
export const withoutRemarks = (l: SourceLine): SourceLine =>
  l.text.includes('<')
    ? { ...l, text: l.text.replace(/<[^<>]*>/g, (m) => ' '.repeat(m.length)) }
    : l;

const logLevels = ['EMERG', 'ALERT', 'CRIT', 'ERR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];

const logLevel: Reader<DpvsDraft> = (c, n, d) => {
  const w = n.args[0];
  if (w !== undefined && logLevels.includes(w.text)) d.logLevel = w.text;
  else lenient(c, w ?? n.keyword, logLevels.join(', '));
};

const globalTable: Table<DpvsDraft> = table('global_defs', {
  log_level: logLevel,
  kni: onOff((d, b) => {
    d.kni = b;
  }),
  eal_args: (_c, n, d) => {
    d.ealArgs = n.args.flatMap((w) => w.text.split(/\s+/)).filter((s) => s !== '');
  },
  file_prefix: text(
    'a name',
    (d, s) => {
      d.filePrefix = s;
    },
    /^[^\s/\p{Cc}]{1,64}$/u,
  ),
  vip_lease_ms: int(200, 600_000, (d, x) => {
    d.vipLeaseMs = x;
  }),
  idle_sleep_max_us: int(0, 100_000, (d, x) => {
    d.idleSleepMaxUs = x;
  }),
});

const netifTable: Table<DpvsDraft> = table('netif_defs', {
  pktpool_size: int(1023, 134_217_728, (d, x) => {
    d.pktpoolSize = x;
  }),
  device: (c, n, d) => device(c, n, d.devices),
});

const workersTable: Table<DpvsDraft> = table('worker_defs', {
  worker: (c, n, d) => worker(c, n, d.workers),
});

const neighTable: Table<DpvsDraft> = table('neigh_defs', {
  timeout: int(1, 3600, (d, s) => {
    d.neighbourTimeoutMs = s * 1000;
  }),
});

const ipv4Table: Table<DpvsDraft> = table('ipv4_defs', {
  default_ttl: int(0, 255, (d, x) => {
    d.defaultTtl = x === 0 ? 64 : x;
  }),
  forwarding: whenOn((c, w) =>
    c.report.add('warning', 'KS_CONF_NO_EFFECT', w, "'forwarding on' is accepted, without effect", {
      hint: 'packets that match no service go to the kernel, which may forward them',
    }),
  ),
});

const ipv6Table: Table<DpvsDraft> = table('ipv6_defs', {
  disable: whenOn((c, w) =>
    c.report.add('error', 'KS_CONF_UNSUPPORTED', w, "'disable on' is not supported yet", {
      hint: 'IPv6 would be answered; leave it out if the node may speak IPv6',
    }),
  ),
});

const self = (d: DpvsDraft): DpvsDraft => d;

const fileTable: Table<DpvsDraft> = table(topLevel, {
  global_defs: inner(() => globalTable, self),
  netif_defs: inner(() => netifTable, self),
  worker_defs: inner(() => workersTable, self),
  neigh_defs: inner(() => neighTable, self),
  ipv4_defs: inner(() => ipv4Table, self),
  ipv6_defs: inner(() => ipv6Table, self),
  ipvs_defs: inner(() => ipvsTable, self),
});

/** Items of DPVS without a meaning here, and one that is refused. */
const knownItems: readonly Row[] = [
  {
    block: topLevel,
    inert: 'timer_defs ipset_defs ctrl_defs sa_pool lcore_defs',
  },
  {
    block: 'global_defs',
    inert: 'daemon log_file log_with_timestamp log_async_mode log_async_pool_size pdump lldp',
  },
  {
    block: 'netif_defs',
    refused: 'bonding',
    inert: 'pktpool_cache',
  },
  { block: 'device', refused: 'mode slave primary options', inert: 'fdir' },
  { block: 'fdir', inert: 'mode pballoc status' },
  { block: 'rx', inert: 'rss' },
  { block: 'tx', inert: 'mbuf_fast_free' },
  { block: 'worker', inert: 'icmp_redirect_core' },
  { block: 'port', inert: 'isol_rx_cpu_ids isol_rxq_ring_sz' },
  { block: 'neigh_defs', inert: 'unres_queue_length' },
  { block: 'ipv4_defs', inert: 'fragment' },
  { block: 'ipv6_defs', inert: 'forwarding addr_gen_mode stable_secret route6' },
  { block: 'conn', inert: 'conn_pool_cache fast_xmit_close xmit_ttl redirect' },
  { block: 'udp', inert: 'defence_udp_drop uoa_mode uoa_max_trail' },
  { block: 'tcp', inert: 'defence_tcp_drop' },
  {
    block: 'synproxy',
    inert:
      'synack_options close_client_window defer_rs_syn rs_syn_max_retry ack_storm_thresh ' +
      'max_ack_saved',
  },
];

const why: ReadonlyMap<string, string> = new Map([
  ['bonding', 'name one port as a device; its devices and workers depend on it'],
  ...['mode', 'slave', 'primary', 'options'].map(
    (w) => [w, 'it belongs to a bond, and there is no bonding; name one port as a device'] as const,
  ),
  ['defence_udp_drop', 'packets of no service are dropped in any case'],
  ['defence_tcp_drop', 'segments of no session are dropped in any case'],
]);

export const dpvsLanguage = languageOf(
  [
    fileTable,
    globalTable,
    netifTable,
    workersTable,
    neighTable,
    ipv4Table,
    ipv6Table,
    ...ipvsTables,
    ...netifTables,
  ],
  knownItems,
  why,
);

export const dpvsConfig = (report: Report, nodes: readonly Node[], root: At): DpvsConfig => {
  const c: Context = { report, language: dpvsLanguage, pattern: () => null };
  const d: DpvsDraft = {
    devices: [],
    workers: [],
    timeoutsMs: {},
    logLevel: 'INFO',
    kni: true,
    pktpoolSize: 65_535,
    connPoolSize: 1_048_576,
    defaultTtl: 64,
    neighbourTimeoutMs: 60_000,
    maglevSize: 4093,
    expireTemplate: false,
    reuseStates: ['CLOSE', 'TIME_WAIT'],
    resetExpired: true,
    ealArgs: [],
    filePrefix: null,
    vipLeaseMs: 2000,
    idleSleepMaxUs: 500,
  };
  readBlock(c, nodes, fileTable, d);
  checkDevices(report, d, root, hasBonding(nodes));
  return d;
};

/** Devices of a bond are not read: that they are missing is no error of its own. */
const hasBonding = (nodes: readonly Node[]): boolean =>
  nodes.some((n) => n.block?.some((x) => x.keyword.text === 'bonding') === true);
