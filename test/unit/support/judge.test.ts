/** What the kill matrix allows, and what it does not. */
import test from 'ava';
import { type Case, pauses, shortMatrix } from '../../support/matrix/cases.js';
import { type Figures, lawsBroken, replaced, tooDear } from '../../support/matrix/judge.js';

const named = (name: string): Case => {
  const found = shortMatrix.find((c) => c.name === name);
  if (found === undefined) throw new RangeError(name);
  return found;
};
const figures: Figures = {
  name: 'x',
  gapMs: 100,
  failed: 0,
  requests: 100,
  lost: 0,
  moves: 0,
  silenceMs: 1000,
  dual: 0,
  dualMs: 0,
};

test('who was not hit keeps its pid, who was killed has another', (t) => {
  const before = new Map([
    ['supervisor of a', 1],
    ['vrrp of a', 2],
    ['vrrp of b', 3],
  ]);
  const after = (change: Record<string, number>) =>
    new Map([...before].map(([who, pid]) => [who, change[who] ?? pid]));
  const c = named('KILL supervisor active');
  t.deepEqual(replaced(c, before, after({ 'supervisor of a': 9 }), true), []);
  t.deepEqual(replaced(c, before, after({ 'supervisor of a': 9, 'vrrp of a': 8 }), false), [
    'vrrp of a was replaced',
  ]);
  t.deepEqual(replaced(c, before, after({}), true), ['supervisor of a survived SIGKILL']);
  const stopped = replaced(named('STOP 1.5 vrrp active'), before, after({ 'vrrp of a': 8 }), true);
  t.deepEqual(stopped, ['vrrp of a was replaced after a short stop']);
  const long = named('STOP 12 vrrp active');
  t.deepEqual(replaced(long, before, after({ 'vrrp of a': 8 }), true), []);
  const [, all] = pauses;
  if (all === undefined) throw new RangeError('no pause');
  t.is(replaced(all, before, after({ 'vrrp of a': 8 }), false).length, 1);
});

test('moves and losses are bounded: there and back, and each connection once a move', (t) => {
  const c = named('STOP 12 vrrp active');
  t.deepEqual(tooDear(c, { ...figures, moves: 2, lost: 60 }, true, true), []);
  t.is(tooDear(c, { ...figures, moves: 3, lost: 60 }, true, true).length, 1);
  t.is(tooDear(c, { ...figures, moves: 1, lost: 31 }, true, true).length, 1);
  const none = named('KILL controller active');
  t.deepEqual(tooDear(none, figures, false, true), []);
  t.is(tooDear(none, { ...figures, moves: 1 }, true, true).length, 2);
  t.is(tooDear(none, { ...figures, lost: 1 }, false, false).length, 1);
});

test('two owners, and a move without silence, are wrong on any machine', (t) => {
  const seen = { ...figures, wrong: 0, answered: 50, moved: false };
  t.deepEqual(lawsBroken(seen), []);
  t.is(lawsBroken({ ...seen, dual: 1 }).length, 1);
  t.is(lawsBroken({ ...seen, moved: true, silenceMs: 2000 }).length, 1);
  t.is(lawsBroken({ ...seen, answered: 0 }).length, 1);
});
