/** One checker that runs: its machine on the clock, its probes in the queue, its verdicts reported. */
import { type Clock, type Driver, drive } from '../kernel/driver.js';
import type { JournalHook } from '../kernel/journal.js';
import { unreachable } from '../kernel/machine.js';
import {
  type CheckerEffect,
  type CheckerInput,
  type CheckerState,
  checker,
  newChecker,
} from './fsm.js';
import type { LogFields, LogLevel } from './messages.js';
import type { ProbeQueue } from './queue.js';
import type { Verdict } from './realserver.js';
import type { CheckerConfig } from './types.js';

export interface RunningChecker {
  readonly key: string;
  readonly driver: Driver<CheckerState, CheckerInput>;
}

export interface CheckerOptions {
  readonly clock: Clock;
  readonly queue: ProbeQueue;
  readonly report: (v: Verdict) => void;
  readonly log: (level: LogLevel, msg: string, fields: LogFields) => void;
  readonly journal: JournalHook<CheckerState, CheckerInput> | null;
}

export function startChecker(
  key: string,
  config: CheckerConfig,
  o: CheckerOptions,
): RunningChecker {
  let cancel: (() => void) | null = null;
  const perform = (e: CheckerEffect): void => {
    switch (e.type) {
      case 'startProbe':
        cancel = o.queue.add(e.probe, {
          started: () => driver.feed({ type: 'probeStarted', id: e.id }),
          ended: (result) => driver.feed({ type: 'probeResult', id: e.id, result }),
        });
        return;
      case 'cancelProbe':
        cancel?.();
        return;
      case 'report': {
        const { up, weightDelta, reason } = e;
        o.report({ up, weightDelta, reason });
        return;
      }
      case 'log':
        o.log(e.level, e.msg, e.fields);
        return;
      default:
        unreachable(e);
    }
  };
  const driver: Driver<CheckerState, CheckerInput> = drive({
    machine: checker,
    initial: newChecker(config),
    clock: o.clock,
    perform,
    ...(o.journal === null ? {} : { journal: o.journal }),
  });
  return { key, driver };
}

export const stopChecker = (c: RunningChecker): void => {
  c.driver.feed({ type: 'shutdown' });
  c.driver.stop();
};
