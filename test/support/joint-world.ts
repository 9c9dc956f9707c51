/**
 * The real controller's core and the real vrrp routers with the real messages between them, beside
 * a data plane that acknowledges late or refuses, and checks that know only what they are briefed
 * with. Time is the clock of the routers.
 */
import type { Effect } from '../../src/cluster/diff.js';
import type { HeldServer } from '../../src/cluster/facts.js';
import { type ClusterInput, cluster, initialState, type State } from '../../src/cluster/machine.js';
import { realServerName } from '../../src/cluster/names.js';
import type { Config } from '../../src/config/config.js';
import { digestText, type Snapshot } from '../../src/dataplane/snapshot.js';
import { millis } from '../../src/kernel/machine.js';
import { type Shell, settled, shell } from './vrrp/shell.js';

export type Part = 'dataplane' | 'vrrp' | 'healthcheck';

export interface Joint {
  readonly vrrp: Shell;
  /** So long the data plane takes from now on to acknowledge or to refuse. */
  readonly answerAfter: (ms: number) => void;
  readonly run: (ms: number) => Promise<void>;
  readonly reload: (config: Config) => void;
  readonly down: (rs: string) => void;
  /** Killed for so long; what it connects to answers in that order. `checksToo`: they forget all. */
  readonly restartController: (o: {
    readonly config: Config;
    readonly downMs: number;
    readonly order: readonly Part[];
    readonly gapMs: number;
    readonly checksToo: boolean;
  }) => Promise<void>;
  readonly restartDataplane: (downMs: number) => Promise<void>;
  /** Addresses of the real servers in service. */
  readonly servers: () => readonly string[];
  readonly generation: () => number;
}

const stepMs = 50;

export const joint = async (
  first: Config,
  refuses: (config: Config) => boolean,
  watch: () => void,
): Promise<Joint> => {
  const vrrp = shell('1');
  let known = new Map<string, boolean>();
  let state: State | null = null;
  let boots = 1;
  let held: Snapshot | null = null;
  /** The configuration accepted last, as the run directory keeps it over a restart. */
  let kept: Config | null = null;
  let generation = 0;
  let delay = 0;
  let asked: { readonly snapshot: Snapshot; readonly config: Config; due: number } | null = null;
  let seen = 0;
  const connected = new Set<Part>();

  const feed = (input: ClusterInput): void => {
    if (state === null) return;
    const [next, effects] = cluster.step(state, input, millis(0));
    state = next;
    for (const e of effects) perform(e);
  };
  const briefChecks = (e: Extract<Effect, { readonly type: 'configureHealth' }>): void => {
    const next = new Map(e.whole ? [] : known);
    const realServers = [...e.virtualServers].flatMap((v) =>
      v.realServers.map((r) => {
        const id = `${v.id} ${r.id}`;
        const isUp = known.get(id) ?? r.held !== 'down';
        next.set(id, isUp);
        return { vs: v.id, rs: r.id, up: isUp, delta: 0, reason: 'test', since: 1 };
      }),
    );
    known = next;
    const states = { type: 'states', whole: false, more: false, virtualServers: [] } as const;
    feed({ type: 'healthcheck', message: { ...states, realServers } });
    feed({ type: 'healthcheck', message: { type: 'configured', revision: e.revision } });
  };
  const perform = (e: Effect): void => {
    if (state === null) return;
    if (e.type === 'setDesired')
      asked = { snapshot: e.snapshot, config: state.facts.config, due: vrrp.clock.now() + delay };
    if (e.type === 'configureHealth' && connected.has('healthcheck')) briefChecks(e);
    if (e.type === 'configureVrrp' && connected.has('vrrp'))
      vrrp.all.configure({ ...e, type: 'configure' });
    if (e.type === 'serviceable' && connected.has('vrrp')) vrrp.all.serviceable(e);
  };
  const answer = (): void => {
    if (asked === null || !connected.has('dataplane') || asked.due > vrrp.clock.now()) return;
    const { snapshot, config } = asked;
    asked = null;
    const digest = digestText(snapshot);
    if (refuses(config)) {
      feed({ type: 'dataplaneRejected', reason: 'no room', digest });
      if (state?.facts.accepted === null && kept !== null) feed({ type: 'config', config: kept });
    } else {
      kept = config;
      held = snapshot;
      generation += 1;
      feed({ type: 'dataplaneAcked', generation, digest });
    }
  };
  /** What vrrp has reported since; lost while nobody is connected. */
  const hear = (): void => {
    for (const message of vrrp.reports.slice(seen))
      if (connected.has('vrrp')) feed({ type: 'vrrp', message });
    seen = vrrp.reports.length;
  };
  const run = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= stepMs) {
      await vrrp.run(Math.min(stepMs, left));
      hear();
      answer();
      await settled();
      hear();
      watch();
    }
  };

  const adopted = (): readonly HeldServer[] =>
    (held?.services ?? []).flatMap((s) =>
      s.realServers.map((r) => ({
        service: realServerName(s.address, s.port, s.protocol),
        server: realServerName(r.address, r.port, s.protocol),
        weight: r.weight,
      })),
    );
  const connect = (part: Part): void => {
    connected.add(part);
    if (part === 'vrrp') {
      feed({ type: 'connected', peer: 'vrrp', at: 1 });
      feed({ type: 'vrrp', message: vrrp.all.states() });
    } else if (part === 'healthcheck') {
      const realServers = [...known].map(([id, isUp]) => {
        const [vs = '', rs = ''] = id.split(' ');
        return { vs, rs, up: isUp, delta: 0, reason: 'test', since: 1 };
      });
      const message = { type: 'states', whole: true, more: false, virtualServers: [] } as const;
      feed({ type: 'connected', peer: 'healthcheck', at: 1 });
      feed({ type: 'healthcheck', message: { ...message, realServers } });
    } else {
      const before = generation === 0 ? null : adopted();
      const bootId = String(boots);
      feed({ type: 'dataplaneUp', pid: 1, workers: 1, bootId, generation, adopted: before });
    }
  };
  const begin = async (config: Config, order: readonly Part[], gapMs: number): Promise<void> => {
    state = initialState(config);
    feed({ type: 'start' });
    for (const part of order) {
      connect(part);
      await run(gapMs);
    }
  };
  await begin(first, ['dataplane', 'vrrp', 'healthcheck'], stepMs);

  return {
    vrrp,
    answerAfter: (ms) => {
      delay = ms;
    },
    run,
    reload: (config) => feed({ type: 'config', config }),
    down: (rs) => {
      const realServers = [...known.keys()].flatMap((id) => {
        const [vs = '', name = ''] = id.split(' ');
        if (name !== rs) return [];
        known.set(id, false);
        return [{ vs, rs: name, up: false, delta: 0, reason: 'test', since: 1 }];
      });
      const message = { type: 'states', whole: false, more: false, virtualServers: [] } as const;
      feed({ type: 'healthcheck', message: { ...message, realServers } });
    },
    restartController: async ({ config, downMs, order, gapMs, checksToo }) => {
      connected.clear();
      state = null;
      asked = null;
      if (checksToo) known = new Map();
      await run(downMs);
      await begin(config, order, gapMs);
    },
    restartDataplane: async (downMs) => {
      connected.delete('dataplane');
      feed({ type: 'dataplaneLost', reason: 'test' });
      vrrp.all.dataplane(null, 'the data plane is gone');
      await run(downMs);
      boots += 1;
      generation = 0;
      held = null;
      vrrp.all.dataplane(String(boots), 'connected');
      await settled();
      // It is asked for what is desired, from nothing.
      if (state?.plan != null)
        asked = { snapshot: state.plan.snapshot, config: state.facts.config, due: 0 };
      connect('dataplane');
    },
    servers: () =>
      (held?.services ?? []).flatMap((s) => s.realServers.map((r) => `${r.address}:${r.port}`)),
    generation: () => generation,
  };
};
