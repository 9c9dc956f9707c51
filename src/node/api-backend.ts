/** Answers the API's requests from the controller's state and the data plane. */
import type { ApiBackend, SessionQuery } from '../api/server.js';
import { type StatusMore, statusView } from '../api/status.js';
import type { ReloadView, SessionView } from '../api/views.js';
import type { State } from '../cluster/machine.js';
import { type SessionRow, stateNames } from '../dataplane/codec.js';
import type { Counters } from '../dataplane/counters.js';
import type { Dataplane } from '../dataplane/io.js';
import { protocols } from '../dataplane/ops.js';
import type { createLogger } from '../kernel/io/logger.js';
import { version } from '../kernel/io/version.js';
import { endpoint } from '../net/endpoint.js';
import type { Outcome } from './runtime.js';
import { toolsBackend } from './tools.js';

export interface ApiBackendOptions {
  readonly state: () => State;
  readonly dataplane: Pick<Dataplane, 'counters' | 'list' | 'sessions'>;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly configuration: () => { readonly loadedAt: number; readonly error: string | null };
  /** What `keelson status` shows of processes, leases, journals and the event loop. */
  readonly more: () => StatusMore;
  readonly reload: () => Promise<ReloadView>;
  readonly change: (commands: readonly unknown[]) => Promise<Outcome>;
  readonly isStopping: () => boolean;
  readonly log: Pick<ReturnType<typeof createLogger>, 'info'>;
}

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocols).map(([name, n]) => [n, name.toLowerCase()]),
);

const sessionView = (r: SessionRow): SessionView => ({
  worker: r.worker,
  protocol: protocolNames.get(r.proto) ?? String(r.proto),
  state: stateNames[r.state] ?? String(r.state),
  expiresMs: r.expiresMs,
  client: endpoint(r.client, r.cport),
  vip: endpoint(r.vip, r.vport),
  lip: endpoint(r.lip, r.lport),
  realServer: endpoint(r.rs, r.rport),
});

export const apiBackend = (o: ApiBackendOptions): ApiBackend => {
  const counters = (): Counters => {
    const c = o.dataplane.counters();
    if (c === null) throw new Error('the data plane is not connected');
    return c;
  };

  const sessions = async ({
    limit,
    client,
    vip,
  }: SessionQuery): Promise<readonly SessionView[]> => {
    const rows =
      client === null && vip === null
        ? await o.dataplane.sessions(limit)
        : await o.dataplane.sessions(limit, (r) => {
            const v = sessionView(r);
            return (client ?? v.client) === v.client && (vip ?? v.vip) === v.vip;
          });
    return rows.map(sessionView);
  };

  return {
    status: () => {
      const { loadedAt, error } = o.configuration();
      return statusView({
        state: o.state(),
        counters: o.dataplane.counters(),
        pid: process.pid,
        version,
        startedAt: o.startedAt,
        configLoadedAt: loadedAt,
        configError: error,
        more: o.more(),
        iso: (ms) => new Date(ms).toISOString(),
      });
    },
    sessions,
    drops: (all) => {
      const c = counters();
      const rows = [...c.workers, c.main];
      const names = Object.keys(c.main).filter((n) => n.startsWith('drop.'));
      const drops = names.map((n) => {
        const perWorker = rows.map((w) => w[n] ?? 0);
        return {
          reason: n.slice('drop.'.length),
          total: perWorker.reduce((a, b) => a + b, 0),
          perWorker,
        };
      });
      return { drops: drops.filter((d) => all || d.total > 0).sort((a, b) => b.total - a.total) };
    },
    counters: () => {
      const { workers, ports } = counters();
      return { workers, ports };
    },
    reload: o.reload,
    ...toolsBackend(o),
  };
};
