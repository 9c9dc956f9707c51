/**
 * The runtime part of the desired state: what commands set beside the files. Transactions of commands
 * change it, each a plain value that a client sends as JSON; the same commands, made from the state
 * itself, are kept over a restart and saved.
 */
import {
  type AddressEntry,
  type NeighbourEntry,
  neighbourKey,
  type RouteEntry,
  routeKey,
  type ServiceEntry,
  serviceKey,
  type Tunnel,
} from '../../dataplane/snapshot.js';
import { type Changes, type DraftTable, draftTable, keyedBy } from '../../kernel/table.js';

/** `link` and `global` are both routes of the data plane; `kni_host` says what the kernel's interface has, which is known anyway. */
export type RouteScope = 'link' | 'global' | 'kni_host';

export interface RuntimeRoute extends RouteEntry {
  readonly scope: RouteScope;
}

/** Milliseconds; null: as the files say. */
export interface RuntimeTimeouts {
  readonly tcp: number | null;
  readonly tcpFin: number | null;
  readonly udp: number | null;
}

export interface Runtime {
  /** In the order in which they were added. */
  readonly services: readonly ServiceEntry[];
  readonly addresses: readonly AddressEntry[];
  readonly routes: readonly RuntimeRoute[];
  readonly neighbours: readonly NeighbourEntry[];
  readonly timeouts: RuntimeTimeouts;
}

export const emptyRuntime: Runtime = {
  services: [],
  addresses: [],
  routes: [],
  neighbours: [],
  timeouts: { tcp: null, tcpFin: null, udp: null },
};

export const servicesByKey = keyedBy<ServiceEntry>(serviceKey);
export const addressesByKey = keyedBy<AddressEntry>((a) => a.address);
const routesByKey = keyedBy<RuntimeRoute>(routeKey);
const neighboursByKey = keyedBy<NeighbourEntry>(neighbourKey);

/** A state while commands change it: a command costs what it names, not what there is. */
export interface Draft {
  /** By `serviceKey`. */
  readonly services: DraftTable<ServiceEntry>;
  /** By address. */
  readonly addresses: DraftTable<AddressEntry>;
  /** By `routeKey`. */
  readonly routes: DraftTable<RuntimeRoute>;
  /** By `neighbourKey`. */
  readonly neighbours: DraftTable<NeighbourEntry>;
  timeouts: RuntimeTimeouts;
}

export const draftOf = (r: Runtime): Draft => ({
  services: draftTable(r.services, servicesByKey),
  addresses: draftTable(r.addresses, addressesByKey),
  routes: draftTable(r.routes, routesByKey),
  neighbours: draftTable(r.neighbours, neighboursByKey),
  timeouts: r.timeouts,
});

/** The state that commands made, and what they changed in it. */
export interface Finished {
  readonly runtime: Runtime;
  readonly services: Changes<ServiceEntry>;
  readonly addresses: Changes<AddressEntry>;
  readonly routes: Changes<RuntimeRoute>;
  readonly neighbours: Changes<NeighbourEntry>;
}

export const finished = (d: Draft): Finished => {
  const services = d.services.finish();
  const addresses = d.addresses.finish();
  const routes = d.routes.finish();
  const neighbours = d.neighbours.finish();
  const runtime = {
    services: services.items,
    addresses: addresses.items,
    routes: routes.items,
    neighbours: neighbours.items,
    timeouts: d.timeouts,
  };
  return { runtime, services, addresses, routes, neighbours };
};

/** What a match service takes, as ipvsadm -H writes it; null: any. */
export interface MatchWords {
  readonly family: 4 | 6 | null;
  readonly source: string | null;
  readonly destination: string | null;
  readonly iif: string | null;
  readonly oif: string | null;
}

export interface ServiceWords {
  readonly protocol: string;
  /** '' with a match. */
  readonly address: string;
  readonly port: number;
  readonly match: MatchWords | null;
}

/** What is not named stays as it is, or is the default of a new service. */
export interface ServiceSettings {
  readonly scheduler?: string;
  readonly schedulerPort?: boolean;
  readonly expireQuiescent?: boolean;
  readonly onePacket?: boolean;
  /** Connection ids in DPVS's format. */
  readonly quic?: boolean;
  /** 0: none. */
  readonly persistenceMs?: number;
  readonly persistencePrefixLength?: number;
  readonly establishedTimeoutMs?: number;
}

export interface ServerWords {
  readonly address: string;
  /** null: the service's. */
  readonly port: number | null;
}

export interface ServerSettings {
  readonly forwarding?: string;
  readonly weight?: number;
  /** Sessions; 0: no limit. */
  readonly upperThreshold?: number;
  /** Sessions; 0: three quarters of the upper one. */
  readonly lowerThreshold?: number;
  /** null: IP in IP. */
  readonly tunnel?: Tunnel | null;
}

export type RuntimeCommand =
  | {
      readonly op: 'service.add' | 'service.edit';
      readonly service: ServiceWords;
      readonly set: ServiceSettings;
    }
  | { readonly op: 'service.delete'; readonly service: ServiceWords }
  | { readonly op: 'service.clear' }
  | {
      readonly op: 'server.add' | 'server.edit';
      readonly service: ServiceWords;
      readonly server: ServerWords;
      readonly set: ServerSettings;
    }
  | {
      readonly op: 'server.delete';
      readonly service: ServiceWords;
      readonly server: ServerWords;
    }
  | {
      readonly op: 'local.add' | 'local.delete';
      readonly service: ServiceWords;
      readonly device: string;
      readonly address: string;
    }
  | {
      readonly op: 'timeouts.set';
      /** Seconds; 0: as it was. */
      readonly tcp: number;
      readonly tcpFin: number;
      readonly udp: number;
    }
  | {
      readonly op: 'address.add' | 'address.set';
      readonly device: string;
      /** ADDRESS[/LENGTH] */
      readonly prefix: string;
      readonly local: boolean;
    }
  | {
      readonly op: 'address.delete';
      readonly device: string;
      readonly prefix: string;
    }
  | {
      readonly op: 'address.flush' | 'route.flush';
      /** null: all. */
      readonly device: string | null;
      readonly family: 4 | 6 | null;
    }
  | ({ readonly op: 'route.add' | 'route.set' | 'route.delete' } & RouteWords)
  | {
      readonly op: 'neighbour.add' | 'neighbour.set';
      readonly device: string;
      readonly address: string;
      readonly mac: string;
    }
  | { readonly op: 'neighbour.delete'; readonly device: string; readonly address: string };

export interface RouteWords {
  /** ADDRESS[/LENGTH] or `default`. */
  readonly prefix: string;
  readonly family: 4 | 6;
  /** null: the one whose network has the gateway; when deleting, any. */
  readonly device: string | null;
  readonly gateway: string | null;
  readonly source: string | null;
  readonly mtu: number | null;
  readonly metric: number | null;
  readonly scope: RouteScope | null;
}

/** Why a command cannot be; what to do instead is part of the sentence. */
export class Refusal extends Error {}
export const refuse = (message: string): never => {
  throw new Refusal(message);
};
