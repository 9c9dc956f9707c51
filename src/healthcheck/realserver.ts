/**
 * A real server is up only while all its checkers are up. Its weight is the configured one plus what
 * its checkers add. It has no time of its own.
 */

export interface Verdict {
  readonly up: boolean;
  readonly weightDelta: number;
  readonly reason: string;
}

/** Reasons of a server that no checker has had a result for yet. */
export const notChecked = 'not checked yet';
export const asBefore = 'as before the restart, not checked yet';

const isUnchecked = (reason: string): boolean => reason === notChecked || reason === asBefore;

export interface RealServer {
  readonly id: string;
  readonly configuredWeight: number;
  /** By the checker's key; a real server without checkers is always up. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** Why it is as it is. */
  readonly reason: string;
}

/** keepalived's bound: weights are 31 bits wide. */
const maxWeight = 2 ** 31 - 1;

export const isUp = (rs: RealServer): boolean => [...rs.verdicts.values()].every((v) => v.up);

export function weightDelta(rs: RealServer): number {
  let delta = 0;
  for (const v of rs.verdicts.values()) delta += v.weightDelta;
  return delta;
}

/** Weight 0 keeps the server in the set without new connections: that is not down. */
export const effectiveWeight = (rs: RealServer): number =>
  Math.min(Math.max(rs.configuredWeight + weightDelta(rs), 0), maxWeight);

export const liveWeight = (rs: RealServer): number => (isUp(rs) ? effectiveWeight(rs) : 0);

/** Replaces what is configured; verdicts of checkers that are gone no longer count. */
export const withChecks = (
  rs: RealServer,
  configuredWeight: number,
  verdicts: ReadonlyMap<string, Verdict>,
): RealServer => ({ ...rs, configuredWeight, verdicts });

/** A verdict of an unknown checker (one that was removed while its probe ran) changes nothing. */
export function withVerdict(rs: RealServer, checker: string, verdict: Verdict): RealServer {
  if (!rs.verdicts.has(checker)) return rs;
  const next = { ...rs, verdicts: new Map(rs.verdicts).set(checker, verdict) };
  if (isUp(next)) {
    // It is checked when all its checkers have had a result.
    const isPartly = [...next.verdicts.values()].some((v) => isUnchecked(v.reason));
    return isPartly && isUp(rs)
      ? { ...next, reason: rs.reason }
      : { ...next, reason: verdict.reason };
  }
  // While it stays down the oldest reason still standing is shown, else the new one.
  if (!verdict.up)
    return isUp(rs) || isUnchecked(rs.reason) ? { ...next, reason: verdict.reason } : next;
  const standing = [...next.verdicts.values()].find((v) => !v.up);
  return { ...next, reason: standing?.reason ?? verdict.reason };
}
