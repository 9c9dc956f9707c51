/** What the data plane held when it was found: the real servers that were in service. Pure. */
import { realServerId } from '../cluster/facts.js';
import { realServerName } from '../cluster/names.js';
import type { Counters } from '../dataplane/counters.js';
import { protocols } from '../dataplane/ops.js';

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocols).map(([name, n]) => [n, name.toUpperCase()]),
);

export const heldServers = (c: Counters | null, generation: bigint): readonly string[] | null => {
  if (c === null || generation === 0n) return null;
  const name = (p: number): string => protocolNames.get(p) ?? String(p);
  return c.realServers
    .filter((r) => r.weight > 0)
    .map((r) =>
      realServerId(
        realServerName(r.vip, r.vport, name(r.protocol)),
        realServerName(r.address, r.port, name(r.protocol)),
      ),
    );
};
