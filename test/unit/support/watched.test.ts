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
  t.deepEqual(ownersOf(one), { dual: 0, dualMs: 0, answered: 3, moves: 1 });
  const two = [...one, answer(30_000, 1, 'b'), answer(30_100, 2, 'b')];
  t.deepEqual(ownersOf(two), { dual: 2, dualMs: 100, answered: 3, moves: 0 });
});

test('the same answer twice is one owner', (t) => {
  t.is(ownersOf([answer(0, 1, 'a'), answer(1, 1, 'a')]).dual, 0);
});

test('an address moves when another answers than before; silence and two owners do not count', (t) => {
  const before = [answer(-50, 0, 'a')];
  t.is(ownersOf([answer(0, 1, 'a')], before).moves, 0);
  t.is(ownersOf([answer(4000, 90, 'b')], before).moves, 1);
  const back = [answer(4000, 90, 'b'), answer(8000, 170, 'a'), answer(8050, 171, 'a')];
  t.is(ownersOf(back, before).moves, 2);
  const contested = [answer(0, 1, 'a'), answer(1, 1, 'b'), answer(50, 2, 'a')];
  t.is(ownersOf(contested, before).moves, 0);
  // An answer that comes late belongs to its probe.
  t.is(ownersOf([answer(4000, 90, 'b'), answer(4001, 20, 'a')], before).moves, 1);
});

test('a role moves with the first advert of another; priority 0 is a farewell, not an advert', (t) => {
  const seen = [advert(0, 'a'), advert(1000, 'a'), advert(1100, 'a', 0)];
  t.deepEqual(rolesOf(seen, 0, 'a'), { moved: false, silenceMs: 1000 });
  const moved = [...seen, advert(1700, 'b', 100), advert(9000, 'a')];
  t.deepEqual(rolesOf(moved, 0, 'a'), { moved: true, silenceMs: 700 });
});

test('silence counts from the last advert, of which the event may be later, or from the event', (t) => {
  const before = [advert(100, 'a'), advert(300, 'b', 100), advert(400, 'a', 0)];
  t.is(rolesOf([advert(4000, 'b')], 500, 'a', before).silenceMs, 3900);
  t.deepEqual(rolesOf([advert(4000, 'b')], 500, 'a'), { moved: true, silenceMs: 3500 });
});

test('lines of the watchers are read, half a line is not', (t) => {
  const seen = readSeen('ready\n{"at":1,"lost":"closed"}\n{"at":2,"alive":30}\n{"at":3,"al');
  t.is(seen.length, 2);
  t.is(lostIn(seen), 1);
});
