/** What ipvsadm and dpip ask of the controller: services with their counters, links, tables of layer 3, and changes. */
import { readFileSync } from 'node:fs';
import {
  type Baseline,
  baselineOf,
  type LocalUse,
  linkViews,
  localUse,
  localUseOf,
  runtimeView,
  servicesView,
  tableRow,
} from '../api/runtime.js';
import { type ApiBackend, RequestError } from '../api/server.js';
import type { State } from '../cluster/machine.js';
import type { Dataplane } from '../dataplane/io.js';
import type { createLogger } from '../kernel/io/logger.js';
import { version } from '../kernel/io/version.js';
import type { Outcome } from './runtime.js';

export interface ToolsOptions {
  readonly state: () => State;
  readonly dataplane: Pick<Dataplane, 'counters' | 'list' | 'sessions'>;
  readonly change: (commands: readonly unknown[]) => Promise<Outcome>;
  readonly isStopping: () => boolean;
  readonly log: Pick<ReturnType<typeof createLogger>, 'info'>;
}

/** Sessions that are looked at to count the ports of local addresses. */
const countedSessions = 1_000_000;

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
  const servicesNow = (use: LocalUse | null) =>
    servicesView(o.state(), o.dataplane.counters(), baseline(), version, use);

  const zero: Tools['zero'] = (name) => {
    const before = servicesNow(null);
    const counters = o.dataplane.counters();
    const running = pid();
    if (counters === null || running === null)
      throw new RequestError('KS_RUNTIME_REFUSED', 'the data plane is not connected');
    const key = before.services.find((s) => s.name === name)?.key;
    if (name !== null && key === undefined)
      throw new RequestError('KS_RUNTIME_REFUSED', `there is no service ${name}`);
    const fresh = baselineOf(counters, (k) => key === undefined || k.startsWith(`${key} `));
    zeroed = { pid: running, baseline: new Map([...baseline(), ...fresh]) };
    return before;
  };

  return {
    services: async (use) =>
      servicesNow(use ? localUseOf(await o.dataplane.sessions(countedSessions)) : null),
    zero,
    links: () => linkViews(o.state(), o.dataplane.counters(), macOf),
    table: async (name, use) => {
      const rows = await o.dataplane.list(name);
      const ports = use ? localUse(await o.dataplane.sessions(countedSessions)) : null;
      return rows.map(tableRow(name, ports));
    },
    runtime: () => runtimeView(o.state()),
    change: async (commands) => {
      if (o.isStopping()) throw new RequestError('KS_RUNTIME_REFUSED', 'the node is stopping');
      const outcome = await o.change(commands);
      if (!outcome.ok) throw new RequestError('KS_RUNTIME_REFUSED', outcome.reason, outcome.index);
      const { generation } = outcome;
      o.log.info({ commands: commands.length, generation }, 'changed by commands');
      return { generation };
    },
  };
};
