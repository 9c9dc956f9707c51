/** netif_defs and worker_defs: devices, and which worker reads which of their queues (dpvs.md 2). */
import type { Node, Word } from '../text.js';
import { block, type Context, readBlock, text } from '../values.js';
import { type Draft, inert, int, onOff } from './readers.js';
import type { Device, DpvsConfig, Worker, WorkerPort } from './types.js';

export const device = (c: Context, n: Node, into: Device[]): void => {
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

export const worker = (c: Context, n: Node, into: Worker[]): void => {
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

export const checkDevices = (c: Context, d: DpvsConfig, root: Word): void => {
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
