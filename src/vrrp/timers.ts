/** The intervals of RFC 9568 §6.1 and RFC 3768 §6.1, in milliseconds with their fractions. */

interface Timing {
  readonly version: 2 | 3;
  readonly priority: number;
  readonly downTimerAdverts: number;
}

/**
 * Skew_Time. Version 2 counts it in seconds whatever the interval (RFC 3768 §6.1), version 3 scales it by the active
 * router's interval, so that sub-second intervals keep the order of priorities.
 */
export const skewMs = (t: Timing, activeIntervalMs: number): number =>
  ((256 - t.priority) * (t.version === 2 ? 1000 : activeIntervalMs)) / 256;

/** Active_Down_Interval; the factor 3 of the RFCs is configurable. */
export const activeDownMs = (t: Timing, activeIntervalMs: number): number =>
  t.downTimerAdverts * activeIntervalMs + skewMs(t, activeIntervalMs);
