/**
 * Which checker of the new configuration is which of the old. First the ones with the very same probe are paired, then
 * the rest by kind and order: a checker whose parameters changed is the same checker asking differently, so a server
 * that was down stays down until it has answered. (keepalived takes such a checker for a new one, and a reload then
 * puts a dead server back.)
 */
import { sameProbe } from './fsm.js';
import type { CheckerConfig } from './types.js';

export interface KnownChecker {
  readonly key: string;
  readonly config: CheckerConfig;
}

export interface Paired {
  readonly key: string;
  readonly config: CheckerConfig;
  /** false: nothing before it. */
  readonly known: boolean;
}

export interface Reconciled {
  readonly checkers: readonly Paired[];
  readonly removed: readonly string[];
}

/** Takes the first of `pool` that fits out of it. */
function take(pool: KnownChecker[], fits: (k: KnownChecker) => boolean): KnownChecker | null {
  const at = pool.findIndex(fits);
  return at < 0 ? null : (pool.splice(at, 1)[0] ?? null);
}

/** `freshKey` names a checker that was not there; it must never repeat a name. */
export function reconcile(
  old: readonly KnownChecker[],
  wanted: readonly CheckerConfig[],
  freshKey: () => string,
): Reconciled {
  const pool = [...old];
  const same = wanted.map((c) => take(pool, (k) => sameProbe(k.config.probe, c.probe)));
  const checkers = wanted.map((config, i): Paired => {
    const match = same[i] ?? take(pool, (k) => k.config.probe.kind === config.probe.kind);
    return { key: match?.key ?? freshKey(), config, known: match !== null };
  });
  return { checkers, removed: pool.map((k) => k.key) };
}
