/**
 * dpvs.conf (dpvs.md 2): every item with its range and default. As in DPVS a bad value is a warning and the default is used; here it is said with
 * its place. `<init>` and other remarks in angle brackets are comments.
 */
import type { Node, SourceLine, Word } from '../text.js';
import { block, type Context, type Readers, readBlock, text } from '../values.js';
import { ipvsDefs } from './ipvs.js';
import { checkDevices, device, worker } from './netif.js';
import { type Draft, inert, int, lenient, onOff } from './readers.js';
import type { Device, DpvsConfig, Timeouts, Worker } from './types.js';

/** Remarks in angle brackets become blanks, so that columns stay. */
export const withoutRemarks = (l: SourceLine): SourceLine => ({
  ...l,
  text: l.text.replace(/<[^>]*>/g, (m) => ' '.repeat(m.length)),
});

const logLevels = ['EMERG', 'ALERT', 'CRIT', 'ERR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];

const globalDefs = (c: Context, d: Draft<DpvsConfig>): Readers => ({
  log_level: (n) => {
    const w = n.args[0];
    if (w !== undefined && logLevels.includes(w.text)) d.logLevel = w.text;
    else if (w !== undefined) lenient(c, w, logLevels.join(', '));
  },
  kni: onOff(c, (b) => {
    d.kni = b;
  }),
  eal_args: (n) => {
    d.ealArgs = n.args.flatMap((w) => w.text.split(/\s+/)).filter((s) => s !== '');
  },
  file_prefix: text(c, 'a name', (s) => {
    d.filePrefix = s;
  }),
  vip_lease_ms: int(c, 200, 600_000, (x) => {
    d.vipLeaseMs = x;
  }),
  idle_sleep_max_us: int(c, 0, 100_000, (x) => {
    d.idleSleepMaxUs = x;
  }),
  ...inert(c, [
    'daemon',
    'log_file',
    'log_with_timestamp',
    'log_async_mode',
    'log_async_pool_size',
    'pdump',
    'lldp',
  ]),
});

export const dpvsConfig = (c: Context, nodes: readonly Node[], root: Word): DpvsConfig => {
  const devices: Device[] = [];
  const workers: Worker[] = [];
  const t: Draft<Timeouts> = {};
  const d: Draft<DpvsConfig> = {
    devices,
    workers,
    timeoutsMs: t,
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
  readBlock(
    c,
    nodes,
    {
      global_defs: block(c, (x) => readBlock(c, x, globalDefs(c, d), 'global_defs')),
      netif_defs: block(c, (x) =>
        readBlock(
          c,
          x,
          {
            pktpool_size: int(c, 1023, 134_217_728, (v) => {
              d.pktpoolSize = v;
            }),
            device: (n) => device(c, n, devices),
            ...inert(c, ['pktpool_cache', 'fdir_mode', 'fdir']),
            bonding: (n) =>
              c.report.add(
                'error',
                'KS_CONF_UNSUPPORTED',
                n.keyword,
                'bonding is not supported yet',
              ),
          },
          'netif_defs',
        ),
      ),
      worker_defs: block(c, (x) =>
        readBlock(c, x, { worker: (n) => worker(c, n, workers) }, 'worker_defs'),
      ),
      neigh_defs: block(c, (x) =>
        readBlock(
          c,
          x,
          {
            timeout: int(c, 1, 3600, (s) => {
              d.neighbourTimeoutMs = s * 1000;
            }),
            ...inert(c, ['unres_queue_length']),
          },
          'neigh_defs',
        ),
      ),
      ipv4_defs: block(c, (x) =>
        readBlock(
          c,
          x,
          {
            default_ttl: int(c, 0, 255, (v) => {
              d.defaultTtl = v === 0 ? 64 : v;
            }),
            ...inert(c, ['forwarding', 'fragment']),
          },
          'ipv4_defs',
        ),
      ),
      ipvs_defs: block(c, (x) => readBlock(c, x, ipvsDefs(c, d, t), 'ipvs_defs')),
      ...inert(c, ['timer_defs', 'ipset_defs', 'ipv6_defs', 'ctrl_defs', 'sa_pool', 'lcore_defs']),
    },
    'dpvs.conf',
  );
  checkDevices(c, d, root);
  return d;
};
