/** From one plan to the next as effects, in the order in which they must happen: nothing is announced before it can be served. */
import { digest, type Snapshot } from '../dataplane/snapshot.js';
import type { FromHealthcheck } from '../healthcheck/messages.js';
import type { VirtualServerConfig } from '../healthcheck/types.js';
import type { FromVrrp } from '../vrrp/legacy-messages.js';
import type { KernelPlan, Plan, Serviceable } from './plan.js';
import type { VrrpPlan } from './vrrp-input.js';

export type Effect =
  | { readonly type: 'kernel'; readonly kernel: KernelPlan }
  | { readonly type: 'configureHealth'; readonly virtualServers: readonly VirtualServerConfig[] }
  | { readonly type: 'restChecks'; readonly virtualServer: string; readonly rest: boolean }
  | { readonly type: 'configureVrrp'; readonly vrrp: VrrpPlan }
  | { readonly type: 'lease'; readonly on: boolean }
  | { readonly type: 'setDesired'; readonly snapshot: Snapshot }
  | { readonly type: 'serviceable'; readonly instance: string; readonly now: Serviceable }
  | { readonly type: 'vipsTaken'; readonly instance: string; readonly generation: number }
  | {
      readonly type: 'garp';
      readonly device: string;
      readonly address: string;
      readonly repeat: number;
    }
  | {
      readonly type: 'log';
      readonly source: 'vrrp' | 'healthcheck';
      readonly message: Extract<FromVrrp | FromHealthcheck, { type: 'log' }>;
    };

/** The order of objects in a snapshot says nothing, so the digests are compared. */
const sameSnapshot = (a: Snapshot, b: Snapshot): boolean => a === b || digest(a) === digest(b);

const serviceableChanges = (a: Plan | null, b: Plan): readonly Effect[] =>
  [...b.serviceable].flatMap(([instance, now]): readonly Effect[] => {
    const old = a?.serviceable.get(instance);
    const same = old !== undefined && old.ok === now.ok && (now.ok || old.reason === now.reason);
    return same ? [] : [{ type: 'serviceable', instance, now }];
  });

const takenChanges = (a: Plan | null, b: Plan): readonly Effect[] =>
  [...b.taken]
    .filter(([instance]) => a === null || !a.taken.has(instance))
    .map(([instance, generation]) => ({ type: 'vipsTaken', instance, generation }));

/** All of them rest or none does; what is new has to be told, too. */
export const restChecks = (p: Plan): readonly Effect[] =>
  p.health.map(({ id }) => ({ type: 'restChecks', virtualServer: id, rest: p.checksRest }));

/** `a` null: the beginning. */
export const diff = (a: Plan | null, b: Plan): readonly Effect[] => {
  const effects: Effect[] = [];
  if (b.kernel !== null && b.kernel !== a?.kernel)
    effects.push({ type: 'kernel', kernel: b.kernel });
  if (a?.health !== b.health) effects.push({ type: 'configureHealth', virtualServers: b.health });
  if (a?.checksRest !== b.checksRest || (b.checksRest && a?.health !== b.health))
    effects.push(...restChecks(b));
  if (a?.vrrp !== b.vrrp) effects.push({ type: 'configureVrrp', vrrp: b.vrrp });
  if ((a?.lease ?? false) !== b.lease) effects.push({ type: 'lease', on: b.lease });
  if (a === null || !sameSnapshot(a.snapshot, b.snapshot))
    effects.push({ type: 'setDesired', snapshot: b.snapshot });
  return [...effects, ...serviceableChanges(a, b), ...takenChanges(a, b)];
};
