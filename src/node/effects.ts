/** Carries out the effects of the cluster machine; each is one line here and lives elsewhere. */
import type { Effect } from '../cluster/diff.js';
import type { KernelPlan } from '../cluster/plan.js';
import type { Dataplane } from '../dataplane/io.js';
import type { Snapshot } from '../dataplane/snapshot.js';
import type { ToHealthcheck } from '../healthcheck/messages.js';
import type { Logger } from '../kernel/io/logger.js';
import { unreachable } from '../kernel/machine.js';
import type { ToVrrp } from '../vrrp/legacy-messages.js';

export interface Outputs {
  readonly vrrp: (m: ToVrrp) => void;
  readonly health: (m: ToHealthcheck) => void;
  readonly dataplane: Pick<Dataplane, 'setDesired' | 'renewLease' | 'garp'>;
  /** Before the data plane learns of it. */
  readonly onDesired: (s: Snapshot) => void;
  readonly kernel: (plan: KernelPlan) => void;
  readonly leaseMs: () => number;
  readonly log: Logger;
}

export const performer = (o: Outputs): ((e: Effect) => void) => {
  let revision = 0;
  return (e) => {
    switch (e.type) {
      case 'kernel':
        o.kernel(e.kernel);
        break;
      case 'configureHealth':
        revision += 1;
        o.health({
          type: 'configure',
          revision,
          whole: true,
          more: false,
          virtualServers: e.virtualServers,
          removed: [],
        });
        break;
      case 'restChecks':
        o.health({ type: 'suspend', virtualServer: e.virtualServer, suspended: e.rest });
        break;
      case 'configureVrrp':
        o.vrrp({
          type: 'configure',
          instances: e.vrrp.instances,
          syncGroups: e.vrrp.syncGroups,
        });
        break;
      case 'lease':
        o.dataplane.renewLease(e.on ? o.leaseMs() : 0);
        break;
      case 'setDesired':
        o.onDesired(e.snapshot);
        o.dataplane.setDesired(e.snapshot);
        break;
      case 'serviceable':
        o.vrrp({ type: 'serviceable', instance: e.instance, ...e.now });
        break;
      case 'vipsTaken':
        o.vrrp({ type: 'vipsTaken', instance: e.instance, generation: e.generation });
        break;
      case 'garp':
        o.dataplane.garp(e.device, e.address, e.repeat);
        break;
      case 'log':
        o.log[e.message.level]({ component: e.source, ...e.message.fields }, e.message.msg);
        break;
      default:
        unreachable(e);
    }
  };
};
