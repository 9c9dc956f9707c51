/** What runs one probe. */
import type { Clock } from '../../kernel/driver.js';
import type { MatchPattern } from '../http.js';
import type { ProbeResult } from '../types.js';

export interface ProbeEnvironment {
  /** Stands still while this process does not run. */
  readonly clock: Clock;
  readonly match: MatchPattern;
}

/** Calls `ended` once, unless it is cancelled by the answer. */
export type RunProbe<Spec> = (
  spec: Spec,
  env: ProbeEnvironment,
  ended: (r: ProbeResult) => void,
) => () => void;
