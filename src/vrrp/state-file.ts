/**
 * What a vrrp process leaves behind for the one that replaces it: configuration, what the controller
 * reported, and which routers were active. It says nothing about time: the leases in the data plane
 * tell whether an active router may go on.
 */
import type { RouterId } from './identity.js';
import { type InstanceConfig, instanceDefaults, type SyncGroupConfig } from './messages.js';
import type { Service } from './state.js';

const format = 1;

export interface SavedRouter {
  readonly id: RouterId;
  readonly wasActive: boolean;
  /** Wall clock of its last transition, ms. */
  readonly since: number;
  readonly delta: number;
  readonly service: Service | null;
}

export interface Saved {
  readonly revision: number;
  readonly instances: readonly InstanceConfig[];
  readonly syncGroups: readonly SyncGroupConfig[];
  readonly routers: readonly SavedRouter[];
}

/** `machineBootId`: /proc/sys/kernel/random/boot_id; the file is of no use after a reboot. */
export const encodeSaved = (saved: Saved, machineBootId: string): string =>
  `${JSON.stringify({ format, machineBootId, ...saved })}\n`;

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);

/** As the default of the same name; null stands for a text that may be missing. */
const isLike = (value: unknown, found: unknown): boolean => {
  if (value === null) return found === null || typeof found === 'string';
  return typeof value === typeof found && Array.isArray(value) === Array.isArray(found);
};

const isInstance = (x: unknown): boolean =>
  isRecord(x) &&
  typeof x['name'] === 'string' &&
  typeof x['interface'] === 'string' &&
  typeof x['vrid'] === 'number' &&
  Array.isArray(x['addresses']) &&
  Object.entries(instanceDefaults).every(([key, value]) => isLike(value, x[key]));

const isRouter = (x: unknown): boolean =>
  isRecord(x) &&
  typeof x['id'] === 'string' &&
  typeof x['wasActive'] === 'boolean' &&
  typeof x['since'] === 'number' &&
  typeof x['delta'] === 'number' &&
  (x['service'] === null ||
    (isRecord(x['service']) &&
      typeof x['service']['bootId'] === 'string' &&
      typeof x['service']['ok'] === 'boolean' &&
      typeof x['service']['reason'] === 'string'));

const isGroup = (x: unknown): boolean =>
  isRecord(x) && typeof x['name'] === 'string' && Array.isArray(x['members']);

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** The saved state, or why it is ignored. */
export const decodeSaved = (text: string, machineBootId: string): Saved | string => {
  const found = parse(text);
  if (!isRecord(found)) return 'it is not JSON';
  if (found['format'] !== format) return `its format is ${String(found['format'])}, not ${format}`;
  if (found['machineBootId'] !== machineBootId) return 'it is from before the last boot';
  const lists: readonly (readonly [string, (x: unknown) => boolean])[] = [
    ['instances', isInstance],
    ['syncGroups', isGroup],
    ['routers', isRouter],
  ];
  for (const [name, check] of lists) {
    const list = found[name];
    if (!Array.isArray(list) || !list.every(check)) return `its ${name} are not complete`;
  }
  if (typeof found['revision'] !== 'number') return 'it has no revision';
  return found as unknown as Saved;
};
