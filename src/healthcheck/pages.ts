/**
 * Cuts a set of states or of configurations into pages and joins them again, so that no single
 * message occupies the loop of either process for long.
 */
import type {
  FromHealthcheck,
  RealServerLevel,
  ToHealthcheck,
  VirtualServerLevel,
} from './messages.js';
import type { VirtualServerConfig } from './types.js';

export type States = Extract<FromHealthcheck, { type: 'states' }>;
export type Configure = Extract<ToHealthcheck, { type: 'configure' }>;

/** A page of states is about 100 KB of JSON. */
export const statesPerPage = 500;
/** A page of configuration is about 150 KB of JSON: real servers, counted with their checkers. */
export const realServersPerPage = 300;

/** At least one page, also for an empty set. */
export function* statePages(
  whole: boolean,
  realServers: readonly RealServerLevel[],
  virtualServers: readonly VirtualServerLevel[],
  perPage: number = statesPerPage,
): Generator<States> {
  const total = realServers.length + virtualServers.length;
  let at = 0;
  do {
    const rest = perPage - Math.max(0, Math.min(realServers.length - at, perPage));
    const from = Math.max(0, at - realServers.length);
    const page: States = {
      type: 'states',
      whole,
      more: at + perPage < total,
      realServers: realServers.slice(at, at + perPage),
      virtualServers: virtualServers.slice(from, from + rest),
    };
    at += perPage;
    yield page;
  } while (at < total);
}

/** A virtual server is never cut; at least one page, also for an empty set. */
export function* configurePages(
  revision: number,
  whole: boolean,
  virtualServers: Iterable<VirtualServerConfig>,
  removed: readonly string[] = [],
  perPage: number = realServersPerPage,
): Generator<Configure> {
  let page: VirtualServerConfig[] = [];
  let weight = 0;
  let first = true;
  const cut = (more: boolean): Configure => ({
    type: 'configure',
    revision,
    whole,
    more,
    virtualServers: page,
    removed: first ? removed : [],
  });
  for (const vs of virtualServers) {
    if (weight >= perPage) {
      yield cut(true);
      first = false;
      page = [];
      weight = 0;
    }
    page.push(vs);
    weight += 1 + vs.realServers.length;
  }
  yield cut(false);
}

/** Collects pages; answers the joined set with its last page, else null. */
export function joinStates(): (page: States) => States | null {
  let realServers: RealServerLevel[] = [];
  let virtualServers: VirtualServerLevel[] = [];
  return (page) => {
    for (const rs of page.realServers) realServers.push(rs);
    for (const vs of page.virtualServers) virtualServers.push(vs);
    if (page.more) return null;
    const set: States = { ...page, realServers, virtualServers };
    realServers = [];
    virtualServers = [];
    return set;
  };
}
