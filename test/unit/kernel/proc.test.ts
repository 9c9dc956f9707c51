import test from 'ava';
import {
  findByArguments,
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

test('a process is found by its command line, and is gone when it has ended', async (t) => {
  const mark = `--mark=${process.pid}-${process.hrtime.bigint()}`;
  t.is(findByArguments([mark]), null);
  const child = spawnProgram(['sh', '-c', 'read line', mark, '600'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const found = findByArguments([mark, '600']);
  t.is(found?.pid, child.pid);
  t.is(findByArguments([mark, '601']), null);
  const ended = new Promise((r) => child.once('exit', r));
  t.true(found !== null && signalProcess(found, 'SIGKILL'));
  await ended;
  t.is(findByArguments([mark]), null);
});
