/** What a test runner found: how many passed, and each failure with what is known of it. */

export interface Failure {
  readonly title: string;
  readonly detail: string;
}

export interface Tally {
  readonly passed: number;
  readonly failures: readonly Failure[];
}

export const emptyTally: Tally = { passed: 0, failures: [] };

export const add = (a: Tally, b: Tally): Tally => ({
  passed: a.passed + b.passed,
  failures: [...a.failures, ...b.failures],
});

export const failure = (title: string, detail = ''): Tally => ({
  passed: 0,
  failures: [{ title, detail }],
});

/** The line that `npm test` ends with. */
export const closingLine = (t: Tally): string => `${t.passed} passed, ${t.failures.length} failed`;

/** Nothing having run is no success. */
export const exitCode = (t: Tally): number => (t.failures.length === 0 && t.passed > 0 ? 0 : 1);
