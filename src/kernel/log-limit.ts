/**
 * Limits lines that a stranger can cause (a forged advert, a lower priority): the first of a kind is
 * logged at once, those that follow within a second are counted and summed up in one line. Pure.
 */
import { after, type Millis } from './machine.js';

const periodMs = 1000;
/** Kinds remembered; a stranger who invents kinds gets one common count for the rest. */
const mostKinds = 1000;
const others = 'others';

interface Kind {
  readonly until: Millis;
  readonly held: number;
}

export interface LimitState {
  readonly kinds: ReadonlyMap<string, Kind>;
}

export const noLimits: LimitState = { kinds: new Map() };

export interface Summary {
  readonly kind: string;
  /** Lines of that kind that were held back. */
  readonly held: number;
}

/** Whether a line of `kind` is logged now; one that is not is counted. */
export const limit = (
  s: LimitState,
  kind: string,
  now: Millis,
): readonly [next: LimitState, logged: boolean] => {
  const key = s.kinds.has(kind) || s.kinds.size < mostKinds ? kind : others;
  const known = s.kinds.get(key);
  const kinds = new Map(s.kinds);
  if (known === undefined) {
    kinds.set(key, { until: after(now, periodMs), held: 0 });
    return [{ kinds }, true];
  }
  kinds.set(key, { until: known.until, held: known.held + 1 });
  return [{ kinds }, false];
};

/** What has been held back and is due; kinds that were quiet for a period are forgotten. */
export const summaries = (
  s: LimitState,
  now: Millis,
): readonly [next: LimitState, due: readonly Summary[]] => {
  const kinds = new Map<string, Kind>();
  const due: Summary[] = [];
  for (const [kind, k] of s.kinds) {
    if (now < k.until) kinds.set(kind, k);
    else if (k.held > 0) {
      due.push({ kind, held: k.held });
      kinds.set(kind, { until: after(now, periodMs), held: 0 });
    }
  }
  return [{ kinds }, due];
};

/** When `summaries` has something to do; null when nothing is remembered. */
export const limitDeadline = (s: LimitState): Millis | null => {
  let first: Millis | null = null;
  for (const { until } of s.kinds.values()) if (first === null || until < first) first = until;
  return first;
};
