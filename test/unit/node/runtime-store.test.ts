import * as fs from 'node:fs';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { applyCommands } from '../../../src/cluster/runtime/apply.js';
import { shadowedIn } from '../../../src/cluster/runtime/merge.js';
import { emptyRuntime, type Runtime } from '../../../src/cluster/runtime/types.js';
import type { FileSystem } from '../../../src/kernel/io/files.js';
import { runtimeStore } from '../../../src/node/runtime-store.js';
import { configOf, service } from '../cluster/fixture.js';

const config = configOf('');
const on = (port: number, address = '203.0.113.1') => ({
  op: 'service.add',
  service: { protocol: 'TCP', address, port, match: null },
  set: {},
});

const pathOf = (t: ExecutionContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-runtime-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'runtime.json');
};

const after = (before: Runtime, ...commands: readonly unknown[]): Runtime => {
  const r = applyCommands(config, before, commands);
  if (!r.ok) throw new Error(r.error.reason);
  return r.value;
};

const load = (t: ExecutionContext, path: string, c = config): Runtime =>
  runtimeStore(path).load(c, (p) => t.fail(p));

test('transactions are appended, and make the same state again', (t) => {
  const path = pathOf(t);
  const store = runtimeStore(path);
  let runtime = store.load(config, (p) => t.fail(p));
  t.is(runtime, emptyRuntime);
  for (const port of [80, 81, 82]) {
    runtime = after(runtime, on(port));
    store.keep(runtime, [on(port)]);
  }
  t.deepEqual(load(t, path), runtime);
  t.is(readFileSync(`${path}.log`, 'utf8').split('\n').length, 3, 'the first wrote the whole');
  for (const file of [path, `${path}.log`]) t.is(statSync(file).mode & 0o777, 0o600);
  const next = runtimeStore(path);
  const again = next.load(config, (p) => t.fail(p));
  const gone = { op: 'service.delete', service: on(81).service };
  runtime = after(again, gone);
  next.keep(runtime, [gone]);
  t.deepEqual(load(t, path), runtime);
});

test('a log that has become large is replaced by the whole state', (t) => {
  const path = pathOf(t);
  const store = runtimeStore(path);
  let runtime = store.load(config, (p) => t.fail(p));
  const many = Array.from({ length: 3000 }, (_, i) => on(i + 1));
  for (let n = 0; n < 6; n++) {
    const commands = n % 2 === 0 ? many : [{ op: 'service.clear' }];
    runtime = after(runtime, ...commands);
    store.keep(runtime, commands);
  }
  t.true(statSync(path).size < 2 << 20);
  t.deepEqual(load(t, path), runtime);
});

test('a stop between the whole state and the removal of its log does no harm', (t) => {
  const path = pathOf(t);
  const store = runtimeStore(path);
  let runtime = after(
    store.load(config, (p) => t.fail(p)),
    on(80),
  );
  store.keep(runtime, [on(80)]);
  const gone = { op: 'service.delete', service: on(80).service };
  runtime = after(runtime, gone);
  store.keep(runtime, [gone]);
  const log = readFileSync(`${path}.log`);
  const whole = runtimeStore(path);
  const kept = after(
    whole.load(config, (p) => t.fail(p)),
    on(80),
  );
  writeFileSync(path, `${JSON.stringify({ version: 1, serial: 2, commands: [on(80)] })}\n`);
  writeFileSync(`${path}.log`, log);
  t.deepEqual(load(t, path), kept);
});

/** The real file system until the `fail`-th call that writes, which takes a part or nothing. */
const failing = (fail: number, how: 'short' | 'full'): FileSystem => {
  let calls = 0;
  const full = (): never => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  const step = <A extends readonly unknown[], R>(run: (...a: A) => R) =>
    ((...a: A): R => (++calls >= fail ? full() : run(...a))) as unknown as typeof run;
  return {
    ...fs,
    writeSync: ((fd: number, bytes: Uint8Array, at: number, length: number): number => {
      calls += 1;
      if (calls < fail) return fs.writeSync(fd, bytes, at, length);
      if (calls > fail || how === 'full' || length < 2) return full();
      return fs.writeSync(fd, bytes, at, length >> 1);
    }) as FileSystem['writeSync'],
    fsyncSync: step(fs.fsyncSync),
    renameSync: step(fs.renameSync),
  };
};

const cases = (['short', 'full'] as const).flatMap((how) =>
  [true, false].flatMap((isFirst) =>
    Array.from({ length: isFirst ? 3 : 2 }, (_, i) => ({ how, isFirst, fail: i + 1 })),
  ),
);

for (const { how, isFirst, fail } of cases)
  test(`a disk that is full at step ${fail} (${how} write, ${isFirst ? 'whole' : 'log'}): refused, and what was kept is there`, (t) => {
    const path = pathOf(t);
    const good = runtimeStore(path);
    let kept = good.load(config, (p) => t.fail(p));
    if (!isFirst) {
      kept = after(kept, on(80));
      good.keep(kept, [on(80)]);
    }
    const store = runtimeStore(path, failing(fail, how));
    const before = store.load(config, (p) => t.fail(p));
    t.throws(() => store.keep(after(before, on(81)), [on(81)]), { message: /ENOSPC/ });
    t.deepEqual(load(t, path), kept);
    t.false(readdirSync(join(path, '..')).includes('runtime.json.new'));
    const later = runtimeStore(path);
    const now = after(
      later.load(config, (p) => t.fail(p)),
      on(82),
    );
    later.keep(now, [on(82)]);
    t.deepEqual(load(t, path), now, 'with room again');
  });

test('a line that was cut off was never reported as done', (t) => {
  const path = pathOf(t);
  const store = runtimeStore(path);
  const runtime = after(
    store.load(config, (p) => t.fail(p)),
    on(80),
  );
  store.keep(runtime, [on(80)]);
  writeFileSync(`${path}.log`, '{"serial":2,"comm');
  const again = runtimeStore(path);
  const now = after(
    again.load(config, (p) => t.fail(p)),
    on(81),
  );
  t.deepEqual(now.services.length, 2);
  again.keep(now, [on(81)]);
  t.deepEqual(load(t, path), now);
});

test('what the files have meanwhile is kept over a restart, and is not in force', (t) => {
  const path = pathOf(t);
  const store = runtimeStore(path);
  const command = on(80, '198.51.100.80');
  store.load(config, (p) => t.fail(p));
  store.keep(after(emptyRuntime, command), [command]);
  const files = configOf(service(80));
  const kept = load(t, path, files);
  t.is(kept.services.length, 1);
  t.is(shadowedIn(files, kept).length, 1);
});

test('a kept state that cannot be read is set aside; commands that fit no more are reported and left out', (t) => {
  const path = pathOf(t);
  const problems: string[] = [];
  const loaded = () => runtimeStore(path).load(config, (p) => void problems.push(p));
  t.deepEqual(loaded(), emptyRuntime);
  t.deepEqual(problems, []);
  for (const text of ['{', '[]', '{"version":9,"commands":[]}', '{"version":1}', 'null']) {
    writeFileSync(path, text);
    t.deepEqual(loaded(), emptyRuntime, text);
    t.is(readFileSync(`${path}.bad`, 'utf8'), text);
  }
  t.is(problems.length, 5);
  const gone = { op: 'address.add', device: 'dpdk7', prefix: '10.0.0.1', local: false };
  writeFileSync(path, JSON.stringify({ version: 1, commands: [gone, on(80)] }));
  t.is(loaded().services.length, 1);
  t.regex(problems[5] ?? '', /dpdk7.*dpvs\.conf has dpdk0, dpdk1/);
});

test('a link in the place of the file is not followed', (t) => {
  const path = pathOf(t);
  const victim = join(path, '..', 'victim');
  writeFileSync(victim, 'mine');
  fs.symlinkSync(victim, `${path}.new`);
  fs.symlinkSync(victim, `${path}.log`);
  const store = runtimeStore(path);
  store.load(config, () => undefined);
  const runtime = after(emptyRuntime, on(80));
  store.keep(runtime, [on(80)]);
  t.is(readFileSync(victim, 'utf8'), 'mine');
});
