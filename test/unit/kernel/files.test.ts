import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readPlain, writeWhole } from '../../../src/kernel/io/files.js';

const scratch = (t: { teardown: (f: () => void) => void }): string => {
  const dir = mkdtempSync(join(tmpdir(), 'files-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

test('a link in the place of a file, or of its successor, is replaced and never written through', (t) => {
  const dir = scratch(t);
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'untouched');
  const path = join(dir, 'pid');
  for (const planted of [path, `${path}.new`]) {
    rmSync(planted, { force: true });
    symlinkSync(victim, planted);
    writeWhole(path, 'whole');
    t.is(readFileSync(victim, 'utf8'), 'untouched');
    t.true(lstatSync(path).isFile());
    t.is(readPlain(path), 'whole');
  }
  t.deepEqual(readdirSync(dir).sort(), ['pid', 'victim']);
});

test('a link is not read, a file that is not there is nothing', (t) => {
  const dir = scratch(t);
  writeFileSync(join(dir, 'secret'), 'x');
  symlinkSync(join(dir, 'secret'), join(dir, 'link'));
  t.throws(() => readPlain(join(dir, 'link')), { code: 'ELOOP' });
  t.is(readPlain(join(dir, 'nothing')), null);
});

test('where nothing can be written the file stays as it was, and nothing is left behind', (t) => {
  const dir = scratch(t);
  t.throws(() => writeWhole(join(dir, 'none', 'file'), 'x'), { code: 'ENOENT' });
  t.deepEqual(readdirSync(dir), []);
});
