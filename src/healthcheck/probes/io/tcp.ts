/**
 * TCP_CHECK: the handshake completes. What the server does then does not matter: when its reset
 * arrives before this process looks, connecting fails with ECONNRESET (a refused one fails with
 * ECONNREFUSED), and the verdict must not depend on who was quicker.
 */
import type { ProbeResult, TcpProbe } from '../../types.js';
import type { RunProbe } from '../run.js';
import { exchange } from './connection.js';
import { success } from './faults.js';

const afterHandshake: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

const isHandshake = (r: ProbeResult): boolean =>
  r.type === 'failed' && r.failure.type === 'errno' && afterHandshake.has(r.failure.errno);

export const probeTcp: RunProbe<TcpProbe> = (p, env, ended) =>
  exchange(
    {
      endpoint: p.endpoint,
      timeoutMs: p.timeoutMs,
      totalMs: p.timeoutMs,
      where: '',
      clock: env.clock,
    },
    (c) => c.settle(success),
    (r) => ended(isHandshake(r) ? success : r),
  );
