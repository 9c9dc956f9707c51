/** What the data plane held when it was found: the real servers of its services. Pure. */
import type { HeldServer } from '../cluster/facts.js';
import { realServerName } from '../cluster/names.js';
import type { Counters } from '../dataplane/counters.js';
import { protocols } from '../dataplane/ops.js';

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocols).map(([name, n]) => [n, name.toUpperCase()]),
);

export const heldServers = (
  c: Counters | null,
  generation: bigint,
): readonly HeldServer[] | null => {
  if (c === null || generation === 0n) return null;
  const name = (p: number): string => protocolNames.get(p) ?? String(p);
  return c.realServers.map((r) => ({
    service: realServerName(r.vip, r.vport, name(r.protocol)),
    server: realServerName(r.address, r.port, name(r.protocol)),
    weight: r.weight,
  }));
};
