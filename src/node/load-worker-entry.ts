/** The worker thread of load-worker.ts: loads, then hands over one part each time it is asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { fileSource } from '../config/io.js';
import { loadConfig } from '../config/load.js';
import { textSource } from '../config/text-source.js';
import { partsOf } from './load-parts.js';
import type { LoadRequest } from './load-worker.js';

const { paths, texts } = workerData as LoadRequest;
const parts = partsOf(loadConfig(texts === null ? fileSource : textSource(texts), paths));
const send = (): void => {
  const next = parts.next();
  if (next.done === true) parentPort?.close();
  else parentPort?.postMessage(next.value);
};
parentPort?.on('message', send);
send();
