/**
 * A transaction of commands: all of them or none. Pure; the input is JSON that nobody has checked yet.
 * Each command is checked by itself and then the outcome as a whole, so that the data plane has
 * nothing left to refuse.
 */
import type { Config } from '../../config/config.js';
import type { ServiceEntry } from '../../dataplane/snapshot.js';
import { err, ok, type Result } from '../../kernel/result.js';
import { type Changes, derived } from '../../kernel/table.js';
import { serviceName } from './identity.js';
import * as layer3 from './layer3.js';
import {
  addressName,
  neighbourName,
  routeName,
  shadowedTimeouts,
  whyNotAddress,
  whyNotDevice,
  whyNotService,
} from './merge.js';
import { ownersOf } from './owners.js';
import type { Fields } from './read.js';
import * as services from './services.js';
import {
  addressesByKey,
  type Draft,
  draftOf,
  emptyRuntime,
  type Finished,
  finished,
  Refusal,
  type Runtime,
  type RuntimeCommand,
  refuse,
} from './types.js';

/** Refuses before it changes anything. */
type Apply = (config: Config, d: Draft, f: Fields) => void;

const commands: Readonly<Record<RuntimeCommand['op'], Apply>> = {
  'service.add': services.addService,
  'service.edit': services.editService,
  'service.delete': services.deleteService,
  'service.clear': services.clearServices,
  'server.add': services.addServer,
  'server.edit': services.editServer,
  'server.delete': services.deleteServer,
  'local.add': services.addLocal,
  'local.delete': services.deleteLocal,
  'timeouts.set': layer3.setTimeouts,
  'address.add': layer3.addAddress,
  'address.set': layer3.setAddress,
  'address.delete': layer3.deleteAddress,
  'address.flush': layer3.flushAddresses,
  'route.add': layer3.addRoute,
  'route.set': layer3.setRoute,
  'route.delete': layer3.deleteRoute,
  'route.flush': layer3.flushRoutes,
  'neighbour.add': layer3.addNeighbour,
  'neighbour.set': layer3.setNeighbour,
  'neighbour.delete': layer3.deleteNeighbour,
};

// ---- the outcome as a whole; only what changed is looked at

const add = <K>(counts: Map<K, number>, key: K, by: number): void => {
  const n = (counts.get(key) ?? 0) + by;
  if (n === 0) counts.delete(key);
  else counts.set(key, n);
};

/** How many services of the runtime name an address, as their own or as a local one of a device. */
interface Uses {
  readonly served: Map<string, number>;
  /** By address, then by device. */
  readonly locals: Map<string, Map<string, number>>;
}

const count = ({ served, locals }: Uses, s: ServiceEntry, by: number): void => {
  add(served, s.address, by);
  for (const { address, device } of s.localAddresses) {
    const devices = locals.get(address) ?? new Map<string, number>();
    locals.set(address, devices);
    add(devices, device, by);
  }
};

const usesOf = derived<ServiceEntry, Uses>(
  (services) => {
    const uses: Uses = { served: new Map(), locals: new Map() };
    for (const s of services) count(uses, s, 1);
    return uses;
  },
  (uses, gone, come) => {
    for (const s of gone) count(uses, s, -1);
    for (const s of come) count(uses, s, 1);
  },
);

/** Addresses of the files: local ones, and those of virtual servers. */
const ofFiles = new WeakMap<Config, { locals: ReadonlySet<string>; served: ReadonlySet<string> }>();

const fileAddresses = (config: Config) => {
  const known = ofFiles.get(config);
  if (known !== undefined) return known;
  const { localAddressGroups, virtualServers } = config.keepalived;
  const made = {
    locals: new Set(localAddressGroups.flatMap((g) => g.addresses.map((a) => a.address))),
    served: new Set(
      virtualServers.flatMap((v) => (v.target.kind === 'address' ? [v.target.address] : [])),
    ),
  };
  ofFiles.set(config, made);
  return made;
};

/** An address has one device, whatever it is there for. */
const checkDevice = (config: Config, done: Finished, address: string, device: string): void => {
  const file = ownersOf(config).addresses.get(address);
  const others = [
    file?.device ?? device,
    addressesByKey(done.runtime.addresses).get(address)?.device ?? device,
    ...(usesOf(done.runtime.services).locals.get(address)?.keys() ?? []),
  ];
  const other = others.find((d) => d !== device);
  if (other !== undefined)
    refuse(
      `${address} is wanted on ${device} and on ${other}${file === undefined ? '' : ` (${file.what}, ${file.where})`}`,
    );
};

/** A local address's ports are the workers'; a service there would never be reached. */
const checkLocals = (config: Config, done: Finished, s: ServiceEntry): void => {
  const { locals, served } = usesOf(done.runtime.services);
  const files = fileAddresses(config);
  const isLocal = (a: string): boolean => files.locals.has(a) || (locals.get(a)?.size ?? 0) > 0;
  const isServed = (a: string): boolean => files.served.has(a) || served.has(a);
  const both = isLocal(s.address)
    ? s.address
    : s.localAddresses.find((l) => isServed(l.address))?.address;
  if (both !== undefined)
    refuse(`${both} cannot be the address of a service and a local address as well`);
};

/** Nothing may be set that would not be in force: done must mean done. */
const checkShadows = <T>(
  { gone, come }: Changes<T>,
  name: (t: T) => string,
  whyNot: (t: T) => string | null,
): readonly T[] => {
  const known = new Set(gone.flatMap((t) => (whyNot(t) === null ? [] : [name(t)])));
  return come.filter((t) => {
    const why = whyNot(t);
    if (why !== null && !known.has(name(t))) refuse(`${name(t)}: ${why}`);
    return why === null;
  });
};

const checkOutcome = (config: Config, before: Runtime, done: Finished): void => {
  const services = checkShadows(done.services, serviceName, (s) => whyNotService(config, s));
  const addresses = checkShadows(done.addresses, addressName, (a) => whyNotAddress(config, a));
  checkShadows(done.routes, routeName, (x) => whyNotDevice(config, x));
  checkShadows(done.neighbours, neighbourName, (n) => whyNotDevice(config, n));
  if (done.runtime.timeouts !== before.timeouts) {
    const known = new Set(shadowedTimeouts(config, before).map((s) => s.what));
    const fresh = shadowedTimeouts(config, done.runtime).find((s) => !known.has(s.what));
    if (fresh !== undefined) refuse(`${fresh.what}: ${fresh.why}`);
  }
  for (const { address, device } of addresses) checkDevice(config, done, address, device);
  for (const s of services) {
    for (const { address, device } of s.localAddresses) checkDevice(config, done, address, device);
    checkLocals(config, done, s);
  }
};

const applyOne = (config: Config, d: Draft, command: unknown): void => {
  const f = layer3.commandFields(command);
  const op = f['op'];
  const apply =
    typeof op === 'string' && Object.hasOwn(commands, op)
      ? commands[op as RuntimeCommand['op']]
      : undefined;
  if (apply === undefined)
    refuse(
      `there is no command ${JSON.stringify(op) ?? ''}; there is ${Object.keys(commands).join(', ')}`,
    );
  else apply(config, d, f);
};

export interface Refused {
  /** Of the command at fault; null: it is about the whole. */
  readonly index: number | null;
  readonly reason: string;
}

export const applyCommands = (
  config: Config,
  before: Runtime,
  list: readonly unknown[],
): Result<Runtime, Refused> => {
  const d = draftOf(before);
  let index: number | null = 0;
  try {
    for (const command of list) {
      applyOne(config, d, command);
      index += 1;
    }
    index = null;
    const done = finished(d);
    checkOutcome(config, before, done);
    return ok(done.runtime);
  } catch (e) {
    if (!(e instanceof Refusal)) throw e;
    return err({ index, reason: e.message });
  }
};

/**
 * Re-applies saved commands to a runtime; commands that no longer validate are reported and skipped.
 */
export const applyAgain = (
  config: Config,
  list: readonly unknown[],
  tell: (command: unknown, reason: string) => void,
  before: Runtime = emptyRuntime,
): Runtime => {
  const d = draftOf(before);
  for (const command of list) {
    try {
      applyOne(config, d, command);
    } catch (e) {
      if (!(e instanceof Refusal)) throw e;
      tell(command, e.message);
    }
  }
  return finished(d).runtime;
};
