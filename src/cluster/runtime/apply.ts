/**
 * A transaction of commands: all of them or none. Pure; what comes in is JSON that nobody has looked at yet. Each command is checked by itself and
 * then the outcome as a whole, so that the data plane has nothing left to refuse.
 */
import type { Config } from '../../config/config.js';
import { err, ok, type Result } from '../../kernel/result.js';
import * as layer3 from './layer3.js';
import { liveOf, shadowedIn } from './merge.js';
import { ownersOf } from './owners.js';
import type { Fields } from './read.js';
import * as services from './services.js';
import {
  type Draft,
  draftOf,
  emptyRuntime,
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

/** An address has one device, whatever it is there for. */
type Live = ReturnType<typeof liveOf>;

const checkDevices = (config: Config, r: Live): void => {
  const owned = ownersOf(config).addresses;
  const at = new Map<string, string>();
  for (const [address, o] of owned) if (o.device !== null) at.set(address, o.device);
  for (const { address, device } of [
    ...r.addresses,
    ...r.services.flatMap((s) => s.localAddresses),
  ]) {
    const before = at.get(address);
    const file = owned.get(address);
    if (before !== undefined && before !== device)
      refuse(
        `${address} is wanted on ${device} and on ${before}${file === undefined ? '' : ` (${file.what}, ${file.where})`}`,
      );
    at.set(address, device);
  }
};

/** A local address's ports are the workers'; a service there would never be reached. */
const checkLocals = (config: Config, r: Live): void => {
  const { localAddressGroups, virtualServers } = config.keepalived;
  const locals = new Set([
    ...localAddressGroups.flatMap((g) => g.addresses.map((a) => a.address)),
    ...r.services.flatMap((s) => s.localAddresses.map((l) => l.address)),
  ]);
  const served = [
    ...r.services.map((s) => s.address),
    ...virtualServers.flatMap((v) => (v.target.kind === 'address' ? [v.target.address] : [])),
  ];
  for (const address of served)
    if (locals.has(address))
      refuse(`${address} cannot be the address of a service and a local address as well`);
};

/** Nothing may be set that would not be in force: done must mean done. */
const checkShadows = (config: Config, before: Runtime, after: Runtime): void => {
  const known = new Set(shadowedIn(config, before).map((s) => s.what));
  const fresh = shadowedIn(config, after).find((s) => !known.has(s.what));
  if (fresh !== undefined) refuse(`${fresh.what}: ${fresh.why}`);
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
    const r = finished(d);
    checkShadows(config, before, r);
    const live = liveOf(config, r);
    checkDevices(config, live);
    checkLocals(config, live);
    return ok(r);
  } catch (e) {
    if (!(e instanceof Refusal)) throw e;
    return err({ index, reason: e.message });
  }
};

/** What was done once, done again from nothing: a command that fits no more is told and left out, the others stay. */
export const applyAgain = (
  config: Config,
  list: readonly unknown[],
  tell: (command: unknown, reason: string) => void,
): Runtime => {
  const d = draftOf(emptyRuntime);
  for (const command of list) {
    try {
      applyOne(config, d, command);
    } catch (e) {
      if (!(e instanceof Refusal)) throw e;
      tell(command, e.message);
    }
  }
  return finished(d);
};
