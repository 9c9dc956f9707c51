/**
 * The kinds of probes, one row each: what a kind does on the wire. A new kind is a row here, a member of `ProbeSpec`,
 * and a file in io/.
 */
import type { BeginProbe } from '../queue.js';
import type { HttpProbe, ProbeKind, ProbeResult, TcpProbe, UdpProbe } from '../types.js';
import { resultOfError } from './io/faults.js';
import { probeHttp } from './io/http.js';
import { probeTcp } from './io/tcp.js';
import { probeUdp } from './io/udp.js';

interface SpecOf {
  readonly TCP_CHECK: TcpProbe;
  readonly HTTP_GET: HttpProbe;
  readonly SSL_GET: HttpProbe;
  readonly UDP_CHECK: UdpProbe;
}

/** Runs one probe to its end. An aborted signal ends it early, and its result is no longer looked at. */
export type Probe<Spec> = (spec: Spec, signal: AbortSignal) => Promise<ProbeResult>;

const table: { readonly [K in ProbeKind]: Probe<SpecOf[K]> } = {
  TCP_CHECK: probeTcp,
  HTTP_GET: probeHttp,
  SSL_GET: probeHttp,
  UDP_CHECK: probeUdp,
};

const run = <K extends ProbeKind>(
  spec: SpecOf[K] & { readonly kind: K },
  signal: AbortSignal,
): Promise<ProbeResult> => table[spec.kind](spec, signal);

export const beginProbe: BeginProbe = (spec, ended) => {
  const abort = new AbortController();
  run(spec, abort.signal).then(ended, (e: unknown) => ended(resultOfError(e, '')));
  return () => abort.abort();
};
