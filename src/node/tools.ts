/**
 * What ipvsadm and dpip ask of the controller: services with their counters, links, tables of layer 3, and changes.
 * Long answers are made in pieces (src/api/stream.ts).
 */
import { readFileSync } from 'node:fs';
import type { ServerCounts } from '../api/counts.js';
import { RequestError } from '../api/errors.js';
import {
  ackedOf,
  type Baseline,
  countersName,
  linkViews,
  localUseOf,
  portUseOf,
  type ServiceInputs,
  servicesHead,
  serviceView,
  tableRow,
} from '../api/runtime.js';
import type { ApiBackend } from '../api/server.js';
import { inTurns, type Streamed } from '../api/stream.js';
import type { RuntimeCommand, ServiceView } from '../api/views.js';
import type { State } from '../cluster/machine.js';
import { commandsOf } from '../cluster/runtime/commands.js';
import { serviceName } from '../cluster/runtime/identity.js';
import { shadowedIn } from '../cluster/runtime/merge.js';
import { ownersOf } from '../cluster/runtime/owners.js';
import type { SessionRow } from '../dataplane/codec.js';
import type { Dataplane } from '../dataplane/io.js';
import type { createLogger } from '../kernel/io/logger.js';
import { version } from '../kernel/io/version.js';
import type { Outcome } from './runtime.js';

export interface ToolsOptions {
  readonly state: () => State;
  readonly dataplane: Pick<Dataplane, 'overview' | 'list'>;
  readonly counts: () => Promise<ServerCounts>;
  /** Every session, page by page. */
  readonly pages: () => AsyncIterable<readonly SessionRow[]>;
  readonly change: (commands: readonly unknown[]) => Promise<Outcome>;
  readonly isStopping: () => boolean;
  readonly log: Pick<ReturnType<typeof createLogger>, 'info'>;
}

const macOf = (name: string): string | null => {
  try {
    return readFileSync(`/sys/class/net/${name}/address`, 'utf8').trim();
  } catch {
    return null;
  }
};

type Tools = Pick<ApiBackend, 'services' | 'zero' | 'links' | 'table' | 'runtime' | 'change'>;

export const toolsBackend = (o: ToolsOptions): Tools => {
  /** `ipvsadm -Z`: the counters at that moment, and the data plane they are of. */
  let zeroed: { readonly pid: number; readonly baseline: Baseline } | null = null;

  const pid = (): number | null => {
    const d = o.state().facts.dataplane;
    return d.state === 'up' ? d.pid : null;
  };
  const baseline = (): Baseline =>
    zeroed !== null && zeroed.pid === pid() ? zeroed.baseline : new Map();

  const servicesOf = async (use: ServiceInputs['use']): Promise<Streamed<ServiceView>> => {
    const counts = await o.counts();
    const state = o.state();
    const files = ownersOf(state.facts.config).services;
    const inputs: ServiceInputs = { files, counts, baseline: baseline(), use };
    const rows = function* (): Generator<ServiceView> {
      for (const s of ackedOf(state).services) yield serviceView(inputs, s);
    };
    return { head: servicesHead(state, version), name: 'services', batches: inTurns(rows()) };
  };

  /** What the counters of the servers to be zeroed begin with; '' for all. */
  const zeroedPrefix = (name: string | null): string => {
    if (name === null) return '';
    const wanted = ackedOf(o.state()).services.find((s) => serviceName(s) === name);
    if (wanted !== undefined) return `${countersName(wanted)} `;
    throw new RequestError('KS_RUNTIME_NO_SERVICE', `there is no service ${name}`);
  };

  const zero: Tools['zero'] = async (name) => {
    const before = await servicesOf(null);
    const counts = await o.counts();
    const running = pid();
    if (running === null)
      throw new RequestError('KS_DATAPLANE_DOWN', 'the data plane is not connected');
    const prefix = zeroedPrefix(name);
    const next = new Map(baseline());
    for await (const keys of inTurns(counts.keys()))
      for (const key of keys.filter((k) => k.startsWith(prefix)))
        next.set(key, counts.of(key) ?? {});
    zeroed = { pid: running, baseline: next };
    return before;
  };

  return {
    services: async (use) => servicesOf(use ? await localUseOf(o.pages()) : null),
    zero,
    links: () => linkViews(o.state(), o.dataplane.overview(), macOf),
    table: async (name, use) => {
      const rows = await o.dataplane.list(name);
      const ports = use ? await portUseOf(o.pages(), o.state()) : null;
      const view = tableRow(name, ports);
      const views = function* () {
        for (const r of rows) yield view(r);
      };
      return { head: null, name, batches: inTurns(views()) };
    },
    runtime: (): Streamed<RuntimeCommand> => {
      const { config, runtime } = o.state().facts;
      return {
        head: { shadowed: shadowedIn(config, runtime) },
        name: 'commands',
        batches: inTurns(commandsOf(runtime)),
      };
    },
    change: async (commands) => {
      if (o.isStopping()) throw new RequestError('KS_NODE_STOPPING', 'the node is stopping');
      const outcome = await o.change(commands);
      if (!outcome.ok) throw new RequestError('KS_RUNTIME_REFUSED', outcome.reason, outcome.index);
      const { generation } = outcome;
      o.log.info({ commands: commands.length, generation }, 'changed by commands');
      return { generation };
    },
  };
};
