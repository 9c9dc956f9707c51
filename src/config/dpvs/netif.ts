/** netif_defs and worker_defs: devices, and which worker reads which of their queues (dpvs.md 2). */
import type { Place } from '../diagnostics.js';
import { type At, type Node, placeOf, type Report } from '../text.js';
import {
  block,
  type Context,
  type Draft,
  inner,
  oneOf,
  type Reader,
  readBlock,
  type Table,
  table,
  text,
  wrong,
} from '../values.js';
import { int, onOff } from './readers.js';
import type { Device, DpvsConfig, Worker, WorkerPort } from './types.js';

type DeviceDraft = Draft<Device>;
const self = (d: DeviceDraft): DeviceDraft => d;

const rxTable: Table<DeviceDraft> = table('rx', {
  queue_number: int(0, 16, (d, x) => {
    d.rxQueues = x;
  }),
  descriptor_number: int(16, 8192, (d, x) => {
    d.rxDescriptors = x;
  }),
});

const txTable: Table<DeviceDraft> = table('tx', {
  queue_number: int(0, 16, (d, x) => {
    d.txQueues = x;
  }),
  descriptor_number: int(16, 8192, (d, x) => {
    d.txDescriptors = x;
  }),
});

const deviceTable: Table<DeviceDraft> = table('device', {
  rx: inner(() => rxTable, self),
  tx: inner(() => txTable, self),
  mtu: int(0, 9000, (d, x) => {
    d.mtu = x === 0 ? 1500 : x;
  }),
  promisc_mode: onOff((d, b) => {
    d.promisc = b;
  }),
  allmulticast: onOff((d, b) => {
    d.allmulticast = b;
  }),
  kni_name: text('an interface name', (d, s, c, w) => {
    if (s !== d.kniName)
      c.report.add('error', 'KS_CONF_UNSUPPORTED', w, 'kni_name cannot be chosen yet', {
        found: `'${s}'`,
        expected: d.kniName,
      });
  }),
  devargs: text('a DPDK device', (d, s) => {
    d.devargs = s;
  }),
});

export const device = (c: Context, n: Node, into: Device[]): void => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'device needs a name and a block');
    return;
  }
  if (!/^[^\s/]{1,11}$/.test(name.text)) {
    // the kernel interface has `.kni` behind it, and 15 characters at most
    wrong(c, name, 'a name of at most 11 characters');
    return;
  }
  const d: DeviceDraft = {
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
    place: placeOf(name),
  };
  readBlock(c, n.block, deviceTable, d);
  into.push(d);
};

const queueList =
  <D>(part: (d: D) => number[]): Reader<D> =>
  (c, n, d) => {
    for (const w of n.args) {
      if (/^\d{1,2}$/.test(w.text)) part(d).push(Number(w.text));
      else wrong(c, w, 'queue numbers from 0');
    }
  };

interface PortDraft {
  readonly rx: number[];
  readonly tx: number[];
}

const portTable: Table<PortDraft> = table('port', {
  rx_queue_ids: queueList((d) => d.rx),
  tx_queue_ids: queueList((d) => d.tx),
});

interface WorkerDraft {
  readonly ports: WorkerPort[];
  type: Worker['type'];
  cpuId: number | null;
}

const workerTable: Table<WorkerDraft> = table('worker', {
  type: oneOf(['master', 'slave', 'kni'], (d, t) => {
    d.type = t;
  }),
  cpu_id: int(0, 127, (d, x) => {
    d.cpuId = x;
  }),
  port: block((c, nodes, d, n) => {
    const dev = n.args[0];
    if (dev === undefined) {
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'port needs the name of a device');
      return;
    }
    const p: PortDraft = { rx: [], tx: [] };
    readBlock(c, nodes, portTable, p);
    d.ports.push({ device: dev.text, rxQueues: p.rx, txQueues: p.tx });
  }),
});

export const netifTables = [rxTable, txTable, deviceTable, portTable, workerTable];

export const worker = (c: Context, n: Node, into: Worker[]): void => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'worker needs a name and a block');
    return;
  }
  const d: WorkerDraft = { ports: [], type: 'slave', cpuId: null };
  readBlock(c, n.block, workerTable, d);
  if (d.cpuId === null) {
    c.report.add('error', 'KS_CONF_MISSING', name, `worker ${name.text} has no cpu_id`);
    return;
  }
  into.push({
    name: name.text,
    type: d.type,
    cpuId: d.cpuId,
    ports: d.ports,
    place: placeOf(name),
  });
};

type Say = (place: Place, message: string, hint?: string) => void;

/** Ports of workers that are no device: one error for each name, at its first worker. */
const checkPorts = (d: DpvsConfig, error: Say): void => {
  const names = new Set(d.devices.map((x) => x.name));
  const known = d.devices.length === 0 ? 'there is no device at all' : [...names].join(', ');
  for (const w of d.workers)
    for (const p of w.ports) {
      if (names.has(p.device)) continue;
      names.add(p.device);
      error(w.place, `worker ${w.name} names port ${p.device}, which is no device`, known);
    }
};

const checkWorkers = (d: DpvsConfig, root: Place, error: Say): void => {
  if (!d.workers.some((w) => w.type === 'slave'))
    error(root, 'there is no worker of type slave', 'packets need at least one');
  const masters = d.workers.filter((w) => w.type === 'master');
  if (masters.length !== 1)
    error(root, `there are ${masters.length} workers of type master; one is needed`);
  const cpus = new Map<number, string>();
  for (const w of d.workers) {
    const other = cpus.get(w.cpuId);
    if (other !== undefined)
      error(w.place, `worker ${w.name} has cpu_id ${w.cpuId}, as has ${other}`);
    cpus.set(w.cpuId, w.name);
  }
};

/** Every receive queue has exactly one reader; `polled` counts them. */
const checkQueues = (dev: Device, polled: ReadonlyMap<string, number>, error: Say): void => {
  for (let q = 0; q < Math.max(1, dev.rxQueues); q++) {
    const readers = polled.get(`${dev.name} ${q}`) ?? 0;
    if (readers !== 1)
      error(
        dev.place,
        `receive queue ${q} of ${dev.name} is read by ${readers} workers`,
        `one worker needs 'port ${dev.name} { rx_queue_ids ${q} }'`,
      );
  }
};

/** A worker reads only queues that its device has. */
const checkQueueIds = (d: DpvsConfig, error: Say): void => {
  const queues = new Map(d.devices.map((x) => [x.name, Math.max(1, x.rxQueues)]));
  for (const w of d.workers)
    for (const p of w.ports) {
      const most = queues.get(p.device);
      for (const q of p.rxQueues)
        if (most !== undefined && q >= most)
          error(
            w.place,
            `worker ${w.name} reads queue ${q} of ${p.device}, which has ${most}`,
            `set queue_number in rx of ${p.device}`,
          );
    }
};

/** `bonded`: some devices were not read, so that they are missing is no error of its own. */
export const checkDevices = (report: Report, d: DpvsConfig, root: At, bonded: boolean): void => {
  const error: Say = (place, message, hint) =>
    report.add('error', 'KS_CONF_WORKERS', { ...place, length: 1 }, message, { hint });
  const polled = new Map<string, number>();
  for (const w of d.workers)
    for (const p of w.ports)
      for (const q of new Set(p.rxQueues)) {
        const key = `${p.device} ${q}`;
        polled.set(key, (polled.get(key) ?? 0) + 1);
      }
  checkWorkers(d, root, error);
  if (bonded) return;
  if (d.devices.length === 0) {
    error(root, 'there is no device');
    return;
  }
  checkPorts(d, error);
  checkQueueIds(d, error);
  const seen = new Set<string>();
  for (const dev of d.devices) {
    checkQueues(dev, polled, error);
    if (seen.has(dev.name)) error(dev.place, `device ${dev.name} is there twice`);
    seen.add(dev.name);
  }
};
