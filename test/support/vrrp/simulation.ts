/**
 * Routers on a simulated wire: real packets, virtual time. Each packet's fate (lost, or late by some milliseconds) is
 * taken from a list; when the list is used up the wire is perfect.
 */
import type { Entry } from '../../../src/kernel/driver.js';
import { type Millis, millis, type Tick } from '../../../src/kernel/machine.js';
import { encodeIpv4, type Ipv4, parseIpv4 } from '../../../src/net/ipv4.js';
import { virtualRouter } from '../../../src/vrrp/fsm.js';
import { type InstanceConfig, instanceDefaults } from '../../../src/vrrp/messages.js';
import { vrrpProtocol, vrrpTos } from '../../../src/vrrp/packet.js';
import { advertDatagrams } from '../../../src/vrrp/send.js';
import { type Effect, type Input, initial, type State } from '../../../src/vrrp/state.js';

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
  /** From now on nothing of this router moves and nothing reaches it: a crash. */
  readonly crash: (index: number) => void;
  readonly active: () => readonly number[];
}

export const address = (text: string): Ipv4 => {
  const found = parseIpv4(text);
  if (found === null) throw new TypeError(text);
  return found;
};

export const instance = (o: Partial<InstanceConfig> = {}): InstanceConfig => ({
  ...instanceDefaults,
  name: 'VI',
  interface: 'eth0',
  vrid: 51,
  addresses: ['10.9.0.100'],
  ...o,
});

/** What has to be told before a router takes part. */
export const startInputs = (source: string): readonly Input[] => [
  { type: 'startup' },
  { type: 'sourceAddress', address: address(source) },
  { type: 'interface', up: true, reason: 'interface eth0 is running' },
  { type: 'serviceable', ok: true, reason: 'test' },
];

/** The packets of one advert, as a raw socket of the receiver shows them. */
export const packetsOf = (s: State, priority: number): readonly Uint8Array[] =>
  advertDatagrams(s, priority).map((d) =>
    encodeIpv4({ ...d, protocol: vrrpProtocol, tos: vrrpTos }),
  );

interface Mutable {
  state: State;
  alive: boolean;
  readonly journal: Entry<Input>[];
  readonly effects: { readonly at: Millis; readonly effects: readonly Effect[] }[];
}

export function simulate(
  configs: readonly InstanceConfig[],
  fates: readonly Fate[] = [],
): Simulation {
  const routers = configs.map((c): Mutable => {
    return { state: initial(c), alive: true, journal: [], effects: [] };
  });
  let now = millis(0);
  let sent = 0;
  let flying: { readonly at: number; readonly to: number; readonly bytes: Uint8Array }[] = [];

  const launch = (from: number, bytes: Uint8Array): void => {
    for (const to of routers.keys()) {
      if (to === from) continue;
      const fate = fates[sent] ?? { lost: false, delayMs: 0 };
      sent += 1;
      if (!fate.lost) flying.push({ at: now + fate.delayMs, to, bytes });
    }
  };

  const step = (index: number, input: Input | Tick): void => {
    const r = routers[index];
    if (r === undefined || !r.alive) return;
    const [state, effects] = virtualRouter.step(r.state, input, now);
    r.state = state;
    r.journal.push({ at: now, input });
    r.effects.push({ at: now, effects });
    for (const e of effects) {
      if (e.type === 'advertise')
        for (const bytes of packetsOf(state, e.priority)) launch(index, bytes);
      if (e.type === 'takeVips') step(index, { type: 'vipsTaken' });
    }
  };

  const deadlines = () =>
    routers.flatMap((r, to) => {
      const at = r.alive ? virtualRouter.deadline(r.state) : null;
      return at === null ? [] : [{ at: Math.max(at, now), to, bytes: null }];
    });

  const runUntil = (end: number): void => {
    for (;;) {
      const next = [...flying, ...deadlines()].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      now = millis(next.at);
      flying = flying.filter((f) => f !== next);
      step(next.to, next.bytes === null ? { type: 'tick' } : { type: 'packet', bytes: next.bytes });
    }
    now = millis(end);
  };

  const at = (index: number): Mutable => {
    const found = routers[index];
    if (found === undefined) throw new RangeError(`no router ${index}`);
    return found;
  };

  for (const index of routers.keys())
    for (const input of startInputs(`10.9.0.${index + 1}`)) step(index, input);
  return {
    now: () => now,
    router: at,
    feed: step,
    runUntil,
    crash: (index) => {
      at(index).alive = false;
    },
    active: () =>
      [...routers.keys()].filter((i) => at(i).alive && at(i).state.phase.tag === 'active'),
  };
}
