/** The configuration as the vrrp process gets it. */
import type { Config } from '../config/config.js';
import { type InstanceConfig, instanceDefaults, type SyncGroupConfig } from '../vrrp/messages.js';
import { familyOf, type IndexedInstance, indexOf, routerIdOf } from './config-index.js';

const instance = (config: Config, { instance: i, vips }: IndexedInstance): InstanceConfig => ({
  ...instanceDefaults,
  name: i.name,
  interface: i.interface,
  vrid: i.vrid,
  family: familyOf(i),
  version: i.version,
  priority: i.priority,
  advertMs: i.advertMs,
  initialState: i.state === 'MASTER' ? 'active' : 'backup',
  preempt: i.preempt,
  preemptDelayMs: i.preemptDelayMs,
  downTimerAdverts: i.downTimerAdverts,
  addresses: i.virtualAddresses.map((a) => a.address),
  excludedAddresses: i.excludedAddresses.map((a) => a.address),
  vips: vips.map(({ device, address }) => ({ device, address })),
  leaseMs: config.dpvs.vipLeaseMs,
  authentication:
    i.authentication.type === 'pass'
      ? { type: 'pass', password: i.authentication.password }
      : { type: 'none' },
  sourceAddress: i.sourceAddress,
  multicastGroup: i.multicastGroup,
  unicastPeers: i.unicastPeers,
  unicastTtl: i.unicastTtl,
  checkUnicastSource: i.checkUnicastSource,
  lowerPrioNoAdvert: i.lowerPrioNoAdvert,
  higherPrioSendAdvert: i.higherPrioSendAdvert,
  skipCheckAdvertAddresses: i.skipCheckAdvertAddresses,
  v3ChecksumAsV2: i.v3ChecksumAsV2,
  dontTrackPrimary: i.dontTrackPrimary,
  garp: {
    repeat: i.garp.masterRepeat,
    delayMs: i.garp.masterDelayMs,
    refreshMs: i.garp.refreshMs,
    refreshRepeat: i.garp.refreshRepeat,
    lowerPrioRepeat: i.garp.lowerPrioRepeat,
    lowerPrioDelayMs: i.garp.lowerPrioDelayMs,
  },
});

export interface VrrpPlan {
  readonly instances: readonly InstanceConfig[];
  readonly syncGroups: readonly SyncGroupConfig[];
}

export const vrrpPlan = (config: Config): VrrpPlan => {
  const { vrrpInstances, vrrpSyncGroups } = config.keepalived;
  const ids = new Map(vrrpInstances.map((i) => [i.name, routerIdOf(i)]));
  return {
    instances: [...indexOf(config).routers.values()].map((x) => instance(config, x)),
    syncGroups: vrrpSyncGroups.map(({ name, members }) => ({
      name,
      members: members.flatMap((m) => ids.get(m) ?? []),
    })),
  };
};
