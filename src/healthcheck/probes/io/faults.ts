/** Tells the server's faults from our own: only the former count against it. */
import type { ProbeResult } from '../../types.js';

/** Nothing here says anything about the server: no address, port, descriptor or memory of ours. */
const ours: ReadonlySet<string> = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

const field = (e: unknown, name: 'code' | 'syscall'): string => {
  if (typeof e !== 'object' || e === null || !(name in e)) return '';
  const value: unknown = Reflect.get(e, name);
  return typeof value === 'string' ? value : '';
};

export function resultOfError(e: unknown, where: string): ProbeResult {
  const errno = field(e, 'code');
  if (field(e, 'syscall') === 'bind' || ours.has(errno)) return { type: 'inconclusive', errno };
  if (/^E[A-Z0-9]+$/.test(errno) && !errno.startsWith('EPROTO'))
    return { type: 'failed', failure: { type: 'errno', errno }, where };
  const what = errno === '' ? (e instanceof Error ? e.message : String(e)) : errno;
  return { type: 'failed', failure: { type: 'protocol', what }, where };
}

export const timedOut = (afterMs: number, where: string): ProbeResult => ({
  type: 'failed',
  failure: { type: 'timeout', afterMs },
  where,
});

export const success: ProbeResult = { type: 'ok', weightDelta: 0 };
