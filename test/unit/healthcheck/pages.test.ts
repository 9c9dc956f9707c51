import test from 'ava';
import fc from 'fast-check';
import type { RealServerLevel, VirtualServerLevel } from '../../../src/healthcheck/messages.js';
import { configurePages, joinStates, statePages } from '../../../src/healthcheck/pages.js';
import { realServer, virtualServer } from './samples.js';

const rsLevel = (n: number): RealServerLevel => ({
  vs: 'v',
  rs: `${n}`,
  up: true,
  delta: 0,
  reason: '',
  since: 0,
});
const vsLevel = (n: number): VirtualServerLevel => ({
  vs: `${n}`,
  quorumUp: true,
  liveWeight: 1,
  reason: '',
  since: 0,
});

test('law: pages of states joined are the set, and only the last says that no more come', (t) => {
  fc.assert(
    fc.property(
      fc.nat(40),
      fc.nat(40),
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      (r, v, perPage, whole) => {
        const realServers = Array.from({ length: r }, (_, i) => rsLevel(i));
        const virtualServers = Array.from({ length: v }, (_, i) => vsLevel(i));
        const pages = [...statePages(whole, realServers, virtualServers, perPage)];
        const join = joinStates();
        const joined = pages.map((p) => join(p));
        t.deepEqual(joined.at(-1), {
          type: 'states',
          whole,
          more: false,
          realServers,
          virtualServers,
        });
        t.true(joined.slice(0, -1).every((j) => j === null));
        t.true(pages.every((p) => p.realServers.length + p.virtualServers.length <= perPage));
        t.true(pages.every((p) => p.whole === whole));
      },
    ),
  );
});

test('law: pages of a configuration hold each virtual server once, in order, uncut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(5), { maxLength: 30 }),
      fc.integer({ min: 1, max: 12 }),
      (sizes, perPage) => {
        const all = sizes.map((n, i) => ({
          ...virtualServer,
          id: `vs${i}`,
          realServers: Array.from({ length: n }, (_, j) => ({ ...realServer, id: `rs${j}` })),
        }));
        const pages = [...configurePages(7, true, all, ['gone'], perPage)];
        t.deepEqual(
          pages.flatMap((p) => p.virtualServers),
          all,
        );
        t.deepEqual(
          pages.map((p) => p.more),
          pages.map((_, i) => i < pages.length - 1),
        );
        t.deepEqual(
          pages.flatMap((p) => p.removed),
          ['gone'],
        );
        t.true(pages.every((p) => p.revision === 7 && p.whole));
      },
    ),
  );
});
