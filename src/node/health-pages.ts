/**
 * Sends configurations to the healthcheck process page by page, so that one of 100,000 servers does
 * not occupy the loop. Sets follow one another; a broken connection drops what was not sent, because
 * the next connection begins with a briefing.
 */
import type { Effect } from '../cluster/diff.js';
import type { ToHealthcheck } from '../healthcheck/messages.js';
import { configurePages } from '../healthcheck/pages.js';

type Configure = Extract<Effect, { readonly type: 'configureHealth' }>;

export interface HealthPages {
  readonly send: (e: Configure) => void;
  readonly drop: () => void;
}

export const healthPages = (
  send: (m: ToHealthcheck) => boolean,
  defer: (run: () => void) => void = setImmediate,
): HealthPages => {
  let waiting: Iterator<ToHealthcheck>[] = [];
  let isDue = false;
  const sendOne = (): void => {
    isDue = false;
    const [first] = waiting;
    if (first === undefined) return;
    const page = first.next();
    if (page.done === true) waiting.shift();
    else if (!send(page.value)) waiting = [];
    due();
  };
  const due = (): void => {
    if (isDue || waiting.length === 0) return;
    isDue = true;
    defer(sendOne);
  };
  return {
    send: (e) => {
      waiting.push(configurePages(e.revision, e.whole, e.virtualServers));
      due();
    },
    drop: () => {
      waiting = [];
    },
  };
};
