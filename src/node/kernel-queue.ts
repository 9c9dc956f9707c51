/**
 * Plans for the kernel's addresses and routes, carried out one after the other. What was set last is
 * kept in <run-dir>/kernel.json: what a plan has no more is taken away also when the controller, or
 * the data plane whose interfaces outlive it, was away meanwhile.
 */
import type { KernelPlan } from '../cluster/plan.js';
import { readPlain, writeWhole } from '../kernel/io/files.js';
import type { Logger } from '../kernel/io/logger.js';
import { applyKernelPlan, type RunBatch } from './kernel-addresses.js';

export interface KernelQueue {
  readonly apply: (plan: KernelPlan) => void;
  /** Resolves when everything asked for before is done. */
  readonly settled: () => Promise<void>;
}

const keptAt = (path: string): KernelPlan | null => {
  try {
    const kept = JSON.parse(readPlain(path) ?? 'null') as Partial<KernelPlan> | null;
    return Array.isArray(kept?.addresses) && Array.isArray(kept.routes)
      ? { addresses: kept.addresses, routes: kept.routes }
      : null;
  } catch {
    return null;
  }
};

const both = (a: KernelPlan, b: KernelPlan): KernelPlan => ({
  addresses: [...a.addresses, ...b.addresses],
  routes: [...a.routes, ...b.routes],
});

/** `run` stands for ip(8) in tests. */
export const kernelQueue = (path: string, log: Logger, run?: RunBatch): KernelQueue => {
  let done = keptAt(path);
  const keep = (plan: KernelPlan): void => writeWhole(path, `${JSON.stringify(plan)}\n`);
  let queue: Promise<void> = Promise.resolve();
  const one = async (plan: KernelPlan): Promise<void> => {
    const before = done;
    // A controller that ends in the middle leaves what may be set, not what was set before it.
    if (before !== null) keep(both(before, plan));
    else keep(plan);
    done = plan;
    for (const failure of await applyKernelPlan(plan, before, run)) log.error(failure);
    if (before !== null) keep(plan);
  };
  return {
    apply: (plan) => {
      queue = queue
        .then(() => one(plan))
        .catch((e: unknown) => log.error(`addresses and routes: ${String(e)}`));
    },
    settled: () => queue,
  };
};
