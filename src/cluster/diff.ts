/** From one plan to the next as effects, in the order in which they must happen. */
import { digest, type Snapshot } from '../dataplane/snapshot.js';
import type { VirtualServerConfig } from '../healthcheck/types.js';
import type { InstanceConfig, Serviceable, SyncGroupConfig } from '../vrrp/messages.js';
import { type Facts, settledConfig } from './facts.js';
import { healthBriefing, healthChanges } from './health-input.js';
import type { KernelPlan, Plan } from './plan.js';

/** `configureHealth`, `configureVrrp` and `serviceable` are the messages of the same names. */
export type Effect =
  | { readonly type: 'kernel'; readonly kernel: KernelPlan }
  | {
      readonly type: 'configureHealth';
      readonly revision: number;
      /** What is not named is removed. */
      readonly whole: boolean;
      /** Each is made when its page is; the facts they are made from do not change. */
      readonly virtualServers: Iterable<VirtualServerConfig>;
    }
  | {
      readonly type: 'configureVrrp';
      readonly revision: number;
      readonly instances: readonly InstanceConfig[];
      readonly syncGroups: readonly SyncGroupConfig[];
    }
  | {
      readonly type: 'serviceable';
      readonly bootId: string | null;
      /** Of what is not named nothing is known, and vrrp keeps what it knows. */
      readonly whole: boolean;
      readonly instances: readonly Serviceable[];
    }
  | { readonly type: 'setDesired'; readonly snapshot: Snapshot }
  /** The data plane refused it; the configuration and the commands are those accepted before. */
  | { readonly type: 'takenBack'; readonly reason: string };

/** Revisions of the configurations sent last. */
export interface Revisions {
  readonly vrrp: number;
  readonly healthcheck: number;
}

/** Who was briefed since its connection was opened: others get everything by their briefing. */
export interface Briefed {
  readonly vrrp: boolean;
  readonly healthcheck: boolean;
}

export interface Moment {
  readonly facts: Facts;
  readonly plan: Plan;
}

type Change = readonly [effects: readonly Effect[], revisions: Revisions];

const namedServiceable = (p: Plan, only: (id: string) => boolean): readonly Serviceable[] =>
  [...p.serviceable].flatMap(([id, now]) => (now === null || !only(id) ? [] : [{ id, ...now }]));

/** Nothing, where nothing is known: what vrrp was told before holds on. */
const allServiceable = ({ facts, plan }: Moment): readonly Effect[] => {
  const instances = namedServiceable(plan, () => true);
  const { bootId } = facts.served;
  return instances.length === 0 ? [] : [{ type: 'serviceable', bootId, whole: true, instances }];
};

/** Only what changed; the whole for another data plane, or where something became unknown. */
const serviceableChanges = (a: Moment, b: Moment): readonly Effect[] => {
  if (a.plan.serviceable === b.plan.serviceable && a.facts.served.bootId === b.facts.served.bootId)
    return [];
  const isWhole =
    a.facts.served.bootId !== b.facts.served.bootId ||
    [...b.plan.serviceable].some(([id, x]) => x === null && a.plan.serviceable.get(id) != null);
  if (isWhole) return allServiceable(b);
  const instances = namedServiceable(
    b.plan,
    (id) => a.plan.serviceable.get(id) !== b.plan.serviceable.get(id),
  );
  const { bootId } = b.facts.served;
  return instances.length === 0 ? [] : [{ type: 'serviceable', bootId, whole: false, instances }];
};

const vrrpConfigured = ({ plan }: Moment, revision: number): Effect => ({
  type: 'configureVrrp',
  revision,
  ...plan.vrrp,
});

/** Everything, for a vrrp process that has reported its state. */
export const vrrpBriefing = (m: Moment, r: Revisions): Change => [
  [...allServiceable(m), vrrpConfigured(m, r.vrrp + 1)],
  { ...r, vrrp: r.vrrp + 1 },
];

const wholeHealth = ({ facts, plan }: Moment, revision: number): Effect => ({
  type: 'configureHealth',
  revision,
  whole: true,
  virtualServers: healthBriefing(facts, plan.health),
});

/** Everything, for a healthcheck process that has reported its states. */
export const healthcheckBriefing = (m: Moment, r: Revisions): Change => [
  [wholeHealth(m, r.healthcheck + 1)],
  { ...r, healthcheck: r.healthcheck + 1 },
];

const healthEffects = (a: Moment, b: Moment, revision: number): readonly Effect[] => {
  if (
    settledConfig(a.facts) !== settledConfig(b.facts) ||
    a.plan.health.rest !== b.plan.health.rest
  )
    return [wholeHealth(b, revision)];
  if (a.plan.health === b.plan.health) return [];
  const virtualServers = healthChanges(b.facts, a.plan.health, b.plan.health);
  return [{ type: 'configureHealth', revision, whole: false, virtualServers }];
};

/** A router that is new begins with what is known of it: it keeps no sync group waiting. */
const vrrpEffects = (a: Moment, b: Moment, revision: number): readonly Effect[] => [
  ...serviceableChanges(a, b),
  ...(a.plan.vrrp === b.plan.vrrp ? [] : [vrrpConfigured(b, revision)]),
];

/** The order of objects in a snapshot says nothing, so the digests are compared. */
const sameSnapshot = (a: Snapshot, b: Snapshot): boolean => a === b || digest(a) === digest(b);

/** `a` null: the beginning. */
export const diff = (a: Moment | null, b: Moment, r: Revisions, briefed: Briefed): Change => {
  const health = a === null || !briefed.healthcheck ? [] : healthEffects(a, b, r.healthcheck + 1);
  const vrrp = a === null || !briefed.vrrp ? [] : vrrpEffects(a, b, r.vrrp + 1);
  const effects: Effect[] = [];
  const { kernel, snapshot } = b.plan;
  if (kernel !== null && kernel !== a?.plan.kernel) effects.push({ type: 'kernel', kernel });
  effects.push(...health, ...vrrp);
  if (a === null || !sameSnapshot(a.plan.snapshot, snapshot))
    effects.push({ type: 'setDesired', snapshot });
  const { refused } = b.facts;
  if (refused !== null && refused !== a?.facts.refused)
    effects.push({ type: 'takenBack', reason: refused });
  return [
    effects,
    {
      healthcheck: r.healthcheck + (health.length > 0 ? 1 : 0),
      vrrp: r.vrrp + (vrrp.some((e) => e.type === 'configureVrrp') ? 1 : 0),
    },
  ];
};
