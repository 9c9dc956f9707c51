/** Plans for the kernel's addresses and routes, carried out one after the other. */
import type { KernelPlan } from '../cluster/plan.js';
import type { Logger } from '../kernel/io/logger.js';
import { applyKernelPlan } from './kernel-addresses.js';

export interface KernelQueue {
  readonly apply: (plan: KernelPlan) => void;
  /** The interfaces may be new ones: the next plan is carried out whole. */
  readonly forget: () => void;
}

export const kernelQueue = (log: Logger): KernelQueue => {
  let done: KernelPlan | null = null;
  let queue: Promise<void> = Promise.resolve();
  const one = async (plan: KernelPlan): Promise<void> => {
    const before = done;
    done = plan;
    for (const failure of await applyKernelPlan(plan, before)) log.error(failure);
  };
  return {
    apply: (plan) => {
      queue = queue
        .then(() => one(plan))
        .catch((e: unknown) => log.error(`addresses and routes: ${String(e)}`));
    },
    forget: () => {
      done = null;
    },
  };
};
