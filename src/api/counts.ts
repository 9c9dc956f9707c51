/**
 * Counters of real servers by name. The directory of the shared memory is read once a generation, in turns, so that a
 * view reads the counters of those servers only that it shows.
 */
import type { Named, RealServerCounters, ServerTable } from '../dataplane/counters.js';
import { nextTurn } from './stream.js';

export const serverKey = (
  protocol: number,
  vip: string,
  vport: number,
  address: string,
  port: number,
): string => `${protocol} ${vip} ${vport} ${address} ${port}`;

export const keyOf = (r: RealServerCounters): string =>
  serverKey(r.protocol, r.vip, r.vport, r.address, r.port);

export interface ServerCounts {
  readonly of: (key: string) => Named | undefined;
  readonly keys: () => Iterable<string>;
  /** Real servers that were removed and still have sessions. */
  readonly leaving: () => readonly RealServerCounters[];
}

export const noCounts: ServerCounts = { of: () => undefined, keys: () => [], leaving: () => [] };

/** Rows that change at this moment are read again. */
const tries = 3;
/** An empty slot costs a sixty-fourth of one that is in use. */
const costPerTurn = 256;
const emptyCost = 1 / 64;

const rowAt = (table: ServerTable, slot: number): ReturnType<ServerTable['at']> => {
  for (let i = 0; i < tries; i++) {
    const row = table.at(slot);
    if (row !== null) return row;
  }
  return null;
};

/** Reads the directory, a part in each turn of the event loop. */
export const countsOf = async (table: ServerTable): Promise<ServerCounts> => {
  const slots = new Map<string, number>();
  const removed: number[] = [];
  let cost = 0;
  for (let slot = 0; slot < table.slots; slot++) {
    const row = table.at(slot);
    cost += row === null ? emptyCost : 1;
    if (row?.used === true) slots.set(keyOf(row.server), slot);
    else if (row !== null) removed.push(slot);
    if (cost < costPerTurn) continue;
    cost = 0;
    await nextTurn();
  }
  return {
    of: (key) => {
      const slot = slots.get(key);
      const row = slot === undefined ? null : rowAt(table, slot);
      // The slot may have been given to another server since.
      return row !== null && keyOf(row.server) === key ? row.server.counters : undefined;
    },
    keys: () => slots.keys(),
    leaving: () =>
      removed.flatMap((slot) => {
        const row = rowAt(table, slot);
        return row === null || row.used ? [] : [row.server];
      }),
  };
};

/** Shared by all requests: the directory is read again only when the generation or the data plane has changed. */
export const sharedCounts = (servers: () => ServerTable | null): (() => Promise<ServerCounts>) => {
  let known: { readonly table: ServerTable; readonly counts: Promise<ServerCounts> } | null = null;
  return () => {
    const table = servers();
    if (table === null) return Promise.resolve(noCounts);
    const isSame =
      known !== null &&
      known.table.memory === table.memory &&
      known.table.generation === table.generation;
    if (known === null || !isSame) known = { table, counts: countsOf(table) };
    return known.counts;
  };
};
