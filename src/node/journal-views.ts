/** The journals of a node, as files of its run directory. */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { JournalView } from '../api/views.js';

const suffix = '.jsonl';

const namesIn = (dir: string): readonly string[] => {
  try {
    return readdirSync(dir).filter((name) => name.endsWith(suffix));
  } catch {
    return [];
  }
};

const sizeOf = (path: string): number => {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
};

/** `vrrp-journal.jsonl`; a plain `journal.jsonl` is of the directory's process, or the controller's. */
const processOf = (dir: string, name: string): string => {
  const own = basename(name, suffix).replace(/-?journal$/, '');
  if (own !== '') return own;
  return basename(dir) === 'healthcheck' ? 'healthcheck' : 'controller';
};

/** Each with the older file that it follows. */
export const journalViews = (dirs: readonly string[]): readonly JournalView[] =>
  dirs.flatMap((dir) =>
    namesIn(dir).map((name) => {
      const path = join(dir, name);
      return {
        process: processOf(dir, name),
        path,
        bytes: sizeOf(path) + sizeOf(`${path}.1`),
        error: null,
      };
    }),
  );
