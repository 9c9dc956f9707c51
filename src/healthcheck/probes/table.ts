/**
 * The kinds of probes, one row each: what a kind does on the wire. A new kind is a row here, a
 * member of `ProbeSpec`, and a file in io/.
 */
import type { BeginProbe } from '../queue.js';
import type { RunningClock } from '../running-clock.js';
import type {
  HttpProbe,
  ProbeFailure,
  ProbeKind,
  ProbeResult,
  TcpProbe,
  UdpProbe,
} from '../types.js';
import { resultOfError } from './io/faults.js';
import { probeHttp } from './io/http.js';
import { probeTcp } from './io/tcp.js';
import { probeUdp } from './io/udp.js';
import type { ProbeEnvironment, RunProbe } from './run.js';

interface SpecOf {
  readonly TCP_CHECK: TcpProbe;
  readonly HTTP_GET: HttpProbe;
  readonly SSL_GET: HttpProbe;
  readonly UDP_CHECK: UdpProbe;
}

const table: { readonly [K in ProbeKind]: RunProbe<SpecOf[K]> } = {
  TCP_CHECK: probeTcp,
  HTTP_GET: probeHttp,
  SSL_GET: probeHttp,
  UDP_CHECK: probeUdp,
};

const run = <K extends ProbeKind>(
  spec: SpecOf[K] & { readonly kind: K },
  env: ProbeEnvironment,
  ended: (r: ProbeResult) => void,
): (() => void) => table[spec.kind](spec, env, ended);

/**
 * These may be our own doing when this process was paused. A refusal is the server's word, and so is
 * its silence: the timeout is measured in time that was used, in which it could have answered.
 */
const mayBeOurs = (failure: ProbeFailure): boolean =>
  failure.type === 'errno'
    ? failure.errno === 'ECONNRESET' || failure.errno === 'EPIPE'
    : failure.type === 'protocol';

/** What the result of a probe means when this process was paused while it ran. */
export const pausedResult = (r: ProbeResult): ProbeResult =>
  r.type === 'failed' && mayBeOurs(r.failure) ? { ...r, type: 'paused' } : r;

/** Runs probes; some failures are `paused` where this process did not run for a part of the time. */
export const probeRunner =
  (clock: RunningClock, match: ProbeEnvironment['match']): BeginProbe =>
  (spec, ended) => {
    const release = clock.hold();
    const pauses = clock.pauses();
    const done = (r: ProbeResult): void => {
      const result = clock.pauses() === pauses ? r : pausedResult(r);
      release();
      ended(result);
    };
    let cancel: () => void;
    try {
      cancel = run(spec, { clock, match }, done);
    } catch (e) {
      // Not inside the call: the caller learns of the end after it knows how to cancel.
      const soon = setImmediate(done, resultOfError(e, ''));
      cancel = () => clearImmediate(soon);
    }
    return () => {
      release();
      cancel();
    };
  };
