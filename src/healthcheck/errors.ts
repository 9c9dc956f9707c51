/** Turns what a probe met into the words an operator reads. */
import { unreachable } from '../kernel/machine.js';
import type { ProbeFailure } from './types.js';

const errnoWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EPIPE: 'connection closed',
};

function words(f: ProbeFailure): string {
  switch (f.type) {
    case 'timeout':
      return `no answer within ${f.afterMs} ms`;
    case 'errno':
      return errnoWords[f.errno] ?? f.errno;
    case 'status':
      return `status ${f.status}`;
    case 'digest':
      return `digest ${f.found}`;
    case 'pattern':
      return 'the pattern did not decide for it';
    case 'protocol':
      return f.what;
    default:
      return unreachable(f);
  }
}

export const describeFailure = (f: ProbeFailure, where: string): string =>
  where === '' ? words(f) : `${words(f)} (${where})`;
