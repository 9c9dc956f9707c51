/**
 * A node without its shells: the real cluster machine between models of healthcheck, vrrp and data
 * plane that keep levels, over connections that lose what is on its way when they break. For the law
 * that any history ends where a fresh start with the same facts ends.
 */
import type { Effect } from '../../src/cluster/diff.js';
import { type ClusterInput, cluster, initialState, type State } from '../../src/cluster/machine.js';
import type { Config } from '../../src/config/config.js';
import { digestText, type Snapshot } from '../../src/dataplane/snapshot.js';
import type { RealServerLevel } from '../../src/healthcheck/messages.js';
import type { VirtualServerConfig } from '../../src/healthcheck/types.js';
import { millis } from '../../src/kernel/machine.js';
import { routerId } from '../../src/vrrp/identity.js';
import type { InstanceConfig, InstanceState, Serviceable } from '../../src/vrrp/messages.js';

type EffectOf<T extends Effect['type']> = Extract<Effect, { readonly type: T }>;

/** What a process of its own would keep. */
interface HealthChild {
  configs: ReadonlyMap<string, VirtualServerConfig>;
  /** By virtual server and real server. */
  up: Map<string, boolean>;
}
interface VrrpChild {
  instances: ReadonlyMap<string, InstanceConfig>;
  active: Map<string, boolean>;
  bootId: string | null;
  serviceable: Map<string, boolean>;
}
interface Dataplane {
  bootId: string;
  generation: number;
  held: Snapshot | null;
}

export type Peer = 'vrrp' | 'healthcheck';

export interface End {
  /** Digests. */
  readonly desired: string | null;
  readonly held: string | null;
  readonly serviceable: readonly (readonly [string, boolean])[];
  readonly forThisDataplane: boolean;
  readonly instances: readonly (readonly [string, InstanceConfig])[];
  readonly servers: readonly (readonly [string, boolean])[];
  readonly facts: readonly (readonly (string | undefined)[])[];
  readonly checks: readonly { readonly id: string }[];
}

export interface World {
  readonly reload: (config: Config) => void;
  /** A server lives or dies; healthcheck notices by `probe`. */
  readonly server: (rs: string, up: boolean) => void;
  readonly probe: () => void;
  readonly elect: (id: string, active: boolean) => void;
  /** Delivers up to so many messages, in their order. */
  readonly deliver: (count: number) => void;
  /** The connection breaks and what is on its way is lost; `died`: the process knows nothing now. */
  readonly disconnect: (peer: Peer, died: boolean) => void;
  readonly connect: (peer: Peer) => void;
  readonly acknowledge: () => void;
  readonly loseDataplane: (died: boolean) => void;
  readonly restartController: (config: Config) => void;
  /** Everything connected, delivered, probed and acknowledged. */
  readonly settle: () => void;
  /** The plan and the last levels at each process, comparable. */
  readonly end: () => End;
  /** Each time a served instance was called not serviceable by the same data plane. */
  readonly dropped: () => readonly string[];
  /** Each instance that was called not serviceable. */
  readonly withdrawn: () => readonly string[];
}

export const world = (first: Config): World => {
  const servers = new Map<string, boolean>();
  const health: HealthChild = { configs: new Map(), up: new Map() };
  const vrrp: VrrpChild = {
    instances: new Map(),
    active: new Map(),
    bootId: null,
    serviceable: new Map(),
  };
  const dataplane: Dataplane = { bootId: 'boot 1', generation: 0, held: null };
  const dropped: string[] = [];
  const withdrawn: string[] = [];
  const connected: Record<Peer, boolean> = { vrrp: false, healthcheck: false };
  let isUp = false;
  let boots = 1;
  let config = first;
  let state: State = initialState(first);
  let desired: Snapshot | null = null;
  /** Both ways, in their order; each belongs to a connection. */
  let onTheWay: { readonly peer: Peer; readonly deliver: () => void }[] = [];

  const post = (peer: Peer, deliver: () => void): void => {
    if (connected[peer]) onTheWay.push({ peer, deliver });
  };
  const feed = (input: ClusterInput): void => {
    const [next, effects] = cluster.step(state, input, millis(0));
    state = next;
    for (const e of effects) perform(e);
  };

  // ---- healthcheck

  const key = (vs: string, rs: string): string => `${vs} ${rs}`;
  const report = (whole: boolean, only: (k: string) => boolean = () => true): void => {
    const levels = [...health.configs.values()].flatMap((v) =>
      v.realServers.flatMap((r): readonly RealServerLevel[] => {
        const up = health.up.get(key(v.id, r.id));
        return up === undefined || !only(key(v.id, r.id))
          ? []
          : [{ vs: v.id, rs: r.id, up, delta: 0, reason: 'test', since: 1 }];
      }),
    );
    const states = { type: 'states', whole, more: false, virtualServers: [] } as const;
    post('healthcheck', () =>
      feed({ type: 'healthcheck', message: { ...states, realServers: levels } }),
    );
  };
  const configureHealth = (e: EffectOf<'configureHealth'>): void => {
    const configs = new Map(e.whole ? [] : health.configs);
    for (const v of e.virtualServers) configs.set(v.id, v);
    const fresh = new Set<string>();
    const up = new Map<string, boolean>();
    for (const v of configs.values())
      for (const r of v.realServers) {
        const k = key(v.id, r.id);
        const known = health.up.get(k);
        if (known === undefined) fresh.add(k);
        up.set(k, known ?? r.held !== 'down');
      }
    health.configs = configs;
    health.up = up;
    report(false, (k) => fresh.has(k));
    const { revision } = e;
    post('healthcheck', () =>
      feed({ type: 'healthcheck', message: { type: 'configured', revision } }),
    );
  };
  const probe = (): void => {
    const changed = new Set<string>();
    for (const v of health.configs.values())
      for (const r of v.realServers) {
        const now = servers.get(r.id) ?? true;
        if (!v.suspended && health.up.get(key(v.id, r.id)) !== now) {
          health.up.set(key(v.id, r.id), now);
          changed.add(key(v.id, r.id));
        }
      }
    if (changed.size > 0) report(false, (k) => changed.has(k));
  };

  // ---- vrrp

  const instanceState = (id: string, i: InstanceConfig): InstanceState => ({
    id,
    interface: i.interface,
    vrid: i.vrid,
    family: i.family,
    name: i.name,
    state: vrrp.active.get(id) === true ? 'active' : 'backup',
    previous: 'initialize',
    reason: 'test',
    since: 1,
    priority: i.priority,
    activeAddress: null,
    intervalMs: i.advertMs,
    holds: vrrp.active.get(id) === true,
  });
  const vrrpStates = (whole: boolean, ids: Iterable<string>): void => {
    const instances = [...ids].flatMap((id) => {
      const i = vrrp.instances.get(id);
      return i === undefined ? [] : [instanceState(id, i)];
    });
    const message = { type: 'states', whole, instances } as const;
    post('vrrp', () => feed({ type: 'vrrp', message }));
  };
  const configureVrrp = (e: EffectOf<'configureVrrp'>): void => {
    vrrp.instances = new Map(e.instances.map((i) => [routerId(i), i]));
    const has = (id: string): boolean => vrrp.instances.has(id);
    vrrp.serviceable = new Map([...vrrp.serviceable].filter(([id]) => has(id)));
    vrrp.active = new Map([...vrrp.active].filter(([id]) => has(id)));
    vrrpStates(true, vrrp.instances.keys());
    const { revision } = e;
    post('vrrp', () => feed({ type: 'vrrp', message: { type: 'configured', revision } }));
  };
  const take = (bootId: string, { id, ok }: Serviceable): void => {
    if (!ok && vrrp.bootId === bootId && vrrp.serviceable.get(id) === true) dropped.push(id);
    vrrp.serviceable.set(id, ok);
  };
  const serviceable = (e: EffectOf<'serviceable'>): void => {
    if (e.bootId === null) return;
    const before = vrrp.bootId === e.bootId ? vrrp.serviceable : new Map<string, boolean>();
    vrrp.serviceable = before;
    for (const one of e.instances) take(e.bootId, one);
    vrrp.bootId = e.bootId;
  };

  // ---- the node

  const noteWithdrawn = ({ instances }: EffectOf<'serviceable'>): void => {
    withdrawn.push(...instances.filter((i) => !i.ok).map((i) => i.id));
  };
  function perform(e: Effect): void {
    if (e.type === 'serviceable') noteWithdrawn(e);
    if (e.type === 'setDesired') desired = e.snapshot;
    else if (e.type === 'configureHealth') post('healthcheck', () => configureHealth(e));
    else if (e.type === 'configureVrrp') post('vrrp', () => configureVrrp(e));
    else if (e.type === 'serviceable') post('vrrp', () => serviceable(e));
  }
  const dataplaneUp = (): void => {
    isUp = true;
    const { bootId, generation } = dataplane;
    feed({ type: 'dataplaneUp', pid: 1, workers: 1, bootId, generation, adopted: null });
  };
  const acknowledge = (): void => {
    if (!isUp || desired === null) return;
    dataplane.held = desired;
    dataplane.generation += 1;
    const { generation } = dataplane;
    feed({ type: 'dataplaneAcked', generation, digest: digestText(desired) });
  };
  const deliver = (count: number): void => {
    for (let n = 0; n < count; n++) onTheWay.shift()?.deliver();
  };
  const disconnect = (peer: Peer, died: boolean): void => {
    onTheWay = onTheWay.filter((m) => m.peer !== peer);
    if (connected[peer]) feed({ type: 'disconnected', peer, reason: 'test', at: 1 });
    connected[peer] = false;
    if (!died) return;
    if (peer === 'healthcheck') {
      health.configs = new Map();
      health.up = new Map();
    } else vrrp.serviceable = new Map();
  };
  const connect = (peer: Peer): void => {
    if (connected[peer]) return;
    connected[peer] = true;
    post(peer, () => feed({ type: 'connected', peer, at: 1 }));
    if (peer === 'healthcheck') report(true);
    else vrrpStates(true, vrrp.instances.keys());
  };
  const loseDataplane = (died: boolean): void => {
    if (isUp) feed({ type: 'dataplaneLost', reason: 'test' });
    isUp = false;
    if (!died) return;
    boots += 1;
    dataplane.bootId = `boot ${boots}`;
    dataplane.generation = 0;
    dataplane.held = null;
  };

  feed({ type: 'start' });
  return {
    reload: (next) => {
      config = next;
      feed({ type: 'config', config });
    },
    server: (rs, up) => void servers.set(rs, up),
    probe,
    elect: (id, active) => {
      if (!vrrp.instances.has(id)) return;
      vrrp.active.set(id, active);
      vrrpStates(false, [id]);
    },
    deliver,
    disconnect,
    connect,
    acknowledge: () => {
      if (!isUp) dataplaneUp();
      else acknowledge();
    },
    loseDataplane,
    restartController: (next) => {
      for (const peer of ['vrrp', 'healthcheck'] as const) {
        onTheWay = onTheWay.filter((m) => m.peer !== peer);
        connected[peer] = false;
      }
      isUp = false;
      desired = null;
      config = next;
      state = initialState(next);
      feed({ type: 'start' });
    },
    settle: () => {
      for (let n = 0; n < 4; n++) {
        connect('vrrp');
        connect('healthcheck');
        if (!isUp) dataplaneUp();
        while (onTheWay.length > 0) deliver(1);
        acknowledge();
        while (onTheWay.length > 0) deliver(1);
        probe();
      }
    },
    end: () => ({
      desired: desired === null ? null : digestText(desired),
      held: dataplane.held === null ? null : digestText(dataplane.held),
      serviceable: [...vrrp.serviceable].sort(),
      forThisDataplane: vrrp.bootId === dataplane.bootId,
      instances: [...vrrp.instances].sort(),
      servers: [...health.up].sort(),
      facts: [...state.facts.vrrp].map(([id, f]) => [id, f.state, f.name]).sort(),
      checks: [...health.configs.values()]
        .map(({ realServers, quorumHeld: _, ...v }) => ({
          ...v,
          realServers: realServers.map(({ held: __, ...r }) => r),
        }))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    }),
    dropped: () => dropped,
    withdrawn: () => withdrawn,
  };
};
