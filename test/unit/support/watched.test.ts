/** What the kill matrix concludes from what its watchers saw. */
import test from 'ava';
import { lostIn, ownersOf, readSeen, rolesOf, type Seen } from '../../support/matrix/watched.js';

const answer = (at: number, probe: number, mac: string): Seen => ({ at, probe, mac });
const advert = (at: number, source: string, priority = 150): Seen => ({
  at,
  advert: source,
  priority,
});

test('two hardware addresses that answer one probe are two owners, however late the second', (t) => {
  const one = [answer(0, 1, 'a'), answer(50, 2, 'a'), answer(100, 3, 'b')];
  t.deepEqual(ownersOf(one), { dual: 0, dualMs: 0, answered: 3 });
  const two = [...one, answer(30_000, 1, 'b'), answer(30_100, 2, 'b')];
  t.deepEqual(ownersOf(two), { dual: 2, dualMs: 100, answered: 3 });
});

test('the same answer twice is one owner', (t) => {
  t.is(ownersOf([answer(0, 1, 'a'), answer(1, 1, 'a')]).dual, 0);
});

test('a role moves with the first advert of another; priority 0 is a farewell, not an advert', (t) => {
  const seen = [advert(0, 'a'), advert(1000, 'a'), advert(1100, 'a', 0), advert(1700, 'b', 100)];
  t.deepEqual(rolesOf(seen, 0, 'a'), { advertisers: ['a', 'b'], silenceMs: 700, moves: 1 });
  const back = [...seen, advert(2700, 'a')];
  t.is(rolesOf(back, 0, 'a').moves, 2);
});

test('silence counts from the event too', (t) => {
  t.is(rolesOf([advert(4000, 'b')], 500, 'a').silenceMs, 3500);
  t.is(rolesOf([advert(4000, 'b')], 500, 'a').moves, 1);
});

test('lines of the watchers are read, half a line is not', (t) => {
  const seen = readSeen('ready\n{"at":1,"lost":"closed"}\n{"at":2,"alive":30}\n{"at":3,"al');
  t.is(seen.length, 2);
  t.is(lostIn(seen), 1);
});
