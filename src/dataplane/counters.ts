/** The shared counters (`struct ks_shm`): where they lie is read from the head, so older clients survive new counters. Pure over the memory. */
import { decode, struct, u8 } from '../net/codec.js';
import { address, be16, le32, le64, text } from './fields.js';

const shmMagic = 0x314d48534bn;
const nameLength = 32;

/** ks_shm */
export const shmHead = struct({
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
/** ks_shm_rs */
export const shmRs = struct({
  seq: le32,
  used: le32,
  svcAf: u8,
  svcProto: u8,
  svcPort: be16,
  svcAddr: address,
  af: u8,
  fwd: u8,
  port: be16,
  addr: address,
  weight: le32,
});

export type Named = Readonly<Record<string, number>>;

export interface RealServerCounters {
  readonly protocol: number;
  readonly vip: string;
  readonly vport: number;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Sums over the workers: conns, in_packets, active ... */
  readonly counters: Named;
}

export interface Counters {
  readonly generation: number;
  readonly leaseLeftMs: number;
  readonly heartbeat: number;
  readonly workers: readonly Named[];
  /** The main lcore's row. */
  readonly main: Named;
  readonly ports: Readonly<Record<string, Named>>;
  readonly realServers: readonly RealServerCounters[];
}

/** A snapshot of all counters, or null when the memory is not what it should be. */
export const readCounters = (memory: Uint8Array): Counters | null => {
  const head = decode(shmHead, memory);
  if (!head.ok || head.value.magic !== shmMagic) return null;
  const h = head.value;
  if (h.size > memory.byteLength) return null;
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const names = (off: number, n: number): readonly string[] =>
    Array.from({ length: n }, (_, i) => text(nameLength).read(view, off + i * nameLength));
  const row = (list: readonly string[], off: number): Named =>
    Object.fromEntries(list.map((name, i) => [name, Number(view.getBigUint64(off + i * 8, true))]));

  const workerNames = names(h.workerNamesOff, h.workerCounters);
  const worker = (i: number): Named => row(workerNames, h.workerOff + i * h.workerStride);
  const portNames = names(h.portNamesOff, h.portCounters);
  const devices = names(h.portDevOff, h.ports);
  const rsNames = names(h.rsNamesOff, h.rsCounters);
  const sum = (slot: number): Named =>
    Object.fromEntries(
      rsNames.map((name, k) => {
        let total = 0n;
        for (let w = 0; w < h.workers; w++)
          total += view.getBigUint64(
            h.rsOff + w * h.rsWorkerStride + (slot * h.rsCounters + k) * 8,
            true,
          );
        return [name, Number(total)];
      }),
    );
  const realServers: RealServerCounters[] = [];
  for (let slot = 0; slot < h.rsSlots; slot++) {
    const at = h.rsDirOff + slot * shmRs.size;
    if (view.getUint32(at + 4, true) === 0) continue;
    const r = shmRs.read(view, at);
    if (r.seq % 2 === 1) continue; // changes at this moment: the next reading has it
    realServers.push({
      protocol: r.svcProto,
      vip: r.svcAddr,
      vport: r.svcPort,
      address: r.addr,
      port: r.port,
      weight: r.weight,
      counters: sum(slot),
    });
  }
  return {
    generation: Number(h.generation),
    leaseLeftMs: Number(h.leaseLeftMs),
    heartbeat: Number(h.heartbeat),
    workers: Array.from({ length: h.workers }, (_, i) => worker(i)),
    main: worker(h.workers),
    ports: Object.fromEntries(
      devices.map((d, i) => [d, row(portNames, h.portOff + i * h.portStride)]),
    ),
    realServers,
  };
};
