/**
 * dpvs.conf (dpvs.md 2): every item with its range and default. As in DPVS a bad value is a warning and the default is used; here it is said with
 * its place. `<init>` and other remarks in angle brackets are comments.
 */
import type { Node, SourceLine, Word } from '../text.js';
import { block, type Context, type Reader, type Readers, readBlock, text } from '../values.js';
import type { Device, DpvsConfig, ReuseState, Timeouts, Worker, WorkerPort } from './types.js';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** Remarks in angle brackets become blanks, so that columns stay. */
export const withoutRemarks = (l: SourceLine): SourceLine => ({
  ...l,
  text: l.text.replace(/<[^>]*>/g, (m) => ' '.repeat(m.length)),
});

const lenient = (c: Context, w: Word, expected: string): void =>
  c.report.add('warning', 'KS_CONF_VALUE', w, 'wrong value, the default is used', {
    found: `'${w.text}'`,
    expected,
  });

const int =
  (c: Context, min: number, max: number, set: (n: number, w: Word) => void): Reader =>
  (n) => {
    const w = n.args[0];
    const expected = `a whole number from ${min} to ${max}`;
    if (w === undefined)
      c.report.add('warning', 'KS_CONF_MISSING', n.keyword, `'${n.keyword.text}' has no value`, {
        expected,
      });
    else if (!/^\d+$/.test(w.text) || Number(w.text) < min || Number(w.text) > max)
      lenient(c, w, expected);
    else set(Number(w.text), w);
  };

const onOff =
  (c: Context, set: (b: boolean) => void): Reader =>
  (n) => {
    const w = n.args[0];
    if (w === undefined || ['on', 'enable', 'true'].includes(w.text)) set(true);
    else if (['off', 'disable', 'false'].includes(w.text)) set(false);
    else lenient(c, w, 'on or off');
  };

/** Items that are checked by nobody yet: accepted, and said to be without effect. */
const inert = (c: Context, names: readonly string[]): Readers =>
  Object.fromEntries(
    names.map((name) => [
      name,
      (n: Node) =>
        c.report.add(
          'info',
          'KS_CONF_NOT_ACTED_ON',
          n.keyword,
          `'${name}' is read and not acted on`,
        ),
    ]),
  );

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

const device = (c: Context, n: Node, into: Device[]): void => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'device needs a name and a block');
    return;
  }
  const d: Draft<Device> = {
    name: name.text,
    devargs: null,
    rxQueues: 1,
    rxDescriptors: 256,
    txQueues: 1,
    txDescriptors: 512,
    mtu: 1500,
    promisc: false,
    allmulticast: false,
    kniName: `${name.text}.kni`,
    place: name.place,
  };
  readBlock(
    c,
    n.block,
    {
      rx: block(c, (nodes) =>
        readBlock(
          c,
          nodes,
          {
            queue_number: int(c, 0, 16, (x) => {
              d.rxQueues = x;
            }),
            descriptor_number: int(c, 16, 8192, (x) => {
              d.rxDescriptors = x;
            }),
            ...inert(c, ['rss']),
          },
          'rx',
        ),
      ),
      tx: block(c, (nodes) =>
        readBlock(
          c,
          nodes,
          {
            queue_number: int(c, 0, 16, (x) => {
              d.txQueues = x;
            }),
            descriptor_number: int(c, 16, 8192, (x) => {
              d.txDescriptors = x;
            }),
            ...inert(c, ['mbuf_fast_free']),
          },
          'tx',
        ),
      ),
      mtu: int(c, 0, 9000, (x) => {
        d.mtu = x === 0 ? 1500 : x;
      }),
      promisc_mode: onOff(c, (b) => {
        d.promisc = b;
      }),
      allmulticast: onOff(c, (b) => {
        d.allmulticast = b;
      }),
      kni_name: text(c, 'an interface name', (s, w) => {
        if (s !== `${name.text}.kni`)
          c.report.add('error', 'KS_CONF_UNSUPPORTED', w, 'kni_name cannot be chosen yet', {
            found: `'${s}'`,
            expected: `${name.text}.kni`,
          });
      }),
      devargs: text(c, 'a DPDK device', (s) => {
        d.devargs = s;
      }),
    },
    `device ${name.text}`,
  );
  into.push(d);
};

const queueList = (c: Context, into: number[]) => (n: Node) => {
  for (const w of n.args) {
    if (/^\d{1,2}$/.test(w.text)) into.push(Number(w.text));
    else
      c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
        found: `'${w.text}'`,
        expected: 'queue numbers from 0',
      });
  }
};

const worker = (c: Context, n: Node, into: Worker[]): void => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'worker needs a name and a block');
    return;
  }
  const ports: WorkerPort[] = [];
  let type: Worker['type'] = 'slave';
  let cpuId: number | null = null;
  readBlock(
    c,
    n.block,
    {
      type: (x) => {
        const w = x.args[0];
        if (w?.text === 'master' || w?.text === 'slave' || w?.text === 'kni') type = w.text;
        else
          c.report.add('error', 'KS_CONF_VALUE', w ?? x.keyword, 'wrong value', {
            expected: 'master, slave or kni',
          });
      },
      cpu_id: int(c, 0, 127, (x) => {
        cpuId = x;
      }),
      port: (x) => {
        const dev = x.args[0];
        const rx: number[] = [];
        const tx: number[] = [];
        if (dev === undefined) return;
        readBlock(
          c,
          x.block ?? [],
          {
            rx_queue_ids: queueList(c, rx),
            tx_queue_ids: queueList(c, tx),
            ...inert(c, ['isol_rx_cpu_ids', 'isol_rxq_ring_sz']),
          },
          `port ${dev.text}`,
        );
        ports.push({ device: dev.text, rxQueues: rx, txQueues: tx });
      },
      ...inert(c, ['icmp_redirect_core']),
    },
    `worker ${name.text}`,
  );
  if (cpuId === null) {
    c.report.add('error', 'KS_CONF_MISSING', name, `worker ${name.text} has no cpu_id`);
    return;
  }
  into.push({ name: name.text, type, cpuId, ports, place: name.place });
};

/** Names in timeout blocks and what they are called here; seconds from 1 to 31535999. */
const timeoutNames: Readonly<Record<'tcp' | 'udp', Readonly<Record<string, keyof Timeouts>>>> = {
  tcp: {
    none: 'tcpNone',
    established: 'tcpEstablished',
    syn_sent: 'tcpSynSent',
    syn_recv: 'tcpSynRecv',
    fin_wait: 'tcpFinWait',
    time_wait: 'tcpTimeWait',
    close: 'tcpClose',
    close_wait: 'tcpCloseWait',
    last_ack: 'tcpLastAck',
    listen: 'tcpListen',
    synack: 'tcpSynAck',
    last: 'tcpLast',
  },
  udp: { oneway: 'udpOneway', normal: 'udpNormal', last: 'udpLast' },
};

const timeouts = (c: Context, kind: 'tcp' | 'udp', into: Draft<Timeouts>) =>
  block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      Object.fromEntries(
        Object.entries(timeoutNames[kind]).map(([word, name]) => [
          word,
          int(c, 1, 31_535_999, (s) => {
            into[name] = s * 1000;
          }),
        ]),
      ),
      'timeout',
    ),
  );

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
};

const reuseStates: Readonly<Record<string, ReuseState>> = {
  close: 'CLOSE',
  time_wait: 'TIME_WAIT',
  fin_wait: 'FIN_WAIT',
  close_wait: 'CLOSE_WAIT',
  last_ack: 'LAST_ACK',
};

/** DPVS keeps the states of connection reuse with the SYN proxy's items; they hold for every TCP service here. */
const synProxy = (c: Context, d: Draft<DpvsConfig>) =>
  block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        conn_reuse_state: block(c, (states) =>
          readBlock(
            c,
            states,
            Object.fromEntries(
              Object.entries(reuseStates).map(([word, state]) => [
                word,
                onOff(c, (b) => {
                  const others = d.reuseStates.filter((s) => s !== state);
                  d.reuseStates = b ? [...others, state] : others;
                }),
              ]),
            ),
            'conn_reuse_state',
          ),
        ),
        ...inert(c, [
          'synack_options',
          'close_client_window',
          'defer_rs_syn',
          'rs_syn_max_retry',
          'ack_storm_thresh',
          'max_ack_saved',
        ]),
      },
      'synproxy',
    ),
  );

const ipvsDefs = (c: Context, d: Draft<DpvsConfig>, t: Draft<Timeouts>): Readers => ({
  mh_table_size: int(c, 251, 65_521, (x, w) => {
    if (isPrime(x)) d.maglevSize = x;
    else
      c.report.add('error', 'KS_CONF_VALUE', w, 'a Maglev table has a prime number of rows', {
        found: `${x}`,
        expected: '4093, 16381, 65521 ...',
      });
  }),
  conn: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        conn_pool_size: int(c, 65_536, 67_108_864, (x) => {
          d.connPoolSize = x;
        }),
        conn_init_timeout: int(c, 1, 31_535_999, (s) => {
          t.connInit = s * 1000;
        }),
        expire_quiescent_template: onOff(c, (b) => {
          d.expireTemplate = b;
        }),
        ...inert(c, ['conn_pool_cache', 'fast_xmit_close', 'xmit_ttl', 'redirect']),
      },
      'conn',
    ),
  ),
  udp: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        timeout: timeouts(c, 'udp', t),
        ...inert(c, ['defence_udp_drop', 'uoa_mode', 'uoa_max_trail']),
      },
      'udp',
    ),
  ),
  tcp: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        timeout: timeouts(c, 'tcp', t),
        synproxy: synProxy(c, d),
        reset_expired: onOff(c, (b) => {
          d.resetExpired = b;
        }),
        ...inert(c, ['defence_tcp_drop']),
      },
      'tcp',
    ),
  ),
});

type Say = (place: Word['place'], message: string, hint?: string) => void;

const checkWorkers = (d: DpvsConfig, root: Word, error: Say): void => {
  if (!d.workers.some((w) => w.type === 'slave'))
    error(root.place, 'there is no worker of type slave', 'packets need at least one');
  const masters = d.workers.filter((w) => w.type === 'master');
  if (masters.length !== 1)
    error(root.place, `there are ${masters.length} workers of type master; one is needed`);
  const cpus = new Map<number, string>();
  for (const w of d.workers) {
    const other = cpus.get(w.cpuId);
    if (other !== undefined)
      error(w.place, `worker ${w.name} has cpu_id ${w.cpuId}, as has ${other}`);
    cpus.set(w.cpuId, w.name);
    for (const p of w.ports)
      if (!d.devices.some((x) => x.name === p.device))
        error(w.place, `worker ${w.name} names port ${p.device}, which is no device`);
  }
};

/** Every receive queue has exactly one reader. */
const checkQueues = (d: DpvsConfig, dev: Device, error: Say): void => {
  for (let q = 0; q < Math.max(1, dev.rxQueues); q++) {
    const readers = d.workers.filter((w) =>
      w.ports.some((p) => p.device === dev.name && p.rxQueues.includes(q)),
    );
    if (readers.length !== 1)
      error(
        dev.place,
        `receive queue ${q} of ${dev.name} is read by ${readers.length} workers`,
        `one worker needs 'port ${dev.name} { rx_queue_ids ${q} }'`,
      );
  }
};

const check = (c: Context, d: DpvsConfig, root: Word): void => {
  const error: Say = (place, message, hint) =>
    c.report.add('error', 'KS_CONF_WORKERS', { place, length: 1 }, message, { hint });
  if (d.devices.length === 0) error(root.place, 'there is no device');
  checkWorkers(d, root, error);
  const names = d.devices.map((x) => x.name);
  for (const dev of d.devices) {
    checkQueues(d, dev, error);
    if (names.indexOf(dev.name) !== d.devices.indexOf(dev))
      error(dev.place, `device ${dev.name} is there twice`);
  }
};

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
  check(c, d, root);
  return d;
};
