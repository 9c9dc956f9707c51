/**
 * The runtime part of the desired state: what commands have set beside the files. It is changed by transactions of commands, each a plain
 * value that a client sends as JSON; the same commands, made from the state itself, are what is kept over a restart and what is saved.
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

/** A state while commands change it: found by key, so that ten thousand commands are not ten thousand copies. Maps keep the order. */
export interface Draft {
  /** By `serviceKey`. */
  readonly services: Map<string, ServiceEntry>;
  /** By address. */
  readonly addresses: Map<string, AddressEntry>;
  /** By `routeKey`. */
  readonly routes: Map<string, RuntimeRoute>;
  /** By `neighbourKey`. */
  readonly neighbours: Map<string, NeighbourEntry>;
  timeouts: RuntimeTimeouts;
}

export const draftOf = (r: Runtime): Draft => ({
  services: new Map(r.services.map((s) => [serviceKey(s), s])),
  addresses: new Map(r.addresses.map((a) => [a.address, a])),
  routes: new Map(r.routes.map((x) => [routeKey(x), x])),
  neighbours: new Map(r.neighbours.map((n) => [neighbourKey(n), n])),
  timeouts: r.timeouts,
});

export const finished = (d: Draft): Runtime => ({
  services: [...d.services.values()],
  addresses: [...d.addresses.values()],
  routes: [...d.routes.values()],
  neighbours: [...d.neighbours.values()],
  timeouts: d.timeouts,
});

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
