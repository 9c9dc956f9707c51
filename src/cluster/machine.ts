/**
 * The controller's core: news in, facts, plan, difference, effects out. It owns no time: what must happen again and again (the lease) is the
 * shell's, what must happen once is an effect.
 */
import type { Config } from '../config/config.js';
import type { Machine, Millis } from '../kernel/machine.js';
import { diff, type Effect, restChecks } from './diff.js';
import { type Facts, type Input, initialFacts, learn } from './facts.js';
import { type Plan, plan } from './plan.js';
import { deviceOf } from './vrrp-input.js';

export interface State {
  readonly facts: Facts;
  /** null before the first `start`. */
  readonly plan: Plan | null;
}

export type ClusterInput =
  | Input
  | { readonly type: 'start' }
  /** The process has begun anew and knows nothing: tell it everything. */
  | { readonly type: 'vrrpStarted' | 'healthcheckStarted' };

export const initialState = (config: Config): State => ({
  facts: initialFacts(config),
  plan: null,
});

const vrrpBriefing = (p: Plan): readonly Effect[] => [
  { type: 'configureVrrp', vrrp: p.vrrp },
  ...[...p.serviceable].map(([instance, now]): Effect => ({ type: 'serviceable', instance, now })),
];

/** News that is carried out as it comes, beside what it changes in the plan. */
const passedOn = (s: State, input: Input): readonly Effect[] => {
  if (input.type === 'vrrp' && input.message.type === 'log')
    return [{ type: 'log', source: 'vrrp', message: input.message }];
  if (input.type === 'healthcheck' && input.message.type === 'log')
    return [{ type: 'log', source: 'healthcheck', message: input.message }];
  if (input.type !== 'vrrp' || input.message.type !== 'garp') return [];
  const { instance: name, addresses, repeat } = input.message;
  const instance = s.facts.config.keepalived.vrrpInstances.find((i) => i.name === name);
  const device = instance === undefined ? null : deviceOf(s.facts.config, instance);
  if (device === null) return [];
  return addresses.map((address) => ({ type: 'garp', device, address, repeat }));
};

const replan = (s: State, facts: Facts): readonly [State, readonly Effect[]] => {
  if (facts === s.facts && s.plan !== null) return [s, []];
  const next = plan(facts, s.plan === null ? null : { facts: s.facts, plan: s.plan });
  return [{ facts, plan: next }, diff(s.plan, next)];
};

const take = (s: State, input: Input, now: Millis): readonly [State, readonly Effect[]] => {
  const [next, effects] = replan(s, learn(s.facts, input, now));
  return [next, [...effects, ...passedOn(next, input)]];
};

export const cluster: Machine<State, ClusterInput, Effect> = {
  deadline: () => null,
  step: (s, input, now) => {
    if (input.type === 'tick') return [s, []];
    if (input.type === 'start') return replan(s, s.facts);
    // What was kept over a restart is known before the first plan.
    if (s.plan === null)
      return input.type === 'runtime' ? [{ ...s, facts: learn(s.facts, input, now) }, []] : [s, []];
    switch (input.type) {
      case 'vrrpStarted':
        return [s, vrrpBriefing(s.plan)];
      case 'healthcheckStarted':
        return [
          s,
          [{ type: 'configureHealth', virtualServers: s.plan.health }, ...restChecks(s.plan)],
        ];
      default:
        return take(s, input, now);
    }
  },
};
