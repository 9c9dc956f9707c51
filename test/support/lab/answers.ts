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

/** From `event` until the end of the first good answer to a request that began after it; null when none came. */
export function outageAfter(answers: readonly Answer[], event: number): number | null {
  const after = answers.filter((a) => isGood(a) && a.begun >= event).map((a) => a.ended);
  return after.length === 0 ? null : Math.min(...after) - event;
}

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
