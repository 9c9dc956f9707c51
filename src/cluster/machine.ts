/**
 * The controller's core: inputs, facts, plan, difference, effects. It owns no time.
 *
 * A process that is connected reports its whole state first; then it is briefed with everything that
 * is desired, and later with what changes. A batch of inputs is learned whole and planned once.
 */
import type { Config } from '../config/config.js';
import { digestText } from '../dataplane/snapshot.js';
import type { Machine, Millis } from '../kernel/machine.js';
import {
  type Briefed,
  diff,
  type Effect,
  healthcheckBriefing,
  type Moment,
  type Revisions,
  vrrpBriefing,
} from './diff.js';
import { type Asked, type Facts, type Input, inForce, initialFacts, learn } from './facts.js';
import { type Plan, plan } from './plan.js';
import { prepareReported } from './warm.js';

export interface State {
  readonly facts: Facts;
  /** null before the first `start`. */
  readonly plan: Plan | null;
  readonly sent: Revisions;
  /** Who has reported its whole state since its connection was opened. */
  readonly reported: Briefed;
  /** Who was briefed since then. */
  readonly briefed: Briefed;
  /** vrrp has reported instances: it runs with a configuration that was accepted before. */
  readonly vrrpRuns: boolean;
}

export type ClusterInput =
  | Input
  | { readonly type: 'start' }
  /** Learned in this order, planned once. */
  | { readonly type: 'batch'; readonly inputs: readonly Input[] };

const nobody: Briefed = { vrrp: false, healthcheck: false };

export const initialState = (config: Config): State => ({
  facts: initialFacts(config),
  plan: null,
  sent: { vrrp: 0, healthcheck: 0 },
  reported: nobody,
  briefed: nobody,
  vrrpRuns: false,
});

/** So many snapshots may be asked for while one is on its way; of older ones no news is expected. */
const askedAtMost = 32;

/** Remembers what the newest snapshot was made from, to know it again when it is acknowledged. */
const noted = (f: Facts, p: Plan): Facts => {
  const { config, runtime } = f;
  const { snapshot } = p;
  const last = f.asked.at(-1);
  if (last?.snapshot === snapshot && last.config === config && last.runtime === runtime) return f;
  const asked: Asked = { digest: digestText(snapshot), snapshot, config, runtime };
  const older = last?.digest === asked.digest ? f.asked.slice(0, -1) : f.asked;
  const next = { ...f, asked: [...older, asked].slice(-askedAtMost) };
  const acked = f.dataplane.state === 'up' ? f.dataplane.acked : null;
  // Nothing changes for the data plane: it has acknowledged this already.
  return acked !== null && digestText(acked.snapshot) === asked.digest
    ? inForce(next, acked.generation, asked.digest)
    : next;
};

/** Plans, and once more where the plan itself is news (it is in force already). */
const momentOf = (facts: Facts, before: Moment | null): Moment => {
  const first = plan(facts, before);
  const known = noted(facts, first);
  const isNews = known.served !== facts.served || known.accepted !== facts.accepted;
  const next = isNews ? plan(known, { facts, plan: first }) : first;
  return { facts: known, plan: next };
};

const replan = (s: State, facts: Facts): readonly [State, readonly Effect[]] => {
  if (facts === s.facts && s.plan !== null) return [s, []];
  const before = s.plan === null ? null : { facts: s.facts, plan: s.plan };
  const after = momentOf(facts, before);
  const [effects, sent] = diff(before, after, s.sent, s.briefed);
  return [{ ...s, ...after, sent }, effects];
};

/** The last page of a whole report. */
const isReport = (i: Input, type: 'vrrp' | 'healthcheck'): boolean =>
  i.type === type &&
  i.message.type === 'states' &&
  i.message.whole &&
  !('more' in i.message && i.message.more);

const briefings = {
  vrrp: vrrpBriefing,
  healthcheck: healthcheckBriefing,
} as const;

const peers = ['vrrp', 'healthcheck'] as const;

/** Pages of a set that is not complete change no plan yet: their part of it is made meanwhile. */
const prepare = ({ config, incoming }: Facts, input: Input): void => {
  if (incoming === null || input.type !== 'healthcheck' || input.message.type !== 'states') return;
  const { realServers, virtualServers } = input.message;
  const ids = new Set([...realServers, ...virtualServers].map((x) => x.vs));
  prepareReported({ config, health: incoming }, ids);
};

const learnOne = (s: State, input: Input, now: Millis): State => {
  const facts = learn(s.facts, input, now);
  prepare(facts, input);
  if (input.type === 'connected' || input.type === 'disconnected') {
    const none = { [input.peer]: false };
    return {
      ...s,
      facts,
      reported: { ...s.reported, ...none },
      briefed: { ...s.briefed, ...none },
    };
  }
  const peer = peers.find((p) => isReport(input, p));
  if (peer === undefined) return { ...s, facts };
  const reported = { ...s.reported, [peer]: true };
  return { ...s, facts, reported, vrrpRuns: runningAfter(s, input) };
};

const runningAfter = (s: State, input: Input): boolean =>
  input.type === 'vrrp' && input.message.type === 'states'
    ? input.message.instances.length > 0
    : s.vrrpRuns;

/**
 * A controller that starts knows what its files say, but not yet whether the data plane takes it.
 * Until then virtual routers that run are left with what they have. The checks wait for the data
 * plane: they rest without it, and only it knows which servers were dead before.
 */
const mustWait = (s: State, peer: 'vrrp' | 'healthcheck'): boolean =>
  peer === 'vrrp' ? s.vrrpRuns && s.facts.accepted === null : !s.facts.adopted;

/** A peer that is connected anew is briefed when its report is complete. */
const brief = (s: State, before: readonly Effect[]): readonly [State, readonly Effect[]] => {
  if (s.plan === null) return [s, before];
  let next = s;
  let all = before;
  for (const peer of peers) {
    if (!s.reported[peer] || s.briefed[peer] || mustWait(s, peer)) continue;
    const [effects, sent] = briefings[peer]({ facts: s.facts, plan: s.plan }, next.sent);
    next = { ...next, sent, briefed: { ...next.briefed, [peer]: true } };
    all = [...all, ...effects];
  }
  return [next, all];
};

/** All inputs are learned before anything is planned. */
const takeAll = (
  s: State,
  inputs: readonly Input[],
  now: Millis,
): readonly [State, readonly Effect[]] => {
  const learned = inputs.reduce((x, input) => learnOne(x, input, now), s);
  // What was kept over a restart is known before the first plan.
  if (s.plan === null) return [learned, []];
  const [next, effects] = replan({ ...learned, facts: s.facts }, learned.facts);
  return brief(next, effects);
};

export const cluster: Machine<State, ClusterInput, Effect> = {
  deadline: () => null,
  step: (s, input, now) => {
    if (input.type === 'tick') return [s, []];
    if (input.type === 'start') {
      const [next, effects] = replan(s, s.facts);
      return brief(next, effects);
    }
    return takeAll(s, input.type === 'batch' ? input.inputs : [input], now);
  },
};
