import test from 'ava';
import fc from 'fast-check';
import { loadAddon, patternCheck, patternOf } from '../../../src/kernel/io/addon.js';

const loaded = loadAddon();
if (typeof loaded === 'string') throw new Error(loaded);
const addon = loaded;

const bytes = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const find = (
  source: string,
  subject: string | Uint8Array,
  more: { options?: readonly string[]; from?: number; to?: number | null } = {},
): number | null | string => {
  const p = patternOf(addon, source, more.options ?? []);
  if (typeof p !== 'function') return p.message;
  const s = typeof subject === 'string' ? bytes(subject) : subject;
  return p(s, more.from ?? 0, more.to ?? null);
};

test('the words of PCRE work: inline options, classes, look-behind, possessives', (t) => {
  t.is(find('(?i)HEALTHY', 'is healthy'), 3);
  t.is(find('\\bup\\b', 'groups up'), 7);
  t.is(find('(?<=status )ok', 'status ok'), 7);
  t.is(find('a++b', 'aaab'), 0);
  t.is(find('\\Aok\\z', 'ok'), 0);
  t.is(find('OK', 'ok', { options: ['caseless'] }), 0);
  t.is(find('^b', 'a\nb'), null);
  t.is(find('^b', 'a\nb', { options: ['multiline'] }), 2);
});

test('a body is searched as bytes', (t) => {
  t.is(find('\\x00\\xff', Uint8Array.of(1, 0, 255)), 1);
  t.is(find('é', Buffer.from('é')), 0);
});

test('what is wrong with a pattern is told with its place', (t) => {
  const check = patternCheck(addon);
  t.is(check('a(b)c', []), null);
  t.deepEqual(check('ab(c', []), { offset: 4, message: 'missing closing parenthesis' });
  t.regex(check('a', ['no_such_option'])?.message ?? '', /no_such_option/);
});

test('every kind of costly search ends soon, with the reason', (t) => {
  const long = 'a'.repeat(256 * 1024);
  for (const [source, subject] of [
    ['(a+)+$', `${'a'.repeat(60)}b`],
    ['(a|aa)+$', `${'a'.repeat(2000)}b`],
    ['a[^c]*c', `${long}b`],
    ['a.*x', `${long}b`],
    ['(.*)(.*)(.*)(.*)x', long],
    ['(((a*)*)*)*b', long],
    ['(?:a?){5000}a{5000}', 'a'.repeat(5000)],
  ] as const) {
    const before = process.cpuUsage();
    const r = find(source, subject);
    const { user } = process.cpuUsage(before);
    t.true(typeof r === 'string' || r === null, `${source}: ${r}`);
    // CPU time, so a busy machine does not matter; 50 ms are allowed and one window more.
    t.true(user < 1_000_000, `${source} took ${user / 1000} ms`);
  }
});

test('law: for simple patterns the first match and its window are what JavaScript finds', (t) => {
  const atom = fc.constantFrom('a', 'b', '[ab]', '.', 'a*', 'b+', '(?:ab)?', 'c');
  fc.assert(
    fc.property(
      fc.array(atom, { minLength: 1, maxLength: 4 }),
      fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), maxLength: 600 }),
      fc.nat(600),
      fc.option(fc.nat(600)),
      (atoms, subject, from, to) => {
        const source = atoms.join('');
        const re = new RegExp(source, 'g');
        re.lastIndex = from;
        const js = from > subject.length ? null : re.exec(subject);
        const expected = js !== null && (to === null || js.index <= to) ? js.index : null;
        t.is(find(source, subject, { from, to }), expected);
      },
    ),
  );
});

test('law: whatever the pattern and the subject, there is an answer', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'a(b)[c]*+?{1,}|^$\\.-xu:<=!'), maxLength: 20 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.subarray(['caseless', 'multiline', 'dotall', 'utf', 'ucp', 'ungreedy', 'extended']),
      (source, subject, options) => {
        const r = find(source, subject, { options });
        t.true(r === null || typeof r === 'string' || (r >= 0 && r <= subject.length));
      },
    ),
    { numRuns: 500 },
  );
});
