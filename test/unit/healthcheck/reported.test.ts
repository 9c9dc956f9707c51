import test from 'ava';
import fc from 'fast-check';
import { isFromHealthcheck } from '../../../src/healthcheck/reported.js';

const states = {
  type: 'states',
  whole: true,
  more: false,
  realServers: [{ vs: 'v', rs: 'r', up: true, delta: -1, reason: 'start', since: 1 }],
  virtualServers: [{ vs: 'v', quorumUp: true, liveWeight: 3, reason: 'start', since: 1 }],
};

test('what the health checks send passes', (t) => {
  t.true(isFromHealthcheck(states));
  t.true(isFromHealthcheck({ type: 'configured', revision: 1 } as { type: string }));
});

test('anything else does not, wherever in a report it stands', (t) => {
  const [server] = states.realServers;
  const wrong: readonly { type: string }[] = [
    { type: 'constructor' },
    { type: 'states' },
    { ...states, realServers: {} } as never,
    { ...states, realServers: [null] } as never,
    { ...states, realServers: [{ ...server, delta: '1' }] } as never,
    { ...states, realServers: [{ ...server, vs: 'x'.repeat(5000) }] } as never,
    { ...states, whole: 1 } as never,
    { type: 'configured', revision: null } as never,
  ];
  for (const m of wrong) t.false(isFromHealthcheck(m), JSON.stringify(m).slice(0, 80));
  fc.assert(
    fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (type, fields) => {
      const m = { ...fields, type };
      return typeof isFromHealthcheck(m) === 'boolean';
    }),
  );
});
