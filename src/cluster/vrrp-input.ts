/** What the vrrp process is told of the configuration. */
import type { Config } from '../config/config.js';
import type { VrrpInstance } from '../config/keepalived/types.js';
import { type InstanceConfig, instanceDefaults, type SyncGroupConfig } from '../vrrp/messages.js';

/** The DPDK device an instance's addresses live on: dpdk_interface, or the device whose kernel interface carries the adverts. */
export const deviceOf = (config: Config, i: VrrpInstance): string | null =>
  i.dpdkInterface ?? config.dpvs.devices.find((d) => d.kniName === i.interface)?.name ?? null;

const instance = (i: VrrpInstance): InstanceConfig => ({
  ...instanceDefaults,
  name: i.name,
  interface: i.interface,
  vrid: i.vrid,
  version: i.version,
  priority: i.priority,
  advertMs: i.advertMs,
  initialState: i.state === 'MASTER' ? 'active' : 'backup',
  preempt: i.preempt,
  preemptDelayMs: i.preemptDelayMs,
  downTimerAdverts: i.downTimerAdverts,
  addresses: i.virtualAddresses.map((a) => a.address),
  excludedAddresses: i.excludedAddresses.map((a) => a.address),
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

export const vrrpPlan = (config: Config): VrrpPlan => ({
  instances: config.keepalived.vrrpInstances.map(instance),
  syncGroups: config.keepalived.vrrpSyncGroups.map(({ name, members }) => ({ name, members })),
});
