/**
 * Processes that still have the old messages, as the cluster machine sees them. A message of the new
 * ones passes as it is; the file goes with the last of the old.
 */
import type { Input } from '../cluster/facts.js';
import type { Logger } from '../kernel/io/logger.js';
import { routerId } from '../vrrp/identity.js';
import type * as old from '../vrrp/legacy-messages.js';
import type { FromVrrp, InstanceState, ToVrrp } from '../vrrp/messages.js';

export interface LegacyVrrp {
  readonly up: () => void;
  readonly down: (reason: string) => void;
  readonly received: (m: old.FromVrrp | FromVrrp) => void;
  readonly send: (m: ToVrrp) => void;
  /** Some instance holds its addresses, and the process does not renew their lease itself. */
  readonly holds: () => boolean;
}

export interface LegacyVrrpOptions {
  readonly feed: (input: Input) => void;
  readonly send: (m: old.ToVrrp) => void;
  readonly renewLease: (on: boolean) => void;
  readonly garp: (device: string, address: string, repeat: number) => void;
  readonly log: Logger;
}

export const legacyVrrp = (o: LegacyVrrpOptions): LegacyVrrp => {
  const known = new Map<string, InstanceState>();
  const names = new Map<string, string>();
  const devices = new Map<string, string>();
  const states = (whole: boolean, instances: readonly InstanceState[]): void =>
    o.feed({ type: 'vrrp', message: { type: 'states', whole, instances } });
  const update = (state: InstanceState): void => {
    known.set(state.name, state);
    states(false, [state]);
  };
  const holds = (): boolean => [...known.values()].some((s) => s.holds);
  const held = (name: string, now: boolean): void => {
    const before = known.get(name);
    if (before !== undefined) update({ ...before, holds: now });
    o.renewLease(holds());
    // The addresses are in every generation.
    if (now) o.send({ type: 'vipsTaken', instance: name, generation: 1 });
  };
  const ofState = (m: Extract<old.FromVrrp, { type: 'state' }>): void => {
    const { type: _, instance: name, ...state } = m;
    const id = routerId({ interface: m.interface, vrid: m.vrid, family: 'inet' });
    update({ ...state, id, name, family: 'inet', holds: known.get(name)?.holds ?? false });
  };
  const configure = (m: Extract<ToVrrp, { type: 'configure' }>): void => {
    names.clear();
    for (const i of m.instances) {
      names.set(routerId(i), i.name);
      for (const vip of i.vips) devices.set(vip.address, vip.device);
    }
    const members = (ids: readonly string[]) => ids.flatMap((id) => names.get(id) ?? []);
    const syncGroups = m.syncGroups.map((g) => ({ ...g, members: members(g.members) }));
    o.send({ type: 'configure', instances: m.instances, syncGroups });
    o.feed({ type: 'vrrp', message: { type: 'configured', revision: m.revision } });
  };
  return {
    up: () => {
      o.feed({ type: 'connected', peer: 'vrrp', at: Date.now() });
      states(true, [...known.values()]);
    },
    down: (reason) => {
      known.clear();
      states(true, []);
      o.feed({ type: 'disconnected', peer: 'vrrp', reason, at: Date.now() });
    },
    received: (m) => {
      switch (m.type) {
        case 'state':
          ofState(m);
          break;
        case 'takeVips':
        case 'releaseVips':
          held(m.instance, m.type === 'takeVips');
          break;
        case 'garp':
          for (const a of m.addresses) o.garp(devices.get(a) ?? '', a, m.repeat);
          break;
        case 'log':
          o.log[m.level]({ component: 'vrrp', ...m.fields }, m.msg);
          break;
        case 'states':
        case 'configured':
        case 'counters':
          o.feed({ type: 'vrrp', message: m });
          break;
        default:
          break;
      }
    },
    send: (m) => {
      if (m.type === 'configure') configure(m);
      else if (m.type === 'serviceable')
        for (const { id, ok, reason } of m.instances) {
          const instance = names.get(id);
          if (instance !== undefined) o.send({ type: 'serviceable', instance, ok, reason });
        }
    },
    holds,
  };
};
