/**
 * What a vrrp process leaves behind for the one that replaces it: configuration, what the controller
 * reported, and which routers were active. It says nothing about time: the leases in the data plane
 * tell whether an active router may go on.
 */
import { parseIpv4 } from '../net/ipv4.js';
import { completeInstance } from './complete.js';
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

const isText = (x: unknown): boolean => typeof x === 'string';
const isIpv4 = (x: unknown): boolean => typeof x === 'string' && parseIpv4(x) !== null;
const isListOf =
  (check: (x: unknown) => boolean) =>
  (x: unknown): boolean =>
    Array.isArray(x) && x.every(check);
const isOneOf =
  (...values: readonly unknown[]) =>
  (x: unknown): boolean =>
    values.includes(x);
const isFrom =
  (least: number, most: number) =>
  (x: unknown): boolean =>
    typeof x === 'number' && x >= least && x <= most;

/** A time or a number of times. */
const isCount = isFrom(0, Number.MAX_SAFE_INTEGER);
const isInterval = isFrom(1, Number.MAX_SAFE_INTEGER);

const isAuthentication = (x: unknown): boolean =>
  isRecord(x) && (x['type'] === 'none' || (x['type'] === 'pass' && isText(x['password'])));
const isVip = (x: unknown): boolean => isRecord(x) && isText(x['device']) && isText(x['address']);

/** Fields that are more than of one kind with their default. */
const special: Readonly<Record<string, (x: unknown) => boolean>> = {
  name: isText,
  interface: isText,
  vrid: isFrom(1, 255),
  addresses: isListOf(isIpv4),
  family: isOneOf('inet', 'inet6'),
  version: isOneOf(2, 3),
  priority: isFrom(1, 255),
  advertMs: isInterval,
  initialState: isOneOf('active', 'backup'),
  preemptDelayMs: isCount,
  downTimerAdverts: isInterval,
  excludedAddresses: isListOf(isText),
  vips: isListOf(isVip),
  leaseMs: isInterval,
  authentication: isAuthentication,
  sourceAddress: (x) => x === null || isIpv4(x),
  multicastGroup: isIpv4,
  unicastPeers: isListOf(isIpv4),
  unicastTtl: isFrom(1, 255),
  garp: (x) => isRecord(x) && Object.keys(instanceDefaults.garp).every((key) => isCount(x[key])),
};

const isInstance = (x: unknown): boolean =>
  isRecord(x) &&
  Object.entries(special).every(([key, check]) => check(x[key])) &&
  Object.entries(instanceDefaults).every(
    ([key, value]) => special[key] !== undefined || typeof value === typeof x[key],
  );

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
  isRecord(x) && isText(x['name']) && isListOf(isText)(x['members']);

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** As a vrrp of another version wrote it; what is no instance stays what it is. */
const completed = (x: unknown): unknown =>
  isRecord(x) && (x['garp'] === undefined || isRecord(x['garp']))
    ? completeInstance(x as unknown as InstanceConfig)
    : x;

/** The saved state, or why it is ignored. */
export const decodeSaved = (text: string, machineBootId: string): Saved | string => {
  const read = parse(text);
  if (!isRecord(read)) return 'it is not JSON';
  const saved = read['instances'];
  const instances = Array.isArray(saved) ? saved.map(completed) : saved;
  const found: Readonly<Record<string, unknown>> = { ...read, instances };
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
