import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openSink } from '../../../src/kernel/io/log-sink.js';
import { askProgram, spawnProgram } from '../../support/programs/programs.js';

const droppedLine = (count: number, why: string): string => `${count} dropped: ${why}\n`;
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((r) => setTimeout(r, 20));
};

test('a full disk is survived: lines are dropped and counted', async (t) => {
  const sink = openSink({ file: '/dev/full', droppedLine, maxWaitingBytes: 1000 });
  for (let i = 0; i < 100; i++) sink.write(`${'x'.repeat(99)}\n`);
  await until(() => sink.dropped() >= 89);
  t.true(sink.dropped() <= 100);
});

test('a renamed file is followed, and no line is lost', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'sink-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'log');
  const sink = openSink({ file, droppedLine });
  sink.write('one\n');
  await until(() => existsSync(file) && readFileSync(file, 'utf8') === 'one\n');
  renameSync(file, `${file}.1`);
  sink.reopen();
  sink.write('two\n');
  await until(() => existsSync(file) && readFileSync(file, 'utf8') === 'two\n');
  t.is(readFileSync(`${file}.1`, 'utf8'), 'one\n');
});

const module = fileURLToPath(new URL('../../../src/kernel/io/log-sink.js', import.meta.url));
const program = (body: string): string =>
  `import { openSink } from ${JSON.stringify(module)};
   const sink = openSink({ file: null, droppedLine: (n, why) => n + ' dropped: ' + why + '\\n', maxWaitingBytes: 100000 });
   ${body}`;

test('a pipe whose reader is stuck holds nobody up; when it is read again the drops are reported', async (t) => {
  const child = spawnProgram(
    [
      process.execPath,
      '--input-type=module',
      '-e',
      program(
        `for (let i = 0; i < 20000; i++) sink.write('y'.repeat(99) + '\\n');
         process.stderr.write('alive\\n');
         setInterval(() => sink.write('later\\n'), 50);`,
      ),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.teardown(() => void child.kill('SIGKILL'));
  child.stdout?.pause();
  await new Promise<void>((r) => child.stderr?.once('data', () => r()));
  let text = '';
  child.stdout?.on('data', (d: Buffer) => {
    text += d.toString();
  });
  child.stdout?.resume();
  await until(() => /\n\d+ dropped: /.test(text) && text.endsWith('later\n'));
  const dropped = Number(/\n(\d+) dropped: /.exec(text)?.[1]);
  const lines = text.split('\n').filter((l) => l.startsWith('yyy')).length;
  t.is(dropped + lines, 20000);
});

test('a reader that goes away (EPIPE) does not end the process', (t) => {
  const body = `sink.write('first\\n');
    setTimeout(() => { sink.write('second\\n'); }, 300);
    setTimeout(() => { sink.write('third\\n'); process.stderr.write('survived\\n'); process.exit(0); }, 600);`;
  const r = askProgram([
    'bash',
    '-c',
    '"$0" --input-type=module -e "$1" | head -c 1 >/dev/null',
    process.execPath,
    program(body),
  ]);
  t.is(r.stderr, 'survived\n');
});
