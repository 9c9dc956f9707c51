/** A source over texts in memory: a configuration that was kept, or one in a test. */
import type { Source } from './config.js';
import { alternatives, hasWildcard, matches } from './glob.js';

/** `a/./b`, `a//b` and `a/x/../b` as one spelling. */
export const normalPath = (path: string): string => {
  const out: string[] = [];
  const absolute = path.startsWith('/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out.at(-1) !== '..') out.pop();
    else if (!absolute) out.push('..');
  }
  return `${absolute ? '/' : ''}${out.join('/')}` || (absolute ? '/' : '.');
};

const partsMatch = (pattern: string, path: string): boolean => {
  const [p, q] = [pattern.split('/'), path.split('/')];
  return (
    p.length === q.length &&
    p.every((x, i) => (hasWildcard(x) ? matches(x, q[i] ?? '') : x === q[i]))
  );
};

export const textSource = (texts: ReadonlyMap<string, string>): Source => ({
  read: (path) => {
    const text = texts.get(path) ?? texts.get(normalPath(path));
    return text === undefined ? { ok: false, error: 'there is no such file' } : { ok: true, text };
  },
  glob: (pattern, dir) =>
    (alternatives(pattern) ?? []).flatMap((p) => {
      const whole = normalPath(p.startsWith('/') ? p : `${dir}/${p}`);
      return [...texts.keys()].filter((k) => partsMatch(whole, normalPath(k))).sort();
    }),
});
