/** The network the simulated data plane stands in: a WAN of clients, a LAN of real servers, both in both families. */
import { emptySnapshot, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { decodeAsk, encodeGreeting } from './frames.js';
import type { Mode, Service } from './reference.js';
import { type Outcome, type Sim, startSim } from './sim.js';

export const ports = { dpdk0: '02:00:00:00:00:01', dpdk1: '02:00:00:00:00:02' };
/** Every host has a MAC of its own, made of its address. */
export const macOf = (address: string): string => {
  const tail = address.includes(':')
    ? [6, 6, 6, Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16) & 255]
    : address.split('.').map(Number);
  return ['02', '0c', ...tail.map((x) => x.toString(16).padStart(2, '0'))].join(':');
};

/** What lies on each side, by address family. */
export const sides = {
  4: {
    vip: '198.51.100.80',
    wan: '198.51.100.2',
    lan: '10.1.0.2',
    client: (i: number) => `198.51.100.${10 + i}`,
    realServers: ['10.1.0.11', '10.1.0.12', '10.1.0.13'],
    localAddresses: ['10.1.0.200', '10.1.0.201'],
    prefixLength: 24,
    host: 32,
  },
  6: {
    vip: '2001:db8:1::80',
    wan: '2001:db8:1::2',
    lan: 'fd00:1::2',
    client: (i: number) => `2001:db8:1::${10 + i}`,
    realServers: ['fd00:1::11', 'fd00:1::12', 'fd00:1::13'],
    localAddresses: ['fd00:1::200', 'fd00:1::201'],
    prefixLength: 64,
    host: 128,
  },
} as const;
export type Family = keyof typeof sides;

export const addresses = ([4, 6] as const).flatMap((f) => [
  `dpdk0=${sides[f].lan}/${sides[f].prefixLength}`,
  `dpdk1=${sides[f].wan}/${sides[f].prefixLength}`,
]);

export interface Kind {
  readonly mode: Mode;
  readonly protocol: 'TCP' | 'UDP';
  readonly outside: Family;
  readonly inside: Family;
}

export const serviceOf = (k: Kind): Service => ({
  vip: sides[k.outside].vip,
  port: 80,
  realServers: sides[k.inside].realServers,
  realServerPort: 8080,
  localAddresses: sides[k.inside].localAddresses,
  ownAddress: sides[k.inside].lan,
  macOf,
});

export const wanted = (k: Kind): Snapshot => {
  const service = serviceOf(k);
  const local = service.localAddresses.map((address) => ({
    device: 'dpdk0',
    address,
    prefixLength: sides[k.inside].host,
    leased: false,
    local: true,
  }));
  return {
    ...emptySnapshot,
    addresses: [
      {
        device: 'dpdk1',
        address: service.vip,
        prefixLength: sides[k.outside].host,
        leased: true,
        local: false,
      },
      ...(k.mode === 'FNAT' ? local : []),
    ],
    services: [
      {
        protocol: k.protocol,
        address: service.vip,
        port: service.port,
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
        realServers: service.realServers.map((address) => ({
          address,
          port: service.realServerPort,
          forwarding: k.mode,
          weight: 1,
        })),
        localAddresses:
          k.mode === 'FNAT'
            ? service.localAddresses.map((address) => ({ device: 'dpdk0', address }))
            : [],
      },
    ],
    params: {},
  };
};

export const clientOf = (w: Kind, i: number) => ({
  address: sides[w.outside].client(i % 3),
  port: 40_000 + i,
});

/** Everybody's MAC is known, so that no packet waits for it. */
const greet = async (sim: Sim, k: Kind): Promise<void> => {
  for (const address of sides[k.inside].realServers) {
    const to = { mac: ports.dpdk0, address: sides[k.inside].lan };
    await sim.frame('dpdk0', encodeGreeting(address, macOf(address), to));
  }
  for (const i of [0, 1, 2]) {
    const { address } = clientOf(k, i);
    const to = { mac: ports.dpdk1, address: sides[k.outside].wan };
    await sim.frame('dpdk1', encodeGreeting(address, macOf(address), to));
  }
};

/** A simulated data plane with that service and everybody known, for the time of `body`. */
export const withSim = async (
  k: Kind,
  workers: number,
  body: (sim: Sim) => Promise<void>,
  seed = 7,
  rssKey?: Uint8Array,
): Promise<void> => {
  const rss = rssKey === undefined ? {} : { rssKey };
  const sim = startSim({ ports, addresses, workers, seed, ...rss });
  try {
    await sim.apply(wanted(k));
    await greet(sim, k);
    await body(sim);
  } finally {
    await sim.close();
  }
};

/** Hosts on both sides answer who asks for them; what came out beside that. */
export const settle = async (
  sim: Sim,
  outcomes: readonly Outcome[],
): Promise<readonly Outcome[]> => {
  const out: Outcome[] = [];
  for (const o of outcomes) {
    const ask = o.fate === 'tx' ? decodeAsk(o.bytes) : null;
    if (ask === null) out.push(o);
    else out.push(...(await settle(sim, await sim.frame(o.device, ask.answer(macOf(ask.target))))));
  }
  return out;
};
