/**
 * A bounded number of probes on the wire; the rest wait their turn, first come, first served. Each probe that was given
 * its place ends with one result, unless it was cancelled: then with none.
 */
import type { HealthcheckCounters } from './messages.js';
import type { ProbeResult, ProbeSpec } from './types.js';

export interface ProbeCalls {
  readonly started: () => void;
  readonly ended: (r: ProbeResult) => void;
}

/** Begins a probe; the answer ends it early. */
export type BeginProbe = (spec: ProbeSpec, ended: (r: ProbeResult) => void) => () => void;

export interface ProbeQueue {
  /** The answer cancels it, queued or running. */
  readonly add: (spec: ProbeSpec, calls: ProbeCalls) => () => void;
  readonly counters: () => Omit<HealthcheckCounters, 'checkers'>;
}

interface Place {
  readonly spec: ProbeSpec;
  readonly calls: ProbeCalls;
  state: 'queued' | 'running' | 'over';
  stop: (() => void) | null;
}

export function probeQueue(limit: number, begin: BeginProbe): ProbeQueue {
  // A Set keeps the order of arrival and forgets a cancelled one at no cost.
  const queued = new Set<Place>();
  let running = 0;
  const count = { started: 0, ok: 0, failed: 0, inconclusive: 0, paused: 0 };

  const leave = (place: Place): void => {
    if (place.state === 'queued') queued.delete(place);
    if (place.state === 'running') running--;
    place.state = 'over';
  };

  const launch = (place: Place): void => {
    queued.delete(place);
    place.state = 'running';
    running++;
    count.started++;
    place.calls.started();
    place.stop = begin(place.spec, (r) => {
      if (place.state !== 'running') return;
      leave(place);
      count[r.type]++;
      place.calls.ended(r);
      fill();
    });
  };

  const fill = (): void => {
    for (const place of queued) {
      if (running >= limit) return;
      launch(place);
    }
  };

  return {
    add: (spec, calls) => {
      const place: Place = { spec, calls, state: 'queued', stop: null };
      queued.add(place);
      fill();
      return () => {
        const { state, stop } = place;
        leave(place);
        if (state === 'running') stop?.();
        fill();
      };
    },
    counters: () => ({
      probesStarted: count.started,
      probesOk: count.ok,
      probesFailed: count.failed,
      probesInconclusive: count.inconclusive + count.paused,
      probesRunning: running,
      probesQueued: queued.size,
    }),
  };
}
