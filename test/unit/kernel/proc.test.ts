import { closeSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  findOpener,
  idOf,
  idText,
  isRunning,
  processId,
  signalProcess,
  startedAt,
} from '../../../src/kernel/io/proc.js';
import { spawnProgram } from '../../support/programs/programs.js';

test('a process is known by its pid and the time of its start', (t) => {
  const self = processId(process.pid);
  if (self === null) {
    t.fail('no /proc');
    return;
  }
  t.true(isRunning(self));
  // The pid names another process by now.
  t.false(isRunning({ ...self, start: '1' }));
  t.false(signalProcess({ ...self, start: '1' }, 'SIGKILL'));
  t.deepEqual(idOf(idText(self)), self);
  t.is(idOf('12\n'), null);
  t.is(idOf(''), null);
  t.is(processId(2 ** 22 + 1), null);
  // To the second, which is all that a reader of `status` sees.
  t.true(Math.abs((startedAt(self) ?? 0) - performance.timeOrigin) < 60_000);
});

test('a process that has ended is not running, before it is reaped as well', async (t) => {
  const child = spawnProgram(['sleep', '600'], { stdio: 'ignore' });
  const id = processId(child.pid ?? 0);
  if (id === null) {
    t.fail('it did not start');
    return;
  }
  const ended = new Promise((r) => child.once('exit', r));
  t.true(signalProcess(id, 'SIGKILL'));
  await ended;
  t.false(isRunning(id));
});

test('a process is found by a file that it has open, and no other file will do', async (t) => {
  const file = join(tmpdir(), `opened-${process.pid}-${process.hrtime.bigint()}`);
  t.is(findOpener(file), null);
  const fd = openSync(file, 'w', 0o600);
  t.teardown(() => rmSync(file, { force: true }));
  t.is(findOpener(file), null, 'our own does not count');
  const child = spawnProgram(['sh', '-c', 'read line'], {
    stdio: ['pipe', 'ignore', 'ignore', fd],
  });
  closeSync(fd);
  t.is(findOpener(file)?.pid, child.pid);
  const ended = new Promise((r) => child.once('exit', r));
  child.kill('SIGKILL');
  await ended;
  t.is(findOpener(file), null);
});
