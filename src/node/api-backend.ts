/** Answers the API's requests from the controller's state and the data plane. */
import { sharedCounts } from '../api/counts.js';
import { RequestError } from '../api/errors.js';
import type { ApiBackend, SessionQuery, StatusQuery } from '../api/server.js';
import { type StatusMore, statusHead } from '../api/status.js';
import { inTurns, type Streamed } from '../api/stream.js';
import type { LeaseView, ReloadView, SessionView, VirtualServerView } from '../api/views.js';
import {
  countFull,
  fileRows,
  type RowInputs,
  runtimeRows,
  runtimeServices,
  type Survey,
  survey,
} from '../api/virtual-servers.js';
import type { State } from '../cluster/machine.js';
import { shadowedIn } from '../cluster/runtime/merge.js';
import {
  type LeaseState,
  leaseQuery,
  neverRenewed,
  type SessionRow,
  stateNames,
} from '../dataplane/codec.js';
import type { Overview } from '../dataplane/counters.js';
import type { Dataplane } from '../dataplane/io.js';
import { protocols } from '../dataplane/ops.js';
import { type ServiceEntry, type Snapshot, serviceKey } from '../dataplane/snapshot.js';
import type { createLogger } from '../kernel/io/logger.js';
import { version } from '../kernel/io/version.js';

import { endpoint } from '../net/endpoint.js';
import type { Outcome } from './runtime.js';
import { toolsBackend } from './tools.js';

export interface ApiBackendOptions {
  readonly state: () => State;
  readonly dataplane: Pick<Dataplane, 'overview' | 'servers' | 'list' | 'sessionPages' | 'lease'>;
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

/** Pages of at most `limit` sessions together, of those that were asked for. */
export const sessionViews = async function* (
  pages: Dataplane['sessionPages'],
  { limit, client, vip }: SessionQuery,
): AsyncGenerator<readonly SessionView[]> {
  const wanted = (r: SessionRow): boolean =>
    (client === null || endpoint(r.client, r.cport) === client) &&
    (vip === null || endpoint(r.vip, r.vport) === vip);
  const all = client === null && vip === null;
  const query = { ...(limit === 0 ? {} : { limit }), ...(all ? {} : { wanted }) };
  for await (const page of pages(query)) yield page.map(sessionView);
};

/** The last value of a function of one object, kept while the object is the same. */
const remembered = <K extends object, V>(make: (key: K) => V): ((key: K) => V) => {
  let last: { readonly key: K; readonly value: V } | null = null;
  return (key) => {
    if (last?.key !== key) last = { key, value: make(key) };
    return last.value;
  };
};

const noServices: ReadonlyMap<string, ServiceEntry> = new Map();

/** More are not shown. */
const mostLeases = 1000;
/** Status does not wait longer for a data plane that is busy. */
const leasesMs = 500;

/** The leases of all virtual addresses; empty when the data plane does not answer. */
const leasesOf = async (
  dataplane: Pick<Dataplane, 'lease'>,
  { plan }: State,
): Promise<readonly LeaseView[]> => {
  const addresses = (plan?.snapshot.addresses ?? []).filter((a) => a.leased).slice(0, mostLeases);
  if (addresses.length === 0) return [];
  const late = new Promise<readonly LeaseState[]>((r) => setTimeout(r, leasesMs, []).unref());
  try {
    const states = await Promise.race([dataplane.lease(leaseQuery, addresses), late]);
    return states.flatMap((s, i): readonly LeaseView[] => {
      const at = addresses[i];
      if (at === undefined) return [];
      const { leftMs, renewedMsAgo } = s;
      const never = renewedMsAgo === neverRenewed;
      const { device, address } = at;
      return [{ device, address, leftMs, renewedMsAgo: never ? null : renewedMsAgo }];
    });
  } catch {
    return [];
  }
};

/** Virtual servers in the order of the configuration, or at most so many with what is wrong first. */
const rowsOf = function* (
  x: RowInputs,
  seen: Survey,
  { services, first }: StatusQuery,
): Generator<VirtualServerView> {
  const all = x.state.facts.config.keepalived.virtualServers;
  const most = services === 0 ? Number.POSITIVE_INFINITY : services;
  const ordered = function* (): Generator<VirtualServerView> {
    if (first === 'wrong') for (const v of seen.wrong) yield* fileRows(x, v);
    for (const v of all) if (first === 'all' || !seen.wrong.has(v)) yield* fileRows(x, v);
    yield* runtimeRows(x, runtimeServices(x));
  };
  let n = 0;
  for (const row of ordered()) {
    yield row;
    n += 1;
    if (n >= most) return;
  }
};

export const apiBackend = (o: ApiBackendOptions): ApiBackend => {
  const { dataplane } = o;
  const iso = (ms: number): string => new Date(ms).toISOString();
  const overview = (): Overview => {
    const c = dataplane.overview();
    if (c !== null) return c;
    throw new RequestError('KS_DATAPLANE_DOWN', 'the data plane is not connected');
  };
  const counts = sharedCounts(dataplane.servers);
  const servicesOf = remembered(
    (s: Snapshot): ReadonlyMap<string, ServiceEntry> =>
      new Map(s.services.map((e) => [serviceKey(e), e])),
  );
  const services = (s: State): ReadonlyMap<string, ServiceEntry> =>
    s.plan === null ? noServices : servicesOf(s.plan.snapshot);
  const surveyed = remembered((s: State) => survey(s, services(s)));
  const shadowed = remembered((f: State['facts']) => shadowedIn(f.config, f.runtime));

  const status = async (query: StatusQuery): Promise<Streamed<VirtualServerView>> => {
    const state = o.state();
    const [seen, counted, leases] = await Promise.all([
      surveyed(state),
      counts(),
      leasesOf(dataplane, state),
    ]);
    const { loadedAt, error } = o.configuration();
    const { runtime } = state.facts;
    const head = statusHead({
      state,
      overview: dataplane.overview(),
      leaving: counted.leaving(),
      summary: { ...seen.summary, full: await countFull(seen, counted) },
      runtime: {
        commands:
          runtime.services.length +
          runtime.addresses.length +
          runtime.routes.length +
          runtime.neighbours.length,
        shadowed: shadowed(state.facts),
      },
      pid: process.pid,
      version,
      startedAt: o.startedAt,
      configLoadedAt: loadedAt,
      configError: error,
      more: { ...o.more(), leases },
      iso,
    });
    const x = { state, counts: counted, services: services(state), startedAt: o.startedAt, iso };
    return { head, name: 'virtualServers', batches: inTurns(rowsOf(x, seen, query), 16) };
  };

  return {
    status,
    sessions: (query) => ({
      head: null,
      name: 'sessions',
      batches: sessionViews((q) => dataplane.sessionPages(q), query),
    }),
    drops: (all) => {
      const c = overview();
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
      const { workers, ports } = overview();
      return { workers, ports };
    },
    reload: o.reload,
    ...toolsBackend({ ...o, counts, pages: () => dataplane.sessionPages() }),
  };
};
