/** Connects and closes so many times, then tells how many descriptors more are open than before. Forked by a test. */
import { readdirSync } from 'node:fs';
import { connectDataplane } from '../../../src/dataplane/io.js';
import { loadAddon } from '../../../src/kernel/io/addon.js';
import { monotonicClock } from '../../../src/kernel/io/clock.js';

const addon = loadAddon();
if (typeof addon === 'string') throw new Error(addon);
const [socketPath = '', times = '0'] = process.argv.slice(2);

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

const once = (): Promise<void> =>
  new Promise((resolve) => {
    const ignore = (): void => {};
    const dataplane = connectDataplane({
      addon,
      socketPath,
      clock: monotonicClock,
      pid: process.pid,
      onUp: () =>
        setImmediate(() => {
          dataplane.close();
          resolve();
        }),
      onAcked: ignore,
      onRejected: ignore,
      onLost: ignore,
      onEvent: ignore,
    });
  });

// The first connection opens what Node opens once.
await once();
const before = openDescriptors();
for (let i = 1; i < Number(times); i++) await once();
process.send?.(openDescriptors() - before);
