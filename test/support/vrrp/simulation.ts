/**
 * Nodes on a simulated wire: real packets, virtual time, and a data plane with leases in each node.
 * Each packet's fate (lost, or late by some milliseconds) is taken from a list; when the list is used
 * up the wire is perfect. Processes may be killed, replaced and paused; data planes restarted.
 */
import type { Entry } from '../../../src/kernel/driver.js';
import { type Millis, millis, type Tick } from '../../../src/kernel/machine.js';
import { encodeIpv4, type Ipv4, parseIpv4 } from '../../../src/net/ipv4.js';
import { virtualRouter } from '../../../src/vrrp/fsm.js';
import { answersOf } from '../../../src/vrrp/lease-batch.js';
import { type InstanceConfig, instanceDefaults } from '../../../src/vrrp/messages.js';
import { vrrpProtocol, vrrpTos } from '../../../src/vrrp/packet.js';
import { advertDatagrams } from '../../../src/vrrp/send.js';
import {
  type Effect,
  type Input,
  initial,
  restore,
  type State,
  vipKey,
} from '../../../src/vrrp/state.js';

export interface Fate {
  readonly lost: boolean;
  readonly delayMs: number;
}

export interface SimulatedRouter {
  readonly state: State;
  readonly journal: readonly Entry<Input>[];
  readonly effects: readonly { readonly at: Millis; readonly effects: readonly Effect[] }[];
}

export interface Simulation {
  readonly now: () => Millis;
  readonly router: (index: number) => SimulatedRouter;
  readonly feed: (index: number, input: Input) => void;
  readonly runUntil: (at: number) => void;
  /** From now on nothing of this node moves and nothing reaches it: a crash. */
  readonly crash: (index: number) => void;
  /** The vrrp process is killed; another one reads its state file `downMs` later. */
  readonly replace: (index: number, downMs: number) => void;
  /** The vrrp process is stopped (SIGSTOP) for that long; its data plane runs on. */
  readonly pause: (index: number, ms: number) => void;
  /** The data plane is killed; another one is configured `downMs` later. */
  readonly restartDataplane: (index: number, downMs: number) => void;
  readonly active: () => readonly number[];
  /** Nodes whose data plane answers for the address. */
  readonly owners: () => readonly number[];
  /** Milliseconds during which more than one node answered. */
  readonly contestedMs: () => number;
  /** How often the address came to another owner than before. */
  readonly moves: () => number;
}

export const address = (text: string): Ipv4 => {
  const found = parseIpv4(text);
  if (found === null) throw new TypeError(text);
  return found;
};

export const instance = (o: Partial<InstanceConfig> = {}): InstanceConfig => {
  const addresses = o.addresses ?? ['10.9.0.100'];
  return {
    ...instanceDefaults,
    name: 'VI',
    interface: 'eth0',
    vrid: 51,
    addresses,
    vips: [...addresses, ...(o.excludedAddresses ?? [])].map((a) => ({
      device: 'dpdk0',
      address: a,
    })),
    ...o,
  };
};

const serviceFor = (bootId: string): Input => ({
  type: 'serviceable',
  service: { bootId, ok: true, reason: 'test' },
});

/** What has to be reported before a router takes part. */
export const startInputs = (source: string, bootId = '1'): readonly Input[] => [
  { type: 'startup' },
  { type: 'sourceAddress', address: address(source) },
  { type: 'interface', up: true, reason: 'interface eth0 is running' },
  serviceFor(bootId),
  { type: 'dataplane', bootId, reason: 'connected' },
];

/** The packets of one advert, as a raw socket of the receiver shows them. */
export const packetsOf = (s: State, priority: number): readonly Uint8Array[] =>
  advertDatagrams(s, priority).map((d) =>
    encodeIpv4({ ...d, protocol: vrrpProtocol, tos: vrrpTos }),
  );

interface Lease {
  readonly until: number;
  readonly renewedAt: number;
}

interface Mutable {
  state: State;
  alive: boolean;
  /** The process runs; otherwise what arrives waits in its sockets until then. */
  pausedUntil: number | null;
  /** Between a kill and the next process. */
  replacedAt: number | null;
  bootId: number;
  dataplaneUp: boolean;
  leases: Map<string, Lease>;
  held: Input[];
  readonly source: string;
  journal: Entry<Input>[];
  effects: { readonly at: Millis; readonly effects: readonly Effect[] }[];
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const leaseKinds = {
  renewLease: 'renew',
  releaseLease: 'release',
  queryLease: 'query',
} as const;

/** An answer of the data plane takes so long. */
const answerMs = 1;
/** And its restart is reported by the controller so long after it is there. */
const configuredMs = 20;

export function simulate(
  configs: readonly InstanceConfig[],
  fates: readonly Fate[] = [],
  usual: Fate = { lost: false, delayMs: 0 },
): Simulation {
  let now = millis(0);
  let sent = 0;
  let order = 0;
  let contested = 0;
  let lastOwner: number | null = null;
  let moves = 0;
  let events: Event[] = [];
  const routers = configs.map((c, i): Mutable => {
    return {
      state: initial(c),
      alive: true,
      pausedUntil: null,
      replacedAt: null,
      bootId: 1,
      dataplaneUp: true,
      leases: new Map(),
      held: [],
      source: `10.9.0.${i + 1}`,
      journal: [],
      effects: [],
    };
  });
  const at = (index: number): Mutable => {
    const found = routers[index];
    if (found === undefined) throw new RangeError(`no router ${index}`);
    return found;
  };
  const plan = (time: number, run: () => void): void => {
    order += 1;
    events.push({ at: time, order, run });
  };

  const owns = (r: Mutable): boolean =>
    r.dataplaneUp && [...r.leases.values()].some((l) => l.until > now);
  const owners = (): readonly number[] => [...routers.keys()].filter((i) => owns(at(i)));

  const launch = (from: number, bytes: Uint8Array): void => {
    for (const to of routers.keys()) {
      if (to === from) continue;
      const fate = fates[sent] ?? usual;
      sent += 1;
      if (!fate.lost) plan(now + fate.delayMs, () => arrive(to, { type: 'packet', bytes }));
    }
  };

  /** A packet or an answer reaches the sockets of the process. */
  const arrive = (index: number, input: Input): void => {
    const r = at(index);
    if (r.pausedUntil !== null) r.held.push(input);
    else if (r.replacedAt === null) step(index, input);
  };

  const lease = (index: number, e: Extract<Effect, { readonly vips: unknown }>): void => {
    const r = at(index);
    const kind = e.type === 'garp' ? undefined : leaseKinds[e.type];
    if (kind === undefined || !r.dataplaneUp) return;
    const keys = e.vips.map(vipKey);
    const states = keys.map((key) => {
      const found = r.leases.get(key);
      const renewedAgoMs = found === undefined ? null : now - found.renewedAt;
      return { known: true, leftMs: 0, renewedAgoMs };
    });
    for (const key of keys) {
      if (e.type === 'renewLease') r.leases.set(key, { until: now + e.ms, renewedAt: now });
      if (kind === 'release') r.leases.delete(key);
    }
    const m = { ms: 0, parts: [{ kind, id: 'router', vips: e.vips, ms: 0 }] };
    for (const { input } of answersOf(m, states)) plan(now + answerMs, () => arrive(index, input));
  };

  function step(index: number, input: Input | Tick): void {
    const r = at(index);
    if (!r.alive) return;
    const [state, effects] = virtualRouter.step(r.state, input, now);
    r.state = state;
    r.journal.push({ at: now, input });
    r.effects.push({ at: now, effects });
    for (const e of effects) {
      if (e.type === 'advertise')
        for (const bytes of packetsOf(state, e.priority)) launch(index, bytes);
      if ('vips' in e) lease(index, e);
    }
  }

  const nextTick = (): { readonly at: number; readonly index: number } | null => {
    let best: { at: number; index: number } | null = null;
    for (const [index, r] of routers.entries()) {
      if (!r.alive || r.pausedUntil !== null || r.replacedAt !== null) continue;
      const due = virtualRouter.deadline(r.state);
      if (due !== null && (best === null || due < best.at))
        best = { at: Math.max(due, now), index };
    }
    return best;
  };
  const nextEvent = (): Event | undefined =>
    events.reduce<Event | undefined>(
      (a, b) => (a === undefined || b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a),
      undefined,
    );

  /** Time passes until `to`; leases that run out on the way end their contest there. */
  const pass = (to: number): void => {
    const ends = routers.map((r) =>
      r.dataplaneUp ? Math.max(0, ...[...r.leases.values()].map((l) => l.until)) : 0,
    );
    const second = [...ends].sort((a, b) => b - a)[1] ?? 0;
    contested += Math.max(0, Math.min(second, to) - now);
    now = millis(to);
  };
  const watchOwner = (): void => {
    const [owner, other] = owners();
    if (owner === undefined || other !== undefined || owner === lastOwner) return;
    if (lastOwner !== null) moves += 1;
    lastOwner = owner;
  };

  const runUntil = (end: number): void => {
    for (;;) {
      const event = nextEvent();
      const due = nextTick();
      const first = Math.min(event?.at ?? Infinity, due?.at ?? Infinity);
      if (first > end) break;
      pass(Math.max(first, now));
      if (event !== undefined && event.at <= first) {
        events = events.filter((e) => e !== event);
        event.run();
      } else if (due !== null) step(due.index, { type: 'tick' });
      watchOwner();
    }
    pass(end);
  };

  for (const index of routers.keys())
    for (const input of startInputs(at(index).source)) step(index, input);

  return {
    now: () => now,
    router: at,
    feed: step,
    runUntil,
    crash: (index) => {
      const r = at(index);
      r.alive = false;
      r.dataplaneUp = false;
      r.leases.clear();
    },
    replace: (index, downMs) => {
      const r = at(index);
      if (r.replacedAt !== null) return;
      r.replacedAt = now + downMs;
      r.pausedUntil = null;
      r.held = [];
      const { config, service, delta, phase, resume } = r.state;
      const wasActive = phase.tag === 'active' || resume !== null;
      plan(now + downMs, () => {
        r.replacedAt = null;
        r.state = restore(config, { service, delta, wasActive }, now);
        r.journal = [];
        r.effects = [];
        const known: Input = r.dataplaneUp
          ? { type: 'dataplane', bootId: String(r.bootId), reason: 'connected' }
          : { type: 'dataplane', bootId: null, reason: 'the data plane is gone' };
        for (const input of startInputs(r.source))
          if (input.type !== 'serviceable' && input.type !== 'dataplane') step(index, input);
        step(index, known);
      });
    },
    pause: (index, ms) => {
      const r = at(index);
      if (r.pausedUntil !== null || r.replacedAt !== null) return;
      const until = now + ms;
      r.pausedUntil = until;
      plan(until, () => {
        if (r.pausedUntil !== until) return;
        r.pausedUntil = null;
        const inputs = r.held;
        r.held = [];
        // The shell reads its sockets before a late timer fires.
        for (const input of inputs) step(index, input);
      });
    },
    restartDataplane: (index, downMs) => {
      const r = at(index);
      if (!r.dataplaneUp) return;
      r.dataplaneUp = false;
      r.leases.clear();
      arrive(index, { type: 'dataplane', bootId: null, reason: 'the data plane is gone' });
      plan(now + downMs, () => {
        r.dataplaneUp = true;
        r.bootId += 1;
        arrive(index, { type: 'dataplane', bootId: String(r.bootId), reason: 'connected' });
        plan(now + configuredMs, () => arrive(index, serviceFor(String(r.bootId))));
      });
    },
    active: () =>
      [...routers.keys()].filter((i) => at(i).alive && at(i).state.phase.tag === 'active'),
    owners,
    contestedMs: () => contested,
    moves: () => moves,
  };
}
