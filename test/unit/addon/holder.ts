/** Opens handles of every kind in a worker or a child process, to see how it ends with them. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadAddon } from '../../../src/kernel/io/addon.js';

const addon = loadAddon();
if (typeof addon === 'string') throw new Error(addon);

const asked = workerData as { readonly path: string; readonly how: string } | null;
const [path, how] = asked === null ? process.argv.slice(2) : [asked.path, asked.how];
const monitor = addon.netlinkMonitor(
  () => {},
  () => {},
);
const handle = addon.seqpacketConnect(
  path ?? '',
  () => {
    if (how === 'throw') throw new Error('thrown by a listener');
    if (how === 'exit' && parentPort === null) process.exit(7);
    if (how === 'close') {
      handle.close();
      monitor.close();
    }
    parentPort?.postMessage('ready');
  },
  () => {},
);
parentPort?.once('message', () => process.exit(0));
handle.send(new Uint8Array([1, 2, 3]));
