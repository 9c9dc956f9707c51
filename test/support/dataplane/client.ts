/** The controller's client of the data plane, with its news as words that a test can wait for. */
import { connectDataplane, type Dataplane } from '../../../src/dataplane/io.js';
import { loadAddon } from '../../../src/kernel/io/addon.js';
import { monotonicClock } from '../../../src/kernel/io/clock.js';
import { until as untilHolds } from '../lab/programs.js';

export const until = async (done: () => boolean, what: string): Promise<void> => {
  await untilHolds(what, done, 20_000);
};

export interface Client {
  readonly dataplane: Dataplane;
  /** 'up 1' (workers), 'acked 1' (generation), 'rejected ...', 'lost ...', 'event ...' */
  readonly news: readonly string[];
  readonly hears: (what: string, times?: number) => Promise<void>;
}

export const connectClient = (socketPath: string): Client => {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new Error(addon);
  const news: string[] = [];
  const dataplane = connectDataplane({
    addon,
    socketPath,
    clock: monotonicClock,
    pid: process.pid,
    onUp: (hello) => news.push(`up ${hello.workers}`),
    onAcked: (generation) => news.push(`acked ${generation}`),
    onRejected: (reason) => news.push(`rejected ${reason}`),
    onLost: (reason) => news.push(`lost ${reason}`),
    onEvent: (e) => news.push(`event ${e.type} ${e.text}`),
  });
  const hears = (what: string, times = 1): Promise<void> =>
    until(
      () => news.filter((n) => n.startsWith(what)).length >= times,
      `${what}; heard: ${news.join(', ')}`,
    );
  return { dataplane, news, hears };
};
