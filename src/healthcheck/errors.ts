/** Turns the results of probes into the words an operator reads. */
import { unreachable } from '../kernel/machine.js';
import type { Endpoint, ProbeFailure } from './types.js';

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
      return f.mustMatch ? 'the pattern was not found' : 'the pattern was found and must be absent';
    case 'reply':
      return 'another reply than the one required';
    case 'protocol':
      return f.what;
    default:
      return unreachable(f);
  }
}

export const describeFailure = (f: ProbeFailure, where: string): string =>
  where === '' ? words(f) : `${words(f)} (${where})`;

const faultWords: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the local address and port are in use',
  EAFNOSUPPORT: 'the address family is not supported here',
  EMFILE: 'this process has no file descriptor left',
  ENFILE: 'the system has no file descriptor left',
  ENOBUFS: 'the kernel has no memory left for sockets',
  ENOMEM: 'the kernel has no memory left',
};

/** Why a probe could not be made. */
export const describeFault = (errno: string, e: Endpoint): string =>
  errno === 'EADDRNOTAVAIL' && e.bindAddress !== null
    ? `the local address ${e.bindAddress} (bindto) is not on this host`
    : (faultWords[errno] ?? errno);
