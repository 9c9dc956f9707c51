/**
 * Which process is replaced next after an upgrade: one at a time, and only while all others run, so
 * that a new version that does not come up stops the upgrade at its first process. Pure.
 */
import type { ProcessName } from './privileges.js';

export interface Running {
  readonly name: ProcessName;
  readonly state: 'starting' | 'running' | 'gone';
  /** null: not known yet. */
  readonly version: string | null;
}

export const nextToReplace = (
  all: readonly Running[],
  order: readonly ProcessName[],
  version: string,
): ProcessName | null => {
  if (all.some((p) => p.state !== 'running')) return null;
  const old = (name: ProcessName): boolean =>
    all.some((p) => p.name === name && p.version !== null && p.version !== version);
  return order.find(old) ?? null;
};
