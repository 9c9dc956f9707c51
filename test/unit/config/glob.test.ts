/** Patterns of include lines, against a naive matcher, and what is not well formed. */
import test from 'ava';
import fc from 'fast-check';
import { alternatives, faultOf, matches } from '../../../src/config/glob.js';
import { normalPath, textSource } from '../../../src/config/text-source.js';

/** By recursion over both texts; exponential, and obviously right. Sets are left out. */
const naive = (p: string, s: string): boolean => {
  if (p === '') return s === '';
  if (p[0] === '*') return naive(p.slice(1), s) || (s !== '' && naive(p, s.slice(1)));
  return s !== '' && (p[0] === '?' || p[0] === s[0]) && naive(p.slice(1), s.slice(1));
};

test('stars and question marks match as the naive matcher says', (t) => {
  const text = (letters: string) =>
    fc.array(fc.constantFrom(...letters), { maxLength: 9 }).map((a) => a.join(''));
  fc.assert(
    fc.property(text('ab*?'), text('ab'), (p, s) => matches(p, s) === naive(p, s)),
    {
      numRuns: 2000,
    },
  );
  t.pass();
});

test('sets: members, ranges, negation, a bracket in the first place', (t) => {
  const hits = (p: string, names: string) => names.split(' ').filter((n) => matches(p, n));
  t.deepEqual(hits('[ab]1', 'a1 b1 c1'), ['a1', 'b1']);
  t.deepEqual(hits('[a-c0]', 'a c d 0'), ['a', 'c', '0']);
  t.deepEqual(hits('[!a-c]', 'a d'), ['d']);
  t.deepEqual(hits('[^a]', 'a d'), ['d']);
  t.deepEqual(hits('[]a]', '] a b'), [']', 'a']);
  t.deepEqual(hits('*.conf', 'x.conf .conf xconf'), ['x.conf']);
  t.deepEqual(hits('.*', '.a a'), ['.a']);
});

test('a pattern that is not well formed has a fault with a name', (t) => {
  t.is(faultOf('conf.d/[abc'), "'[' without ']'");
  t.is(faultOf('[z-a]'), 'the range z-a is backwards');
  t.is(faultOf('[]'), "'[' without ']'");
  for (const p of ['a', '[a-z]*', '{a,b}', 'x(', 'a+b', '\\d']) t.is(faultOf(p), null, p);
});

test('alternatives are written out, nested ones too, and there is a limit', (t) => {
  t.deepEqual(alternatives('{a,b}.conf'), ['a.conf', 'b.conf']);
  t.deepEqual(alternatives('{a{1,2},b}{x,y}'), ['a1x', 'a1y', 'a2x', 'a2y', 'bx', 'by']);
  t.deepEqual(alternatives('{a,b'), ['{a,b']);
  t.is(alternatives('{a,b}'.repeat(40)), null);
});

test('no pattern and no name make it throw or take long', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  fc.assert(
    fc.property(text, text, (p, s) => {
      faultOf(p);
      matches(p, s);
      alternatives(p);
      textSource(new Map([[s, '']])).glob(p, s);
    }),
    { numRuns: 2000 },
  );
  t.false(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(5000)));
});

test('texts in memory are found as files would be', (t) => {
  const s = textSource(new Map(['/etc/k/a.conf', '/etc/k/d/b.conf'].map((p) => [p, p])));
  t.deepEqual(s.glob('*.conf', '/etc/k'), ['/etc/k/a.conf']);
  t.deepEqual(s.glob('../k/./d/*', '/etc/k'), ['/etc/k/d/b.conf']);
  t.deepEqual(s.glob('/etc/*/a.conf', '/'), ['/etc/k/a.conf']);
  t.is(normalPath('/../a//b/./../c'), '/a/c');
});
