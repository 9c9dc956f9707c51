/**
 * Prepares what the plan of a new configuration needs, in pieces. The plan of 10,000 virtual servers
 * is one step of the machine; made from nothing it would occupy the loop for hundreds of milliseconds.
 * Nothing depends on it: what was not prepared is made when it is needed.
 */
import type { Config } from '../config/config.js';
import { prepareDigest } from '../dataplane/snapshot.js';
import { indexing, indexOf } from './config-index.js';
import type { Facts } from './facts.js';
import { checkersOf } from './health-input.js';
import { ownersOf } from './runtime/owners.js';
import { servicesOf } from './services.js';

/** Each `next` is a piece that takes microseconds. */
export function* warming(config: Config, { health }: Pick<Facts, 'health'>): Generator<undefined> {
  const { virtualServers } = yield* indexing(config);
  for (const x of virtualServers) {
    for (const s of servicesOf({ config, health }, x)) prepareDigest(s);
    for (const { server } of x.servers) checkersOf(x.v, server);
    yield;
  }
  ownersOf(config);
}

/**
 * What the plan needs of virtual servers whose page has come while the set is not complete. The plan
 * that follows the last page then makes only what that page is about.
 */
export const prepareReported = (
  { config, health }: Pick<Facts, 'config' | 'health'>,
  ids: Iterable<string>,
): void => {
  const { virtualServer } = indexOf(config);
  for (const id of ids) {
    const x = virtualServer.get(id);
    if (x !== undefined) for (const s of servicesOf({ config, health }, x)) prepareDigest(s);
  }
};

/** Runs the pieces, and gives the loop back after each few milliseconds of work. */
export const inTurns = (
  pieces: Iterator<undefined>,
  now: () => number,
  defer: (run: () => void) => void = setImmediate,
  turnMs = 10,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const turn = (): void => {
      const until = now() + turnMs;
      try {
        while (now() < until)
          if (pieces.next().done === true) {
            resolve();
            return;
          }
        defer(turn);
      } catch (e) {
        reject(e);
      }
    };
    turn();
  });
