/**
 * Patterns of include lines (keepalived.md 1.5): `*`, `?`, `[...]` and `{a,b}`. Matching is a pure
 * function in linear-times-length time; a pattern that is not well formed is a value, not an exception.
 */

const mostAlternatives = 4096;

/** Index of the brace that closes the one at `from`, or -1. */
const closing = (s: string, from: number): number => {
  let depth = 0;
  for (let i = from; i < s.length; i++) {
    if (s[i] === '{') depth++;
    else if (s[i] === '}' && --depth === 0) return i;
  }
  return -1;
};

/** Splits at commas outside inner braces. */
const atCommas = (s: string): readonly string[] => {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < s.length; i++) {
    if (s[i] === '{') depth++;
    else if (s[i] === '}') depth--;
    else if (s[i] === ',' && depth === 0) {
      parts.push(s.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, s.slice(from)];
};

/** `{a,b}` written out, nested ones too; null: more than can be meant. */
export const alternatives = (pattern: string): readonly string[] | null => {
  const done: string[] = [];
  const open: string[] = [pattern];
  while (open.length > 0) {
    if (open.length + done.length > mostAlternatives) return null;
    const p = open.pop() ?? '';
    const start = p.indexOf('{');
    const end = start < 0 ? -1 : closing(p, start);
    if (end < 0) done.push(p);
    else {
      const [head, tail] = [p.slice(0, start), p.slice(end + 1)];
      const inner = atCommas(p.slice(start + 1, end)).map((a) => `${head}${a}${tail}`);
      if (inner.length + open.length > mostAlternatives) return null;
      open.push(...inner.reverse());
    }
  }
  return done;
};

export const hasWildcard = (s: string): boolean => /[*?[]/.test(s);

/** End of the set that begins at `from` (its `]`), or -1 when it is not closed. */
const setEnd = (pattern: string, from: number): number => {
  const first = pattern[from + 1] === '!' || pattern[from + 1] === '^' ? from + 2 : from + 1;
  // a ] in the first place is one of the set
  return pattern.indexOf(']', first + 1);
};

/** Why a pattern has no meaning, or null. */
export const faultOf = (pattern: string): string | null => {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== '[') continue;
    const end = setEnd(pattern, i);
    if (end < 0) return "'[' without ']'";
    const set = pattern.slice(i + 1, end);
    for (const [a, b] of [...set.matchAll(/(.)-(.)/gsu)].map((m) => [m[1] ?? '', m[2] ?? '']))
      if ((a ?? '') > (b ?? '')) return `the range ${a}-${b} is backwards`;
    i = end;
  }
  return null;
};

const inSet = (set: string, c: string): boolean => {
  const negated = set.startsWith('!') || set.startsWith('^');
  const body = negated ? set.slice(1) : set;
  let found = false;
  for (let i = 0; i < body.length && !found; i++) {
    const [a, dash, b] = [body[i] ?? '', body[i + 1], body[i + 2]];
    if (dash === '-' && b !== undefined) {
      found = a <= c && c <= b;
      i += 2;
    } else found = a === c;
  }
  return found !== negated;
};

/** Whether the element of the pattern at `p` takes `c`; how long the element is. */
const takes = (
  pattern: string,
  p: number,
  c: string,
): { readonly ok: boolean; readonly length: number } => {
  const x = pattern[p];
  if (x === '?') return { ok: true, length: 1 };
  const end = x === '[' ? setEnd(pattern, p) : -1;
  if (end < 0) return { ok: x === c, length: 1 };
  return { ok: inSet(pattern.slice(p + 1, end), c), length: end - p + 1 };
};

/** Whether a file name matches; at most length times length steps. */
export const matches = (pattern: string, name: string): boolean => {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false;
  let p = 0;
  let n = 0;
  let star = -1;
  let mark = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      mark = n;
      continue;
    }
    const t = p < pattern.length ? takes(pattern, p, name[n] ?? '') : { ok: false, length: 0 };
    if (t.ok) {
      p += t.length;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
};
