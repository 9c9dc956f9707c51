/** Configuration files on the file system. */
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Source } from './config.js';

const read: Source['read'] = (path) => {
  try {
    if (!statSync(path).isFile()) return { ok: false, error: 'it is not a regular file' };
    accessSync(path, constants.R_OK);
    return { ok: true, text: readFileSync(path, 'utf8') };
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EACCES: 'permission denied',
    };
    return { ok: false, error: why[code ?? ''] ?? (e instanceof Error ? e.message : String(e)) };
  }
};

/** `{a,b}` alternatives, not nested. */
const alternatives = (pattern: string): readonly string[] => {
  const m = /^(.*?)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (m === null) return [pattern];
  const [head, list, tail] = [m[1] ?? '', m[2] ?? '', m[3] ?? ''];
  return list.split(',').flatMap((a) => alternatives(`${head}${a}${tail}`));
};

const hasWildcard = (s: string): boolean => /[*?[]/.test(s);

const matcher = (part: string): RegExp => {
  const source = part.replace(/\[!/g, '[^').replace(/[.+()|$\\]/g, '\\$&');
  return new RegExp(`^${source.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
};

/** Names starting with a dot are matched by a pattern that does so, too. */
const expand = (dir: string, parts: readonly string[]): readonly string[] => {
  const [part, ...rest] = parts;
  if (part === undefined) return [dir];
  if (!hasWildcard(part)) return expand(join(dir, part), rest);
  const pattern = matcher(part);
  try {
    return readdirSync(dir)
      .filter((n) => pattern.test(n) && (part.startsWith('.') || !n.startsWith('.')))
      .sort()
      .flatMap((n) => expand(join(dir, n), rest));
  } catch {
    return [];
  }
};

const isThere = (path: string): boolean => {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

export const fileSource: Source = {
  read,
  glob: (pattern, dir) =>
    alternatives(pattern)
      .flatMap((p) => {
        const parts = p.split('/').filter((s) => s !== '');
        return expand(isAbsolute(p) ? '/' : dir, parts);
      })
      .filter(isThere),
};
