/**
 * Applies configurations a piece at a time: virtual server after virtual server, for a few
 * milliseconds in each turn of the loop, so that probes and their timers are not held up by a
 * configuration of 100,000 servers.
 */
import type { Configure } from './pages.js';
import type { VirtualServerConfig } from './types.js';

export interface ConfigureQueueOptions {
  readonly now: () => number;
  /** Runs `f` in a later turn of the loop. */
  readonly later: (f: () => void) => void;
  readonly apply: (c: VirtualServerConfig) => void;
  readonly remove: (id: string) => void;
  readonly known: () => Iterable<string>;
  /** The last page of a set is applied. */
  readonly done: (revision: number) => void;
}

export interface ConfigureQueue {
  readonly add: (m: Configure) => void;
  /** Forgets what is not applied yet: another client begins with a set of its own. */
  readonly reset: () => void;
}

/** How long one turn may take, ms. */
const sliceMs = 8;

export function configureQueue(o: ConfigureQueueOptions): ConfigureQueue {
  let pages: Configure[] = [];
  let at = 0;
  /** Named by the pages of the current whole set so far. */
  let named = new Set<string>();
  let scheduled = false;

  const finish = (page: Configure): void => {
    for (const id of page.removed) o.remove(id);
    if (page.more) return;
    if (page.whole) for (const id of [...o.known()]) if (!named.has(id)) o.remove(id);
    named = new Set();
    o.done(page.revision);
  };
  /** False when nothing is left. */
  const step = (): boolean => {
    const [page] = pages;
    if (page === undefined) return false;
    const config = page.virtualServers[at];
    if (config === undefined) {
      pages.shift();
      at = 0;
      finish(page);
      return pages.length > 0;
    }
    at++;
    if (page.whole) named.add(config.id);
    o.apply(config);
    return true;
  };
  const turn = (): void => {
    scheduled = false;
    const until = o.now() + sliceMs;
    while (step())
      if (o.now() >= until) {
        schedule();
        return;
      }
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    o.later(turn);
  };
  return {
    add: (m) => {
      pages.push(m);
      schedule();
    },
    reset: () => {
      pages = [];
      at = 0;
      named = new Set();
    },
  };
}
