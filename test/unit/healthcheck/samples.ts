/** Configurations and a hand-moved clock that the tests of the health checks share. */
import type {
  CheckerConfig,
  HttpProbe,
  HttpUrl,
  RealServerConfig,
  TcpProbe,
  UdpProbe,
  VirtualServerConfig,
} from '../../../src/healthcheck/types.js';
import type { Clock } from '../../../src/kernel/driver.js';
import { type Millis, millis } from '../../../src/kernel/machine.js';

export const endpoint = {
  address: '192.0.2.1',
  port: 80,
  bindAddress: null,
  bindPort: null,
} as const;

export const tcp: TcpProbe = { kind: 'TCP_CHECK', endpoint, timeoutMs: 3000 };

export const url: HttpUrl = {
  path: '/',
  status: [],
  digest: null,
  pattern: null,
  host: null,
  serverName: null,
};

export const http: HttpProbe = {
  kind: 'HTTP_GET',
  endpoint,
  timeoutMs: 3000,
  protocol: '1.0',
  urls: [url],
};

export const udp: UdpProbe = {
  kind: 'UDP_CHECK',
  endpoint,
  timeoutMs: 3000,
  payload: null,
  requireReply: null,
  minReplyLength: 0,
  maxReplyLength: 255,
};

export const checkerConfig: CheckerConfig = {
  probe: tcp,
  delayLoopMs: 10_000,
  retry: 2,
  delayBeforeRetryMs: 1000,
  warmupMs: 10_000,
  alpha: false,
  logAllFailures: false,
};

export const realServer: RealServerConfig = {
  id: 'rs1',
  weight: 1,
  checkers: [checkerConfig],
  held: null,
};

export const virtualServer: VirtualServerConfig = {
  id: 'vs1',
  quorum: 1,
  hysteresis: 0,
  alpha: false,
  quorumHeld: null,
  suspended: false,
  realServers: [realServer],
};

export interface HandClock extends Clock {
  /** Lives through everything up to `to`, in order. */
  readonly advance: (to: number) => void;
  readonly armed: () => number;
}

export function handClock(): HandClock {
  let now = 0;
  let order = 0;
  const waiting = new Set<{ at: Millis; order: number; wake: () => void }>();
  const due = (to: number) =>
    [...waiting].filter((w) => w.at <= to).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  return {
    now: () => millis(now),
    wakeAt: (at, wake) => {
      const w = { at, order: order++, wake };
      waiting.add(w);
      return () => waiting.delete(w);
    },
    advance: (to) => {
      for (let next = due(to); next !== undefined; next = due(to)) {
        now = Math.max(now, next.at);
        waiting.delete(next);
        next.wake();
      }
      now = to;
    },
    armed: () => waiting.size,
  };
}
