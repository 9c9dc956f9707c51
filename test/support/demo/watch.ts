/** What the demo asks of the nodes while it waits. */
import type { StatusView } from '../../../src/api/views.js';
import type { KeelsonNode } from '../lab/keelson.js';
import { until } from '../lab/programs.js';
import type { Network } from './network.js';

export const isUp = (view: StatusView | null, address: string): boolean =>
  view?.virtualServers.some((v) => v.realServers.some((r) => r.address === address && r.up)) ??
  false;

const isReady = (view: StatusView | null, servers: number): boolean =>
  view !== null &&
  view.dataplane.state === 'up' &&
  view.vrrp.every((v) => v.state === 'active' || v.state === 'backup') &&
  view.virtualServers.every((v) => v.realServers.filter((r) => r.up).length === servers);

export const isActive = (view: StatusView | null): boolean =>
  view !== null &&
  view.vrrp.length > 0 &&
  view.vrrp.every((v) => v.state === 'active') &&
  view.vips.every((v) => v.announced);

/** What a node says of itself, in a line, for when waiting for it was in vain. */
const inWords = (view: StatusView | null): string =>
  view === null
    ? 'does not answer'
    : [
        `data plane ${view.dataplane.state}`,
        ...view.vrrp.map((v) => `${v.name} ${v.state} (${v.reason})`),
        ...view.vips.map((v) => `${v.address} ${v.announced ? '' : 'not '}announced (${v.reason})`),
        ...view.virtualServers.flatMap((v) =>
          v.realServers.map((r) => `${r.address} ${r.up ? 'up' : `down (${r.reason})`}`),
        ),
      ].join(', ');

const mustRun = (node: KeelsonNode): void => {
  if (!node.isRunning())
    throw new Error(`node ${node.host} ended:\n${node.output().split('\n').slice(-20).join('\n')}`);
};

/** Waits for a node to be in its role with every server up; gives its status. */
export async function ready(network: Network, node: KeelsonNode, ms = 30_000): Promise<StatusView> {
  let last: StatusView | null = null;
  const check = async (): Promise<StatusView | null> => {
    mustRun(node);
    last = await node.status();
    return last !== null && isReady(last, network.servers.length) ? last : null;
  };
  try {
    return await until(`node ${node.host} to be ready`, check, ms);
  } catch (e) {
    throw new Error(`${e instanceof Error ? e.message : String(e)}; it ${inWords(last)}`);
  }
}

/** The node that is active and announces its addresses. */
export const activeNode = (network: Network, ms = 15_000): Promise<KeelsonNode> =>
  until(
    'one node to be active',
    async () => {
      const views = await Promise.all(network.nodes.map((n) => n.status()));
      const active = network.nodes.filter((_, i) => isActive(views[i] ?? null));
      return active.length === 1 ? (active[0] ?? null) : null;
    },
    ms,
  );

export const becomesActive = (node: KeelsonNode, ms = 15_000): Promise<boolean> =>
  until(`node ${node.host} to be active`, async () => isActive(await node.status()), ms);

export const other = (network: Network, node: KeelsonNode): KeelsonNode => {
  const found = network.nodes.find((n) => n !== node);
  if (found === undefined) throw new Error('a pair has two nodes');
  return found;
};
