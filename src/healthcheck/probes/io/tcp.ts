/** TCP_CHECK: the handshake completes. */
import type { ProbeResult, TcpProbe } from '../../types.js';
import { exchange } from './connection.js';
import { success } from './faults.js';

export const probeTcp = (p: TcpProbe, signal: AbortSignal): Promise<ProbeResult> =>
  exchange(
    { endpoint: p.endpoint, timeoutMs: p.timeoutMs, totalMs: p.timeoutMs, where: '', signal },
    (c) => c.settle(success),
  );
