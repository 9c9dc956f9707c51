/**
 * The shell of the vrrp process (src/vrrp/io/routers.ts) without a system: a clock that is moved, a
 * wire nobody else is on, and a data plane that answers at once and whose leases can be looked at.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { routerId } from '../../../src/vrrp/identity.js';
import type { Link } from '../../../src/vrrp/io/links.js';
import { type Routers, routers } from '../../../src/vrrp/io/routers.js';
import {
  answersOf,
  batches,
  type LeaseMessage,
  type LeaseRequest,
} from '../../../src/vrrp/lease-batch.js';
import type {
  FromVrrp,
  InstanceConfig,
  InstanceState,
  SyncGroupConfig,
} from '../../../src/vrrp/messages.js';
import type { OutDatagram } from '../../../src/vrrp/send.js';
import { vipKey } from '../../../src/vrrp/state.js';
import { type ManualClock, manualClock } from '../kernel/clock.js';

export interface Shell {
  readonly all: Routers;
  readonly clock: ManualClock;
  /** Keys of the VIPs that are leased. */
  readonly leases: ReadonlyMap<string, number>;
  readonly sent: readonly OutDatagram[];
  readonly garps: readonly string[];
  readonly leaseMessages: () => number;
  /** What the controller knows: the last level of each instance. */
  readonly known: () => ReadonlyMap<string, InstanceState>;
  readonly reports: readonly FromVrrp[];
  readonly openInterfaces: () => readonly string[];
  readonly configure: (
    instances: readonly InstanceConfig[],
    groups?: readonly SyncGroupConfig[],
  ) => Promise<void>;
  /** Moves the clock on, in steps so small that no router takes them for a pause. */
  readonly run: (ms: number) => Promise<void>;
}

const up = (name: string): Link => ({
  up: true,
  reason: `interface ${name} is running`,
  index: 1,
  addresses: ['10.9.0.1'],
});
const stepMs = 50;

/** All that was planned for this turn of the loop, and what that plans. */
export const settled = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) await turn();
};

export function shell(bootId: string | null = '1'): Shell {
  const clock = manualClock();
  const leases = new Map<string, number>();
  const sent: OutDatagram[] = [];
  const garps: string[] = [];
  const reports: FromVrrp[] = [];
  const open = new Set<string>();
  const known = new Map<string, InstanceState>();
  let revision = 0;
  let messages = 0;

  const apply = (r: LeaseRequest): void => {
    for (const key of r.vips.map(vipKey)) {
      if (r.kind === 'release') leases.delete(key);
      if (r.kind === 'renew') leases.set(key, clock.now() + r.ms);
    }
  };
  const answer = (m: LeaseMessage): void => {
    messages += 1;
    for (const part of m.parts) apply(part);
    const states = m.parts.flatMap((p) =>
      p.vips.map(() => ({ known: true, leftMs: 1, renewedAgoMs: null })),
    );
    setImmediate(() => {
      for (const a of answersOf(m, states)) all.answer(a);
    });
  };

  const all: Routers = routers({
    clock,
    wallClock: () => clock.now(),
    factory: {
      name: 'test',
      open: (t) => {
        open.add(t.interface);
        return { send: (d) => void sent.push(d), close: () => void open.delete(t.interface) };
      },
    },
    watchLinks: (onChange) => {
      let names: ReadonlySet<string> = new Set();
      return {
        watch: (next) => {
          const fresh = [...next].filter((n) => !names.has(n));
          names = next;
          for (const n of fresh) onChange(n, up(n));
        },
        get: up,
        again: () => undefined,
        stop: () => undefined,
      };
    },
    leases: (requests) => {
      for (const m of batches(requests)) answer(m);
    },
    garp: (vip) => void garps.push(vipKey(vip)),
    report: (m) => {
      reports.push(m);
      if (m.type !== 'states') return;
      if (m.whole) known.clear();
      for (const i of m.instances) known.set(i.id, i);
    },
    log: () => undefined,
    onInput: () => undefined,
    onChange: () => undefined,
    journal: () => () => undefined,
  });
  if (bootId !== null) all.dataplane(bootId, 'connected');

  return {
    all,
    clock,
    leases,
    sent,
    garps,
    reports,
    leaseMessages: () => messages,
    known: () => known,
    openInterfaces: () => [...open].sort(),
    configure: async (instances, syncGroups = []) => {
      revision += 1;
      all.configure({ type: 'configure', revision, instances, syncGroups });
      all.serviceable({
        type: 'serviceable',
        bootId: '1',
        whole: true,
        instances: instances.map((i) => ({ id: routerId(i), ok: true, reason: 'test' })),
      });
      await settled();
    },
    run: async (ms) => {
      for (const end = clock.now() + ms; clock.now() < end; ) {
        clock.moveTo(Math.min(end, clock.now() + stepMs));
        await settled();
      }
    },
  };
}
