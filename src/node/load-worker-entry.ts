/** The worker thread of load-worker.ts: loads, then hands over one part each time it is asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { fileSource } from '../config/io.js';
import { loadConfig } from '../config/load.js';
import { textSource } from '../config/text-source.js';
import { partsOf } from './load-parts.js';
import type { LoadRequest } from './load-worker.js';
import { readMachine } from './machine.js';
import { patternCheck } from './patterns.js';

const { paths, texts } = workerData as LoadRequest;
const source = texts === null ? fileSource : textSource(texts);
const parts = partsOf(
  loadConfig(source, paths, { machine: readMachine(), pattern: patternCheck() }),
);
const send = (): void => {
  const next = parts.next();
  if (next.done === true) parentPort?.close();
  else parentPort?.postMessage(next.value);
};
parentPort?.on('message', send);
send();
