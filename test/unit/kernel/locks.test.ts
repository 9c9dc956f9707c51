import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { holdersIn, lockHolder } from '../../../src/kernel/io/locks.js';
import { spawnProgram } from '../../support/programs/programs.js';

test('/proc/locks is read by device and inode; other kinds of locks do not count', (t) => {
  const text = [
    '1: POSIX  ADVISORY  WRITE 99 08:01:7 0 EOF',
    '2: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF',
    '2: -> FLOCK  ADVISORY  WRITE 77 00:2f:5678 0 EOF',
    '3: FLOCK  ADVISORY  READ 5 00:2f:9 0 EOF',
    '',
  ].join('\n');
  t.deepEqual([...holdersIn(text)], [['0:47:5678', 1234]]);
});

test('the holder of a lock is the process that flock(1) became, and nobody after it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'locks-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'a.lock');
  t.is(lockHolder(path), null);
  const holder = spawnProgram(['flock', '--no-fork', path, 'sleep', '600'], { stdio: 'ignore' });
  while (lockHolder(path) === null) await new Promise((r) => setTimeout(r, 10));
  t.is(lockHolder(path), holder.pid ?? 0);
  const ended = new Promise((r) => holder.once('exit', r));
  holder.kill('SIGKILL');
  await ended;
  t.is(lockHolder(path), null);
});
