/**
 * How the machines of the health checks are journalled. A run that finds what was known writes
 * nothing, or 10,000 checks a second would fill the disk: the state of a checker is written again
 * before its next input that changes a verdict, and the replay is exact from there on.
 */
import { type JournalKind, plainKind, type ReplayKind, replayable } from '../kernel/journal.js';
import { type CheckerEffect, type CheckerInput, type CheckerState, checker } from './fsm.js';
import {
  type VirtualServerEffect,
  type VirtualServerInput,
  type VirtualServerState,
  virtualServer,
} from './virtualserver.js';

/** The result says what is known already. */
const isExpected = (
  e: Extract<CheckerInput, { type: 'probeResult' }>,
  s: CheckerState,
): boolean => {
  if (s.tag !== 'probing' || e.id !== s.probe) return true;
  if (e.result.type === 'ok') return s.up && s.weightDelta === e.result.weightDelta;
  return e.result.type === 'paused' || !s.up;
};

const leavesOut: JournalKind<CheckerState, CheckerInput>['leavesOut'] = (e, s) => {
  switch (e.type) {
    case 'tick':
      // The end of a probe that never answered is a failure.
      return s.tag !== 'probing';
    case 'probeStarted':
      return true;
    case 'probeResult':
      return isExpected(e, s);
    default:
      return false;
  }
};

export const checkerKind: ReplayKind<CheckerState, CheckerInput, CheckerEffect> = {
  ...plainKind('checker', checker),
  leavesOut,
};

export const virtualServerKind: ReplayKind<
  VirtualServerState,
  VirtualServerInput,
  VirtualServerEffect
> = plainKind('virtual server', virtualServer);

export const healthcheckKinds = [replayable(checkerKind), replayable(virtualServerKind)] as const;
