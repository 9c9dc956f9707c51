/** keelson-dataplane by itself in a lab: two AF_PACKET (or other) ports, a worker count, and the controller's client on its socket. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Event } from '../../../src/dataplane/codec.js';
import { connectDataplane, type Dataplane } from '../../../src/dataplane/io.js';
import {
  emptySnapshot,
  type Forwarding,
  type ServiceEntry,
  type Snapshot,
} from '../../../src/dataplane/snapshot.js';
import { loadAddon } from '../../../src/kernel/io/addon.js';
import { monotonicClock } from '../../../src/kernel/io/clock.js';
import type { Lab } from '../lab/lab.js';
import { type Program, until } from '../lab/programs.js';
import { holdAll } from './leases.js';

export const binary = fileURLToPath(
  new URL('../../../../build/native/dpdk/keelson-dataplane', import.meta.url),
);

export const vip = '10.2.0.1';
/** Of the data plane towards the real servers. */
export const ownAddress = '10.1.0.1';
export const clientAddress = '10.2.0.99';
export const realServers = ['10.1.0.11', '10.1.0.12'] as const;
const localAddresses = ['10.1.0.101', '10.1.0.102'] as const;

/** `lan` and `wan` switches; on host `lb` the cables of those names are DPDK's. */
export function cableUp(lab: Lab): void {
  for (const name of ['lan', 'wan']) lab.addSwitch(name);
  for (const name of ['lb', 'client', 'rs1', 'rs2']) lab.addHost(name);
  lab.connect('lb', 'lan', 'lan', null);
  lab.connect('lb', 'wan', 'wan', null);
  lab.connect('client', 'eth0', 'wan', `${clientAddress}/24`);
  lab.connect('rs1', 'eth0', 'lan', `${realServers[0]}/24`);
  lab.connect('rs2', 'eth0', 'lan', `${realServers[1]}/24`);
}

export interface Started {
  readonly program: Program;
  readonly socket: string;
}

const ready = /packet buffers/;

/** The command line of a data plane with `workers` workers. */
export const argumentsOf = (
  socket: string,
  workers: number,
  driver = 'net_af_packet',
): readonly string[] => [
  '--socket',
  socket,
  '--max-sessions',
  '65536',
  ...['lan', 'wan'].flatMap((device, i) => [
    '--port',
    `dpdk${i}`,
    '--devargs',
    `${driver}${i},iface=${device}`,
  ]),
  ...Array.from({ length: workers }, (_, i) => i + 1).flatMap((n) => [
    '--worker',
    `cpu${n}`,
    '--lcore',
    String(n),
  ]),
];

/** Starts it on host `lb` and waits until it serves, or has ended: then its output says why. */
export async function startDataplane(lab: Lab, args: readonly string[]): Promise<Program> {
  const program = lab.start('lb', 'dataplane', [binary, ...args]);
  await until(
    'a start or an end',
    () => ready.test(program.output()) || !program.isRunning(),
    10_000,
  );
  return program;
}

export interface Session {
  readonly dataplane: Dataplane;
  /** Told by the data plane so far. */
  readonly events: readonly Event[];
  /** Leases of all leased addresses; 0 releases them. */
  readonly hold: (ms: number) => Promise<void>;
  readonly close: () => void;
}

const service = (forwarding: Forwarding): ServiceEntry => ({
  protocol: 'TCP',
  address: vip,
  port: 80,
  scheduler: 'rr',
  expireQuiescent: false,
  onePacket: false,
  quic: null,
  schedulerPort: false,
  persistenceMs: 0,
  persistencePrefixLength: 32,
  match: null,
  expireTemplate: false,
  establishedTimeoutMs: 0,
  realServers: realServers.map((address) => ({ address, port: 80, forwarding, weight: 1 })),
  localAddresses:
    forwarding === 'FNAT' ? localAddresses.map((address) => ({ device: 'dpdk0', address })) : [],
});

/** One service of two real servers behind a leased VIP. */
export const wanted = (forwarding: Forwarding): Snapshot => ({
  ...emptySnapshot,
  addresses: [
    { device: 'dpdk0', address: ownAddress, prefixLength: 24, leased: false, local: false },
    { device: 'dpdk1', address: vip, prefixLength: 24, leased: true, local: false },
    ...localAddresses.map((address) => ({
      device: 'dpdk0',
      address,
      prefixLength: 32,
      leased: false,
      local: true,
    })),
  ],
  services: [service(forwarding)],
  params: {},
});

/** Connects, commits what is wished for, and holds the lease for a minute. */
export async function serve(socket: string, wish: Snapshot = wanted('FNAT')): Promise<Session> {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new Error(addon);
  const events: Event[] = [];
  const said = { acked: false, refused: '' };
  const dataplane = connectDataplane({
    addon,
    socketPath: path.resolve(socket),
    clock: monotonicClock,
    pid: process.pid,
    onUp: () => dataplane.setDesired(wish),
    onAcked: (_, snapshot) => {
      said.acked = said.acked || snapshot === wish;
    },
    onRejected: (reason) => {
      said.refused = reason;
    },
    onLost: () => undefined,
    onEvent: (e) => events.push(e),
  });
  dataplane.setDesired(wish);
  await until('the generation', () => said.acked || said.refused !== '', 10_000);
  if (said.refused !== '') throw new Error(said.refused);
  const hold = async (ms: number): Promise<void> => void (await holdAll(dataplane, wish, ms));
  await hold(60_000);
  return { dataplane, events, hold, close: dataplane.close };
}

/** Sum of a counter over the workers. */
export const total = (d: Dataplane, name: string): number =>
  (d.counters()?.workers ?? []).reduce((sum, w) => sum + (w[name] ?? 0), 0);

/** Every drop counted, by its name, workers and main lcore together. */
export const drops = (d: Dataplane): Readonly<Record<string, number>> => {
  const sums = new Map<string, number>();
  const counters = d.counters();
  if (counters === null) throw new Error('no counters');
  for (const row of [...counters.workers, counters.main])
    for (const [name, n] of Object.entries(row))
      if (name.startsWith('drop.') && n > 0) sums.set(name, (sums.get(name) ?? 0) + n);
  return Object.fromEntries(sums);
};
