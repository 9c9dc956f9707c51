/** dpvs.conf as the command line of keelson-dataplane (native/dpdk/options.h). */
import type { Device, DpvsConfig, Worker } from '../config/dpvs/types.js';

const device = (d: Device): readonly string[] => [
  '--port',
  d.name,
  ...(d.devargs === null ? [] : ['--devargs', d.devargs]),
  '--rxq',
  String(Math.max(1, d.rxQueues)),
  '--txq',
  String(Math.max(1, d.txQueues)),
  '--rxd',
  String(d.rxDescriptors),
  '--txd',
  String(d.txDescriptors),
  '--mtu',
  String(d.mtu),
  ...(d.promisc ? ['--promisc'] : []),
];

const worker = (w: Worker): readonly string[] => [
  '--worker',
  w.name,
  '--lcore',
  String(w.cpuId),
  ...w.ports.flatMap((p) => p.rxQueues.flatMap((q) => ['--poll', `${p.device}:${q}`])),
];

/** `socket` is the path of the control socket. */
export const dataplaneArgs = (c: DpvsConfig, socket: string): readonly string[] => {
  const master = c.workers.find((w) => w.type === 'master');
  return [
    '--socket',
    socket,
    '--main-lcore',
    String(master?.cpuId ?? 0),
    '--max-sessions',
    String(c.connPoolSize),
    '--pool-size',
    String(c.pktpoolSize),
    '--idle-sleep-max-us',
    String(c.idleSleepMaxUs),
    ...(c.filePrefix === null ? [] : ['--file-prefix', c.filePrefix]),
    ...c.devices.flatMap(device),
    ...c.workers.filter((w) => w.type === 'slave').flatMap(worker),
    ...(c.ealArgs.length === 0 ? [] : ['--', ...c.ealArgs]),
  ];
};
