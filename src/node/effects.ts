/** Carries out the effects of the cluster machine; each is one line here and lives elsewhere. */
import type { Effect } from '../cluster/diff.js';
import type { KernelPlan } from '../cluster/plan.js';
import type { Dataplane } from '../dataplane/io.js';
import { unreachable } from '../kernel/machine.js';
import type { ToVrrp } from '../vrrp/messages.js';

export interface Outputs {
  readonly vrrp: (m: ToVrrp) => unknown;
  readonly health: (e: Extract<Effect, { readonly type: 'configureHealth' }>) => void;
  readonly dataplane: Pick<Dataplane, 'setDesired'>;
  readonly kernel: (plan: KernelPlan) => void;
  /** The data plane refused the configuration or the commands; those before are in force again. */
  readonly takenBack: (reason: string) => void;
}

export const performer = (o: Outputs): ((e: Effect) => void) => {
  return (e) => {
    switch (e.type) {
      case 'kernel':
        o.kernel(e.kernel);
        break;
      case 'configureHealth':
        o.health(e);
        break;
      case 'configureVrrp':
        o.vrrp({ ...e, type: 'configure' });
        break;
      case 'serviceable':
        o.vrrp(e);
        break;
      case 'setDesired':
        o.dataplane.setDesired(e.snapshot);
        break;
      case 'takenBack':
        o.takenBack(e.reason);
        break;
      default:
        unreachable(e);
    }
  };
};
