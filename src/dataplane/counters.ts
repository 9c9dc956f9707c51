/**
 * The shared counters (`struct ks_shm`). Their places are read from the head, so a client that is older than the data
 * plane ignores new counters. Pure over the memory.
 */
import { decode, u8, viewOf } from '../net/codec.js';
import { address, be16, le32, le64, svcKey, text, wireStruct } from './fields.js';
import { lowerThresholdOf, type RealServerEntry } from './snapshot.js';

export const shmMagic = 0x314d48534bn;
export const nameLength = 32;

export const shmHead = wireStruct('ks_shm', {
  magic: le64,
  size: le32,
  workers: le32,
  workerCounters: le32,
  ports: le32,
  portCounters: le32,
  rsSlots: le32,
  rsCounters: le32,
  workerNamesOff: le32,
  workerOff: le32,
  workerStride: le32,
  portNamesOff: le32,
  portDevOff: le32,
  portOff: le32,
  portStride: le32,
  rsDirOff: le32,
  rsNamesOff: le32,
  rsOff: le32,
  rsWorkerStride: le32,
  generation: le64,
  leaseLeftMs: le64,
  heartbeat: le64,
});
export const shmRs = wireStruct('ks_shm_rs', {
  seq: le32,
  used: le32,
  svc: svcKey,
  af: u8,
  fwd: u8,
  port: be16,
  addr: address(),
  weight: le32,
});

/** Of `struct ks_shm_rs`, where `used` lies, and the protocol of its service: 0 = it never had a real server. */
const usedOffset = 4;
const protocolOffset = 9;

export type Named = Readonly<Record<string, number>>;

export interface RealServerCounters {
  readonly protocol: number;
  readonly vip: string;
  readonly vport: number;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Sums over the workers: conns, in_packets, active ...; of `overload`, the number of its last change, the highest: odd is full. */
  readonly counters: Named;
}

/** What there is beside the real servers; it costs the same with any number of them. */
export interface Overview {
  readonly generation: number;
  readonly leaseLeftMs: number;
  readonly heartbeat: number;
  readonly workers: readonly Named[];
  /** The main lcore's row. */
  readonly main: Named;
  readonly ports: Readonly<Record<string, Named>>;
}

export interface Counters extends Overview {
  readonly realServers: readonly RealServerCounters[];
  /** Real servers that are no more but still have sessions. */
  readonly leaving: readonly RealServerCounters[];
}

/** Whether a real server takes no new sessions now because it has so many. */
export const isFull = (
  r: Pick<RealServerEntry, 'upperThreshold' | 'lowerThreshold'>,
  c: Named | undefined,
): boolean => {
  const sessions = (c?.['active'] ?? 0) + (c?.['inactive'] ?? 0);
  if (r.upperThreshold === undefined || c === undefined) return false;
  // a worker notices the change with the next new session only
  return (c['overload'] ?? 0) % 2 === 1
    ? sessions >= lowerThresholdOf(r)
    : sessions >= r.upperThreshold;
};

type Head = ReturnType<typeof shmHead.read>;

/** Whether every table lies within the memory. */
const fits = (h: Head, size: number): boolean =>
  [
    [h.workerNamesOff, h.workerCounters * nameLength],
    [h.workerOff, h.workers * h.workerStride + h.workerCounters * 8],
    [h.portNamesOff, h.portCounters * nameLength],
    [h.portDevOff, h.ports * nameLength],
    [h.portOff, h.ports === 0 ? 0 : (h.ports - 1) * h.portStride + h.portCounters * 8],
    [h.rsDirOff, h.rsSlots * shmRs.size],
    [h.rsNamesOff, h.rsCounters * nameLength],
    [
      h.rsOff,
      h.workers === 0 ? 0 : (h.workers - 1) * h.rsWorkerStride + h.rsSlots * h.rsCounters * 8,
    ],
  ].every(([off = 0, length = 0]) => off + length <= size);

/** The real servers' rows, one slot at a time. */
export interface ServerTable {
  /** The memory it reads: another one after a restart of the data plane. */
  readonly memory: ArrayBufferLike;
  readonly generation: number;
  readonly slots: number;
  /** null: the slot is empty, or its row changes at this moment. */
  readonly at: (slot: number) => ServerRow | null;
}

export interface ServerRow {
  /** False: it was removed and still has sessions. */
  readonly used: boolean;
  readonly server: RealServerCounters;
}

const tableOf = (view: DataView, h: Head): ServerTable => {
  const names = readNames(view, h.rsNamesOff, h.rsCounters);
  const over = (slot: number, name: string, k: number): number => {
    let total = 0;
    for (let w = 0; w < h.workers; w++) {
      const at = h.rsOff + w * h.rsWorkerStride + (slot * h.rsCounters + k) * 8;
      const value = Number(view.getBigUint64(at, true));
      total = name === 'overload' ? Math.max(total, value) : total + value;
    }
    return total;
  };
  const at = (slot: number): ServerRow | null => {
    const row = h.rsDirOff + slot * shmRs.size;
    if (view.getUint8(row + protocolOffset) === 0) return null;
    const { seq, svc, addr, port, weight } = shmRs.read(view, row);
    const counters = Object.fromEntries(names.map((name, k) => [name, over(slot, name, k)]));
    if (seq % 2 === 1 || view.getUint32(row, true) !== seq) return null;
    const used = view.getUint32(row + usedOffset, true) !== 0;
    if (!used && (counters['active'] ?? 0) + (counters['inactive'] ?? 0) === 0) return null;
    return {
      used,
      server: {
        protocol: svc.proto,
        vip: svc.addr,
        vport: svc.port,
        address: addr,
        port,
        weight,
        counters,
      },
    };
  };
  return { memory: view.buffer, generation: Number(h.generation), slots: h.rsSlots, at };
};

const readRealServers = (table: ServerTable): Pick<Counters, 'realServers' | 'leaving'> => {
  const realServers: RealServerCounters[] = [];
  const leaving: RealServerCounters[] = [];
  for (let slot = 0; slot < table.slots; slot++) {
    const row = table.at(slot);
    if (row !== null) (row.used ? realServers : leaving).push(row.server);
  }
  return { realServers, leaving };
};

const readNames = (view: DataView, off: number, n: number): readonly string[] =>
  Array.from({ length: n }, (_, i) => text(nameLength).read(view, off + i * nameLength));

/** null when the memory is not what it should be. */
const headOf = (memory: Uint8Array): Head | null => {
  const head = decode(shmHead, memory);
  if (!head.ok || head.value.magic !== shmMagic) return null;
  const h = head.value;
  return h.size > memory.byteLength || !fits(h, h.size) ? null : h;
};

const overviewOf = (view: DataView, h: Head): Overview => {
  const row = (names: readonly string[], off: number): Named =>
    Object.fromEntries(
      names.map((name, i) => [name, Number(view.getBigUint64(off + i * 8, true))]),
    );
  const workerNames = readNames(view, h.workerNamesOff, h.workerCounters);
  const worker = (i: number): Named => row(workerNames, h.workerOff + i * h.workerStride);
  const portNames = readNames(view, h.portNamesOff, h.portCounters);
  const devices = readNames(view, h.portDevOff, h.ports);
  return {
    generation: Number(h.generation),
    leaseLeftMs: Number(h.leaseLeftMs),
    heartbeat: Number(h.heartbeat),
    workers: Array.from({ length: h.workers }, (_, i) => worker(i)),
    main: worker(h.workers),
    ports: Object.fromEntries(
      devices.map((d, i) => [d, row(portNames, h.portOff + i * h.portStride)]),
    ),
  };
};

export const readOverview = (memory: Uint8Array): Overview | null => {
  const h = headOf(memory);
  return h === null ? null : overviewOf(viewOf(memory), h);
};

export const serverTable = (memory: Uint8Array): ServerTable | null => {
  const h = headOf(memory);
  return h === null ? null : tableOf(viewOf(memory), h);
};

/** All counters at about this moment, in one turn: for tools and tests, not for a node with many real servers. */
export const readCounters = (memory: Uint8Array): Counters | null => {
  const h = headOf(memory);
  if (h === null) return null;
  const view = viewOf(memory);
  return { ...overviewOf(view, h), ...readRealServers(tableOf(view, h)) };
};
