/**
 * Transactions of commands and of configurations, one at a time: checked, planned, acknowledged by the
 * data plane and by the processes that have a part in it, written down; only then reported as done.
 * Commands that are refused, or not acknowledged in time, leave everything as it was.
 */
import type { Wanted } from '../cluster/facts.js';
import type { State } from '../cluster/machine.js';
import { applyCommands } from '../cluster/runtime/apply.js';
import type { Runtime } from '../cluster/runtime/types.js';
import type { Snapshot } from '../dataplane/snapshot.js';

/** What a transaction comes to: the generation that has it, or why nothing changed. */
export type Outcome =
  | {
      readonly ok: true;
      /** 0: not in force yet. */
      readonly generation: number;
      /** Why it is not in force yet. */
      readonly late?: string;
    }
  | {
      readonly ok: false;
      readonly index: number | null;
      readonly reason: string;
      /** The data plane has said no, so that asking again would not help. */
      readonly refused?: true;
    };

const acknowledgeMs = 10_000;
export interface TransactionsOptions {
  /** Writes down what commands made of the runtime; throws where it cannot be kept. */
  readonly keep: (runtime: Runtime, commands: readonly unknown[]) => void;
  readonly state: () => State;
  /** Makes it part of the facts; effects follow at once. */
  readonly set: (runtime: Runtime) => void;
}

export interface Transactions {
  readonly run: (commands: readonly unknown[]) => Promise<Outcome>;
  /**
   * Another configuration, in its turn: `set` makes it part of the facts. What the data plane refuses
   * is taken back by the cluster machine. Without a data plane it is taken as it is (generation 0).
   */
  readonly configure: (set: () => void) => Promise<Outcome>;
  /** To be called when the state of the cluster machine may have changed. */
  readonly check: () => void;
}

/** What a transaction waits for; done when a generation that has it is acknowledged. */
interface Waiting {
  readonly wanted: Wanted;
  readonly done: (o: Outcome) => void;
  /** The snapshot to be acknowledged, once the checks and VRRP have it as well. */
  target: Target | null;
}

interface Target {
  readonly snapshot: Snapshot;
  /** Generation in force when it was last among those that are asked for. */
  before: number;
}

const failed = (reason: string) => ({ ok: false, index: null, reason }) as const;

/** Connected processes that have not reported the newest configuration as configured. */
const notConfigured = ({ facts, sent, briefed }: State): readonly string[] =>
  (['vrrp', 'healthcheck'] as const).filter(
    (p) => facts.peers[p].connected && (!briefed[p] || facts.peers[p].configured < sent[p]),
  );

const isAccepted = (s: State, { config, runtime }: Wanted): boolean =>
  s.facts.accepted?.config === config && s.facts.accepted.runtime === runtime;

/**
 * Everything in it is in force: it was acknowledged, or something that was asked for later. Only so
 * many are remembered, so one that is not among them any more needs an acknowledgement since.
 */
const isInForce = ({ facts }: State, target: Target): boolean => {
  const { dataplane: d, asked } = facts;
  if (d.state !== 'up' || d.acked === null) return false;
  const { snapshot, generation } = d.acked;
  if (snapshot === target.snapshot || snapshot === asked.at(-1)?.snapshot) return true;
  if (!asked.some((a) => a.snapshot === target.snapshot)) return generation > target.before;
  target.before = generation;
  return false;
};

/** What the plan of now asks for. */
const targetOf = (s: State, before: number): Target | null =>
  s.plan === null ? null : { snapshot: s.plan.snapshot, before };

/** The outcome, as far as the state tells it; null: not yet. */
const outcomeOf = (s: State, w: Waiting): Outcome | null => {
  const { dataplane: d, config, runtime, refused } = s.facts;
  if (d.state !== 'up') return failed(`the data plane is gone: ${d.reason}`);
  if (config !== w.wanted.config || runtime !== w.wanted.runtime)
    return { ...failed(`the data plane refuses it: ${refused ?? 'unknown'}`), refused: true };
  if (d.rejected !== null && s.facts.accepted === null)
    return { ...failed(`the data plane refuses it: ${d.rejected}`), refused: true };
  if (d.acked === null || !isAccepted(s, w.wanted)) return null;
  if (w.target === null && notConfigured(s).length === 0)
    w.target = targetOf(s, d.acked.generation);
  return w.target !== null && isInForce(s, w.target)
    ? { ok: true, generation: d.acked.generation }
    : null;
};

export const transactions = (o: TransactionsOptions): Transactions => {
  let waiting: Waiting | null = null;
  let queue: Promise<unknown> = Promise.resolve();

  const finish = (outcome: Outcome): void => {
    const w = waiting;
    waiting = null;
    w?.done(outcome);
  };
  const check = (): void => {
    const outcome = waiting === null ? null : outcomeOf(o.state(), waiting);
    if (outcome !== null) finish(outcome);
  };
  const late = (): string => {
    const missing = notConfigured(o.state());
    const who = missing.length === 0 ? 'the data plane has' : `${missing.join(' and ')} have`;
    return `${who} not acknowledged it within ${acknowledgeMs / 1000} s`;
  };

  /** Until what `set` changes is in force, refused, or the time is over. */
  const acknowledgement = (set: () => void): Promise<Outcome> =>
    new Promise((resolve) => {
      set();
      const timer = setTimeout(() => finish(failed(late())), acknowledgeMs);
      const { config, runtime } = o.state().facts;
      waiting = {
        wanted: { config, runtime },
        target: null,
        done: (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        },
      };
      check();
    });

  const write = (runtime: Runtime, commands: readonly unknown[], done: Outcome): Outcome => {
    try {
      o.keep(runtime, commands);
      return done;
    } catch (e) {
      return failed(`it cannot be written down (${String(e)}), so a restart would lose it`);
    }
  };

  const one = async (commands: readonly unknown[]): Promise<Outcome> => {
    const { facts, plan } = o.state();
    if (plan === null) return failed('the controller is still starting; nothing changed');
    const before = facts.runtime;
    if (facts.dataplane.state !== 'up')
      return failed(`the data plane is not connected (${facts.dataplane.reason}); nothing changed`);
    const next = applyCommands(facts.config, before, commands);
    if (!next.ok) return { ok: false, ...next.error };
    const acked = await acknowledgement(() => o.set(next.value));
    const outcome = acked.ok ? write(next.value, commands, acked) : acked;
    // Only what this transaction has set is taken back.
    if (!outcome.ok && o.state().facts.runtime === next.value) o.set(before);
    return outcome;
  };

  const configured = async (set: () => void): Promise<Outcome> => {
    const { dataplane } = o.state().facts;
    if (dataplane.state !== 'up') {
      set();
      const late = `the data plane is not connected (${dataplane.reason})`;
      return { ok: true, generation: 0, late };
    }
    const outcome = await acknowledgement(set);
    if (outcome.ok || outcome.refused === true) return outcome;
    // One that is gone, or slow, will find it; when it refuses it later, it is taken back then.
    return { ok: true, generation: 0, late: outcome.reason };
  };

  const inTurn = (work: () => Promise<Outcome>): Promise<Outcome> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  return {
    run: (commands) => inTurn(() => one(commands)),
    configure: (set) => inTurn(() => configured(set)),
    check,
  };
};
