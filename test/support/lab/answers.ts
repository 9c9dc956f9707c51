/** What a client saw, and what can be said about a stretch of it. Pure. */

export interface Answer {
  /** When the request began and when its result was known, milliseconds since the epoch. */
  readonly begun: number;
  readonly ended: number;
  /** Who answered; null when nobody did. */
  readonly server: string | null;
  /** Why nobody did; null when somebody did. */
  readonly error: string | null;
  /** An answer that came but was not the one to this request: must never be. */
  readonly wrong: string | null;
}

const isGood = (a: Answer): boolean => a.server !== null && a.wrong === null;

export interface Summary {
  readonly requests: number;
  readonly good: number;
  readonly errors: number;
  readonly wrong: number;
  readonly perServer: Readonly<Record<string, number>>;
  readonly errorKinds: Readonly<Record<string, number>>;
  readonly medianMs: number;
  readonly p99Ms: number;
}

const countBy = (names: readonly string[]): Readonly<Record<string, number>> => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
};

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

export function summarise(answers: readonly Answer[]): Summary {
  const good = answers.filter(isGood);
  const times = good.map((a) => a.ended - a.begun).sort((a, b) => a - b);
  return {
    requests: answers.length,
    good: good.length,
    errors: answers.filter((a) => a.error !== null).length,
    wrong: answers.filter((a) => a.wrong !== null).length,
    perServer: countBy(good.flatMap((a) => (a.server === null ? [] : [a.server]))),
    errorKinds: countBy(answers.flatMap((a) => (a.error === null ? [] : [a.error]))),
    medianMs: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  };
}

/** Something that was done to the network: not begun before `begun`, complete at `done`. */
export interface Event {
  readonly begun: number;
  readonly done: number;
}

/** Two good answers with none between them. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly ms: number;
}

/**
 * The outage that an event caused: the longest gap between good answers from the last one before the event until the
 * first one to a request that began when the event was complete. An answer in between may still come from what is being
 * killed, so it does not end the outage. Null while there is no such first answer.
 */
export function outageOf(answers: readonly Answer[], event: Event): Gap | null {
  const good = answers.filter(isGood);
  const after = good.filter((a) => a.begun >= event.done).map((a) => a.ended);
  if (after.length === 0) return null;
  const end = Math.min(...after);
  const before = good.filter((a) => a.ended < event.begun).map((a) => a.ended);
  const start = before.length === 0 ? event.begun : Math.max(...before);
  const ends = good.map((a) => a.ended).filter((at) => at > start && at < end);
  let gap: Gap = { from: start, to: start, ms: 0 };
  let last = start;
  for (const at of [...ends.sort((a, b) => a - b), end]) {
    if (at - last > gap.ms) gap = { from: last, to: at, ms: at - last };
    last = at;
  }
  return gap;
}

/** Failed requests that were not under way during the gap: then either the gap is measured wrongly or it was not alone. */
export const failedOutside = (answers: readonly Answer[], gap: Gap): readonly Answer[] =>
  answers.filter((a) => a.error !== null && (a.ended < gap.from || a.begun > gap.to));

/** The longest time between `from` and `to` in which no good answer arrived. */
export function longestGap(answers: readonly Answer[], from: number, to: number): number {
  const ends = answers
    .filter((a) => isGood(a) && a.ended >= from && a.ended <= to)
    .map((a) => a.ended)
    .sort((a, b) => a - b);
  let last = from;
  let longest = 0;
  for (const end of [...ends, to]) {
    longest = Math.max(longest, end - last);
    last = end;
  }
  return longest;
}
