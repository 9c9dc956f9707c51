/**
 * A loaded configuration in pieces small enough to be handed between threads without a long turn of
 * either loop, and the configuration put together again.
 */
import type { LoadedConfig } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostics.js';
import type { KeepalivedConfig, VirtualServer, VrrpInstance } from '../config/keepalived/types.js';
import { freeze } from '../config/values.js';

export type LoadPart =
  | { readonly type: 'file'; readonly path: string; readonly text: string }
  | { readonly type: 'diagnostics'; readonly list: readonly Diagnostic[] }
  | { readonly type: 'vrrpInstances'; readonly list: readonly VrrpInstance[] }
  | { readonly type: 'virtualServers'; readonly list: readonly VirtualServer[] }
  /** Always the last: everything that is not in a list above; null when there is an error. */
  | {
      readonly type: 'end';
      readonly rest: {
        readonly keepalived: Omit<KeepalivedConfig, 'virtualServers' | 'vrrpInstances'>;
        readonly dpvs: NonNullable<LoadedConfig['config']>['dpvs'];
      } | null;
    };

/** Objects a part may hold; a virtual server counts one and its real servers with it. */
const budget = 500;

function* chunks<T>(list: readonly T[], weight: (t: T) => number): Generator<readonly T[]> {
  let part: T[] = [];
  let sum = 0;
  for (const t of list) {
    const w = weight(t);
    if (part.length > 0 && sum + w > budget) {
      yield part;
      part = [];
      sum = 0;
    }
    part.push(t);
    sum += w;
  }
  if (part.length > 0) yield part;
}

export function* partsOf(loaded: LoadedConfig): Generator<LoadPart> {
  for (const [path, text] of loaded.files) yield { type: 'file', path, text };
  for (const list of chunks(loaded.diagnostics, () => 1)) yield { type: 'diagnostics', list };
  if (loaded.config === null) {
    yield { type: 'end', rest: null };
    return;
  }
  const { keepalived, dpvs } = loaded.config;
  const { virtualServers, vrrpInstances, ...others } = keepalived;
  const addresses = (i: VrrpInstance): number =>
    1 + i.virtualAddresses.length + i.excludedAddresses.length;
  for (const list of chunks(vrrpInstances, addresses)) yield { type: 'vrrpInstances', list };
  for (const list of chunks(virtualServers, (v) => 1 + v.realServers.length))
    yield { type: 'virtualServers', list };
  yield { type: 'end', rest: { keepalived: others, dpvs } };
}

/** Collects parts; the whole configuration after the last one, null before. */
export const assembler = (): ((part: LoadPart) => LoadedConfig | null) => {
  const files = new Map<string, string>();
  const diagnostics: Diagnostic[] = [];
  const vrrpInstances: VrrpInstance[] = [];
  const virtualServers: VirtualServer[] = [];
  return (part) => {
    switch (part.type) {
      case 'file':
        files.set(part.path, part.text);
        return null;
      case 'diagnostics':
        diagnostics.push(...part.list);
        return null;
      case 'vrrpInstances':
        vrrpInstances.push(...freeze(part.list));
        return null;
      case 'virtualServers':
        virtualServers.push(...freeze(part.list));
        return null;
      case 'end': {
        if (part.rest === null) return { config: null, diagnostics, files };
        const { keepalived, dpvs } = freeze(part.rest);
        const whole = {
          ...keepalived,
          vrrpInstances: Object.freeze(vrrpInstances),
          virtualServers: Object.freeze(virtualServers),
        };
        const config = Object.freeze({ keepalived: Object.freeze(whole), dpvs });
        return { config, diagnostics, files };
      }
    }
  };
};
