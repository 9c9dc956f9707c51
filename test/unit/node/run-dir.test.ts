import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { prepareHealthcheckDir, prepareRunDir, runDir } from '../../../src/node/run-dir.js';

const scratch = (t: { teardown: (f: () => void) => void }): string => {
  const dir = mkdtempSync(join(tmpdir(), 'run-dir-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

test('a run directory is made, and others may only pass through it', (t) => {
  const d = runDir(join(scratch(t), 'a', 'b'));
  t.deepEqual(prepareRunDir(d), { ok: true, value: null });
  t.is(statSync(d.dir).mode & 0o777, 0o711);
  prepareHealthcheckDir(d, null);
  // Its group is root's, which the socket inherits: the controller may connect to it.
  t.is(statSync(d.healthcheckDir).mode & 0o7777, 0o2710);
});

test('one that everybody may write to, a link and a file are refused, with the reason', (t) => {
  const dir = scratch(t);
  const open = join(dir, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  const why = (path: string): string => {
    const r = prepareRunDir(runDir(path));
    return r.ok ? '' : r.error;
  };
  t.regex(why(open), /writable by everybody/);
  const target = join(dir, 'target');
  mkdirSync(target);
  symlinkSync(target, join(dir, 'link'));
  t.regex(why(join(dir, 'link')), /symbolic link/);
  writeFileSync(join(dir, 'file'), '');
  t.regex(why(join(dir, 'file')), /cannot be used|is not a directory/);
  t.regex(why(join(dir, 'x'.repeat(100))), /too long/);
});

test('one that somebody else owns is refused', (t) => {
  let other = '/usr';
  if (process.getuid?.() === 0) {
    other = join(scratch(t), 'other');
    mkdirSync(other);
    chownSync(other, 65_534, 65_534);
  }
  const r = prepareRunDir(runDir(other));
  t.regex(r.ok ? '' : r.error, /belongs to user \d+, not to \d+/);
});
