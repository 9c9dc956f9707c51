/**
 * One checker: decides when a server is probed and what the results mean. Inputs are commands and
 * probe results; effects are probes to start and the verdict. Time belongs to the driver.
 *
 * keepalived's rules: the first run comes 1 s and a random part of warmup after the start. Until a
 * checker has had its first result, a failure takes the server out at once; later `retry` more tries
 * have to fail, delay_before_retry apart. A server that is down is probed every delay_loop, and one
 * success brings it back.
 *
 * Runs keep their phase: the next one begins a whole number of delay_loops after the last. So the
 * spread given by warmup stays, and a server that dies right after a good run is noticed within
 * delay_loop + connect_timeout.
 *
 * Failures of our own do not count against a server, within bounds: a probe during which this
 * process was paused is repeated at once, and its failure counts after some runs of nothing else; a
 * probe that cannot be made (no local address, no descriptor) leaves the verdict as it is for some
 * runs, and then takes the server out, because nothing is known of it any more.
 */

import { after, type Machine, type Millis, type Step, unreachable } from '../kernel/machine.js';
import { describeFailure, describeFault } from './errors.js';
import type { LogFields, LogLevel } from './messages.js';
import type { CheckerConfig, ProbeResult, ProbeSpec } from './types.js';

interface Known {
  readonly config: CheckerConfig;
  readonly up: boolean;
  /** A result has been seen (or a running data plane vouches for the server): failures are retried. */
  readonly proven: boolean;
  /** A result has been seen and reported: the reason shown is a result's. */
  readonly checked: boolean;
  readonly weightDelta: number;
  /** Runs in a row that could not be made, and why the last of them could not. */
  readonly faults: number;
  readonly faultErrno: string | null;
  /** Runs in a row that ended in a pause of this process. */
  readonly pausedRuns: number;
  /** Number of the next probe; an answer to an older one is stale. */
  readonly nextProbe: number;
}

interface Idle extends Known {
  readonly tag: 'idle';
}
interface Waiting extends Known {
  readonly tag: 'waiting';
  readonly at: Millis;
}
interface Probing extends Known {
  readonly tag: 'probing';
  readonly probe: number;
  /** Where the period is counted from. */
  readonly begunAt: Millis;
  /** null while the probe waits for its place on the wire. */
  readonly givesUpAt: Millis | null;
  /** Failures in a row before this probe. */
  readonly failures: number;
  /** How often this probe was repeated because this process was paused. */
  readonly repeats: number;
}
interface Retrying extends Known {
  readonly tag: 'retrying';
  readonly at: Millis;
  readonly failures: number;
}
interface Suspended extends Known {
  readonly tag: 'suspended';
}

export type CheckerState = Idle | Waiting | Probing | Retrying | Suspended;

/** `random` is uniform in [0, 1): chance is an input. */
export type CheckerInput =
  | { readonly type: 'start'; readonly random: number }
  /** Instead of `start`: the data plane already holds the server as up or down. */
  | { readonly type: 'adopt'; readonly up: boolean; readonly random: number }
  | { readonly type: 'configure'; readonly config: CheckerConfig; readonly random: number }
  | { readonly type: 'suspend' }
  | { readonly type: 'resume'; readonly random: number }
  /** The probe has left the queue. */
  | { readonly type: 'probeStarted'; readonly id: number }
  | { readonly type: 'probeResult'; readonly id: number; readonly result: ProbeResult }
  | { readonly type: 'shutdown' };

export type CheckerEffect =
  | { readonly type: 'startProbe'; readonly id: number; readonly probe: ProbeSpec }
  | { readonly type: 'cancelProbe'; readonly id: number }
  | {
      readonly type: 'report';
      readonly up: boolean;
      readonly weightDelta: number;
      readonly reason: string;
    }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly msg: string;
      readonly fields: LogFields;
    };

type Next = Step<CheckerState, CheckerEffect>;
type Event = CheckerInput | { readonly type: 'tick' };

const firstRunMs = 1000;
/** Over what the exchanges may take by themselves, for the work around them. */
const graceMs = 2000;
/** A process that is paused in each of so many probes in a row leaves it at that until the next run. */
const maxRepeats = 3;
/** So many runs in a row may end so; from then on the failures count. */
const pausedRunsAtMost = 3;
/** Runs in a row that may be impossible before the server is taken out. */
const faultRuns = 3;
/** What comes and goes with the load of the machine is given more time. */
const resourceFaultRuns = 10;
const resourceFaults: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** Floors: no configuration makes this process do nothing but probe one server. */
const minDelayLoopMs = 50;
const minTimeoutMs = 1;

const stay = (s: CheckerState): Next => [s, []];

const known = (s: CheckerState): Known => ({
  config: s.config,
  up: s.up,
  proven: s.proven,
  checked: s.checked,
  weightDelta: s.weightDelta,
  faults: s.faults,
  faultErrno: s.faultErrno,
  pausedRuns: s.pausedRuns,
  nextProbe: s.nextProbe,
});

const floored = (c: CheckerConfig): CheckerConfig =>
  c.delayLoopMs >= minDelayLoopMs && c.probe.timeoutMs >= minTimeoutMs
    ? c
    : {
        ...c,
        delayLoopMs: Math.max(c.delayLoopMs, minDelayLoopMs),
        probe: { ...c.probe, timeoutMs: Math.max(c.probe.timeoutMs, minTimeoutMs) },
      };

/** A new checker counts as up until it has been probed, except with alpha. */
export const newChecker = (config: CheckerConfig): CheckerState => ({
  tag: 'idle',
  config: floored(config),
  up: !config.alpha,
  proven: false,
  checked: false,
  weightDelta: 0,
  faults: 0,
  faultErrno: null,
  pausedRuns: 0,
  nextProbe: 1,
});

/** Times connect_timeout that a probe may take: an HTTP exchange may be silent before each of its three parts. */
const silences = (probe: ProbeSpec): number => ('urls' in probe ? probe.urls.length * 3 : 1);

const becomeWaiting = (k: Known, at: Millis, effects: readonly CheckerEffect[] = []): Next => [
  { ...k, tag: 'waiting', at },
  effects,
];

const becomeFirstWaiting = (k: Known, random: number, now: Millis): Next =>
  becomeWaiting(k, after(now, firstRunMs + random * k.config.warmupMs));

const becomeProbing = (k: Known, failures: number, now: Millis, repeats = 0): Next => [
  {
    ...k,
    tag: 'probing',
    nextProbe: k.nextProbe + 1,
    probe: k.nextProbe,
    begunAt: now,
    givesUpAt: null,
    failures,
    repeats,
  },
  [{ type: 'startProbe', id: k.nextProbe, probe: k.config.probe }],
];

/** The first moment after `now` that is a whole number of periods after `begunAt`. */
function nextRun(begunAt: Millis, periodMs: number, now: Millis): Millis {
  const periods = Math.floor((now - begunAt) / periodMs) + 1;
  const at = begunAt + periods * periodMs;
  // Fractions: the division may round the last period away.
  return after(begunAt, at > now ? periods * periodMs : (periods + 1) * periodMs);
}

const afterRun = (s: Probing, k: Known, now: Millis, effects: readonly CheckerEffect[]): Next =>
  becomeWaiting(k, nextRun(s.begunAt, k.config.delayLoopMs, now), effects);

const noFaults = { faults: 0, faultErrno: null } as const;

function succeeded(s: Probing, weightDelta: number, now: Millis): Next {
  const kind = s.config.probe.kind;
  const k = { ...known(s), ...noFaults, up: true, proven: true, checked: true, weightDelta };
  const same = s.up && s.weightDelta === weightDelta;
  if (same && s.checked) return afterRun(s, k, now, []);
  const reason = same || !s.up ? `${kind} success` : `${kind} changed the weight by ${weightDelta}`;
  return afterRun(s, k, now, [
    { type: 'log', level: same ? 'debug' : 'info', msg: reason, fields: {} },
    { type: 'report', up: true, weightDelta, reason },
  ]);
}

function failed(s: Probing, why: string, now: Millis): Next {
  const { config } = s;
  const kind = config.probe.kind;
  const failures = s.failures + 1;
  const each: CheckerEffect = {
    type: 'log',
    level: 'info',
    msg: `${kind} failed: ${why}`,
    fields: { failures },
  };
  const logged = config.logAllFailures ? [each] : [];
  const k = { ...known(s), ...noFaults };
  if (!s.up && s.checked) return afterRun(s, k, now, logged);
  if (s.up && s.proven && failures <= config.retry)
    return [{ ...k, tag: 'retrying', at: after(now, config.delayBeforeRetryMs), failures }, logged];
  const retries = failures - 1;
  const tries = retries === 0 ? '' : ` after ${retries} ${retries === 1 ? 'retry' : 'retries'}`;
  const reason = `${kind} failed${tries}: ${why}`;
  return afterRun(s, { ...k, up: false, proven: true, checked: true }, now, [
    ...logged,
    { type: 'log', level: 'warn', msg: reason, fields: { failures } },
    { type: 'report', up: false, weightDelta: s.weightDelta, reason },
  ]);
}

/** The probe could not be made. Logged once for each reason, not at each run. */
function impossible(s: Probing, errno: string, now: Millis): Next {
  const kind = s.config.probe.kind;
  const faults = s.faults + 1;
  const k = { ...known(s), faults, faultErrno: errno };
  const why = describeFault(errno, s.config.probe.endpoint);
  const log = (msg: string): CheckerEffect => ({
    type: 'log',
    level: 'warn',
    msg,
    fields: { errno },
  });
  const logs = s.faultErrno === errno ? [] : [log(`${kind} cannot be made: ${why}`)];
  const patience = resourceFaults.has(errno) ? resourceFaultRuns : faultRuns;
  if (!s.up || faults < patience) return afterRun(s, k, now, logs);
  const reason = `${kind} could not be made ${faults} times: ${why}`;
  return afterRun(s, { ...k, up: false, proven: true, checked: true }, now, [
    ...logs,
    log(reason),
    { type: 'report', up: false, weightDelta: s.weightDelta, reason },
  ]);
}

/** A failure that may be our own: repeated at once, then left to the next run, within bounds. */
function paused(s: Probing, why: string, now: Millis): Next {
  if (s.pausedRuns >= pausedRunsAtMost) return failed(s, why, now);
  if (s.repeats < maxRepeats) return becomeProbing(known(s), s.failures, now, s.repeats + 1);
  return afterRun(s, { ...known(s), pausedRuns: s.pausedRuns + 1 }, now, []);
}

/** The server's own word ends what was put down to pauses. */
const heard = (s: Probing): Probing => (s.pausedRuns === 0 ? s : { ...s, pausedRuns: 0 });

function concluded(s: Probing, result: ProbeResult, now: Millis): Next {
  switch (result.type) {
    case 'ok':
      return succeeded(heard(s), result.weightDelta, now);
    case 'failed':
      return failed(heard(s), describeFailure(result.failure, result.where), now);
    case 'inconclusive':
      return impossible(s, result.errno, now);
    case 'paused':
      return paused(s, describeFailure(result.failure, result.where), now);
    default:
      return unreachable(result);
  }
}

const probing = (s: Probing, e: Event, now: Millis): Next => {
  if (e.type === 'probeStarted' && e.id === s.probe) {
    const budgetMs = s.config.probe.timeoutMs * silences(s.config.probe) + graceMs;
    return stay({ ...s, givesUpAt: after(now, budgetMs) });
  }
  if (e.type === 'probeResult' && e.id === s.probe) return concluded(s, e.result, now);
  if (e.type === 'tick' && s.givesUpAt !== null && now >= s.givesUpAt) {
    const [next, effects] = failed(s, 'no answer from the probe', now);
    return [next, [{ type: 'cancelProbe', id: s.probe }, ...effects]];
  }
  return stay(s);
};

const cancelled = (s: CheckerState): readonly CheckerEffect[] =>
  s.tag === 'probing' ? [{ type: 'cancelProbe', id: s.probe }] : [];

/** JSON is canonical here: both sides were written by the same code in the same order. */
export const sameProbe = (a: ProbeSpec, b: ProbeSpec): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** A changed probe is run soon; changed times hold from now on, and no wait outlasts the new delay_loop. */
function configured(s: CheckerState, wanted: CheckerConfig, random: number, now: Millis): Next {
  const config = floored(wanted);
  const next = { ...s, config };
  if (s.tag === 'idle' || s.tag === 'suspended') return stay(next);
  if (!sameProbe(s.config.probe, config.probe))
    return becomeWaiting(
      known(next),
      after(now, random * Math.min(config.delayLoopMs, firstRunMs)),
      cancelled(s),
    );
  if (next.tag === 'waiting' && s.config.delayLoopMs !== config.delayLoopMs)
    return stay({ ...next, at: earlier(next.at, after(now, random * config.delayLoopMs)) });
  return stay(next);
}

const earlier = (a: Millis, b: Millis): Millis => (a < b ? a : b);

/** Inputs that mean the same in every state; null leaves the event to the state. */
function commanded(s: CheckerState, e: Event, now: Millis): Next | null {
  switch (e.type) {
    case 'configure':
      return configured(s, e.config, e.random, now);
    case 'suspend':
      return [{ ...known(s), tag: 'suspended' }, cancelled(s)];
    case 'shutdown':
      return [{ ...known(s), tag: 'idle' }, cancelled(s)];
    case 'start':
      return s.tag === 'idle' ? becomeFirstWaiting(known(s), e.random, now) : stay(s);
    case 'adopt':
      return s.tag === 'idle'
        ? becomeFirstWaiting({ ...known(s), up: e.up, proven: true }, e.random, now)
        : stay(s);
    case 'resume':
      return s.tag === 'suspended' ? becomeFirstWaiting(known(s), e.random, now) : stay(s);
    case 'tick':
    case 'probeStarted':
    case 'probeResult':
      return null;
    default:
      return unreachable(e);
  }
}

function inState(s: CheckerState, e: Event, now: Millis): Next {
  switch (s.tag) {
    case 'idle':
    case 'suspended':
      return stay(s);
    case 'waiting':
      return e.type === 'tick' && now >= s.at ? becomeProbing(known(s), 0, now) : stay(s);
    case 'retrying':
      return e.type === 'tick' && now >= s.at ? becomeProbing(known(s), s.failures, now) : stay(s);
    case 'probing':
      return probing(s, e, now);
    default:
      return unreachable(s);
  }
}

function deadline(s: CheckerState): Millis | null {
  switch (s.tag) {
    case 'waiting':
    case 'retrying':
      return s.at;
    case 'probing':
      return s.givesUpAt;
    case 'idle':
    case 'suspended':
      return null;
    default:
      return unreachable(s);
  }
}

export const checker: Machine<CheckerState, CheckerInput, CheckerEffect> = {
  deadline,
  step: (s, e, now) => commanded(s, e, now) ?? inState(s, e, now),
};
