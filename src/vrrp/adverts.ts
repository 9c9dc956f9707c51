/** What every state does with an advert that it accepts: remember the sender, learn its interval. */
import { formatIpv4 } from '../net/ipv4.js';
import type { Advert } from './receive.js';
import { heardLog, log, type Next, type State } from './state.js';
import { stay } from './transitions.js';

export const inPhase = (s: State, phase: State['phase']): State => ({ ...s, phase });

/** Remembers who is active, and reports when that changed. */
export const follow = (s: State, a: Advert): Next => {
  const known = s.peer;
  if (known?.address === a.source && known.priority === a.priority) return stay(s);
  const next: State = { ...s, peer: { address: a.source, priority: a.priority } };
  if (known?.address === a.source) return stay(next, { type: 'changed' });
  const from = formatIpv4(a.source);
  const msg =
    known === null
      ? `master set to ${from}`
      : `master changed from ${formatIpv4(known.address)} to ${from}`;
  return stay(next, heardLog(s, 'master', msg, { priority: a.priority }), { type: 'changed' });
};

/** RFC 9568 §6.4.2 (445): the active router's interval is ours while we are backup. */
export const learnInterval = (s: State, a: Advert): Next => {
  if (s.config.version === 2 || a.intervalMs === 0 || a.intervalMs === s.activeIntervalMs)
    return stay(s);
  const msg = `advertisement interval updated from ${s.activeIntervalMs}ms to ${a.intervalMs}ms by master`;
  return stay({ ...s, activeIntervalMs: a.intervalMs }, heardLog(s, 'interval', msg), {
    type: 'changed',
  });
};

/** Logs each complaint once until the next transition. */
export function complain(s: State, why: string): Next {
  if (s.complaints.length >= 8 || s.complaints.includes(why)) return stay(s);
  return stay({ ...s, complaints: [...s.complaints, why] }, log('warn', s, why));
}
