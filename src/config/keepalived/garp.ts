/** Words about gratuitous ARP: in global_defs with the prefix `vrrp_`, in an instance without. */
import { type Draft, integer, type Reader, seconds } from '../values.js';
import type { GarpConfig } from './types.js';

export const garpReaders = <D>(
  prefix: string,
  part: (d: D) => Partial<Draft<GarpConfig>>,
): Readonly<Record<string, Reader<D>>> => ({
  [`${prefix}garp_master_delay`]: seconds(0, 86_400, (d, ms) => {
    part(d).masterDelayMs = ms;
  }),
  [`${prefix}garp_master_repeat`]: (c, n, d) => {
    integer<D>(0, 1000, (draft, x) => {
      part(draft).masterRepeat = x;
      if (x > 0) return;
      const message = 'no gratuitous ARP is sent when the addresses are taken';
      c.report.add('warning', 'KS_CONF_VALUE', n.args[0] ?? n.keyword, message);
    })(c, n, d);
  },
  [`${prefix}garp_master_refresh`]: seconds(0, 86_400, (d, ms) => {
    part(d).refreshMs = ms;
  }),
  [`${prefix}garp_master_refresh_repeat`]: integer(1, 1000, (d, x) => {
    part(d).refreshRepeat = x;
  }),
  [`${prefix}garp_lower_prio_delay`]: seconds(0, 86_400, (d, ms) => {
    part(d).lowerPrioDelayMs = ms;
  }),
  [`${prefix}garp_lower_prio_repeat`]: integer(0, 1000, (d, x) => {
    part(d).lowerPrioRepeat = x;
  }),
});

/**
 * The defaults of all instances. The burst after an advert of lower priority takes the global
 * master's where it has none of its own; vrrp_min_garp makes everything one gratuitous ARP.
 */
export const garpDefaults = (given: Partial<GarpConfig>, minimal: boolean): GarpConfig => {
  const masterDelayMs = given.masterDelayMs ?? (minimal ? 0 : 5000);
  const masterRepeat = given.masterRepeat ?? (minimal ? 1 : 5);
  return {
    masterDelayMs,
    masterRepeat,
    refreshMs: given.refreshMs ?? 0,
    refreshRepeat: given.refreshRepeat ?? 1,
    lowerPrioDelayMs: given.lowerPrioDelayMs ?? masterDelayMs,
    lowerPrioRepeat: given.lowerPrioRepeat ?? masterRepeat,
  };
};
