import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { openJournal } from '../../../src/kernel/io/journal.js';
import {
  encodeLine,
  JournalError,
  plainKind,
  type ReplayedInput,
  readJournal,
  replayable,
  replayLines,
} from '../../../src/kernel/journal.js';
import { type Machine, type Millis, millis } from '../../../src/kernel/machine.js';
import { memoryFiles } from '../../support/kernel/journal-files.js';

/** Adds up, and says the sum: every effect depends on everything before it. */
type Add = { readonly type: 'add'; readonly n: number } | { readonly type: 'quiet' };
interface Sum {
  readonly sum: number;
  readonly seen: ReadonlySet<number>;
}
type Said = { readonly type: 'said'; readonly sum: number; readonly seen: number };
const adder: Machine<Sum, Add, Said> = {
  deadline: () => null,
  step: (s, e) => {
    if (e.type !== 'add') return [s, []];
    const next = { sum: s.sum + e.n, seen: new Set(s.seen).add(e.n) };
    return [next, [{ type: 'said', sum: next.sum, seen: next.seen.size }]];
  },
};
const kind = { ...plainKind('adder', adder), isNoise: (e: { type: string }) => e.type === 'quiet' };

const stepsOf = (text: string): readonly ReplayedInput[] =>
  [...replayLines(readJournal(text), [replayable(kind)])].flatMap((x) =>
    'effects' in x ? [x] : [],
  );

interface Lived {
  readonly unit: string;
  readonly at: Millis;
  readonly effects: readonly Said[];
}

const options = {
  path: 'j',
  process: 'test',
  version: '0',
  now: () => 0,
  wallClock: () => 0,
  retryMs: 0,
} as const;

/** Machines that are driven by hand and journalled. */
function bench(writer: ReturnType<typeof openJournal>, units: readonly string[]) {
  const lived: Lived[] = [];
  let at = 0;
  const machines = new Map(
    units.map((unit) => [
      unit,
      { hook: writer.machine(kind, unit), state: { sum: 0, seen: new Set<number>() } as Sum },
    ]),
  );
  return {
    lived,
    feed: (unit: string, input: Add): void => {
      const m = machines.get(unit);
      if (m === undefined) return;
      const entry = { at: millis(at++), input };
      m.hook(entry, m.state);
      const [state, effects] = adder.step(m.state, input, entry.at);
      m.state = state;
      if (input.type === 'add') lived.push({ unit, at: entry.at, effects });
    },
  };
}

const brief = (steps: readonly ReplayedInput[]): readonly Lived[] =>
  steps.map(({ unit, at, effects }) => ({ unit, at, effects: effects as readonly Said[] }));

const unitNames = ['a', 'b', 'c'] as const;
const history = fc.array(
  fc.record({
    unit: fc.constantFrom(...unitNames),
    input: fc.oneof(
      { weight: 9, arbitrary: fc.record({ type: fc.constant('add' as const), n: fc.nat(9) }) },
      { weight: 1, arbitrary: fc.constant({ type: 'quiet' as const }) },
    ),
    flush: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);

test('law: wherever a file ends, each file by itself replays to the same effects', async (t) => {
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1, max: 3000 }), async (inputs, fileBytes) => {
      const disk = memoryFiles(() => null);
      const writer = openJournal({
        ...options,
        fileBytes,
        files: disk.files,
        report: (x) => t.fail(String(x)),
      });
      const b = bench(writer, unitNames);
      for (const { unit, input, flush } of inputs) {
        b.feed(unit, input);
        if (flush) await writer.flush();
      }
      await writer.close();
      const newer = brief(stepsOf(disk.text('j') ?? ''));
      const older = brief(stepsOf(disk.text('j.1') ?? ''));
      // Both files together are the end of what happened, each is replayed from its own states.
      const both = [...older, ...newer];
      t.deepEqual(both, b.lived.slice(b.lived.length - both.length));
      if (b.lived.length > 0) t.true(newer.length > 0);
    }),
  );
});

test('law: whatever fails and for however long, what is in the files replays to the same effects', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      history,
      fc.infiniteStream(fc.constantFrom(null, null, null, 'ENOSPC', 'short', 'EIO', 'ENOENT')),
      fc.integer({ min: 200, max: 3000 }),
      async (inputs, faults, fileBytes) => {
        const disk = memoryFiles(() => faults.next().value ?? null);
        const troubles: (string | null)[] = [];
        const writer = openJournal({
          ...options,
          fileBytes,
          files: disk.files,
          report: (x) => troubles.push(x),
        });
        const b = bench(writer, unitNames);
        for (const { unit, input, flush } of inputs) {
          b.feed(unit, input);
          if (flush) await writer.flush();
        }
        await writer.close();
        const happened = new Map(b.lived.map((l) => [`${l.at}`, l]));
        for (const name of ['j', 'j.1'])
          for (const s of brief(stepsOf(disk.text(name) ?? '')))
            t.deepEqual(s, happened.get(`${s.at}`));
        // Trouble is reported when it begins and when it is over, never twice.
        t.true(troubles.every((x, i) => (x === null) === (i % 2 === 1)));
      },
    ),
  );
});

test('a gap is marked with the number of inputs that are lost', async (t) => {
  let full = false;
  const disk = memoryFiles((call) => (full && call === 'write' ? 'ENOSPC' : null));
  const troubles: (string | null)[] = [];
  const writer = openJournal({ ...options, files: disk.files, report: (x) => troubles.push(x) });
  const b = bench(writer, ['a']);
  b.feed('a', { type: 'add', n: 1 });
  await writer.flush();
  full = true;
  for (const n of [2, 3]) {
    b.feed('a', { type: 'add', n });
    await writer.flush();
  }
  full = false;
  b.feed('a', { type: 'add', n: 4 });
  await writer.close();
  const lines = [...readJournal(disk.text('j') ?? '')];
  t.deepEqual(
    lines.map((l) => (l.type === 'gap' ? l.lost : l.type)),
    ['file', 'state', 'input', 2, 'state', 'input'],
  );
  t.deepEqual(
    brief(stepsOf(disk.text('j') ?? '')).map((s) => s.effects),
    [[{ type: 'said', sum: 1, seen: 1 }], [{ type: 'said', sum: 10, seen: 4 }]],
  );
  t.is(troubles.length, 2);
  t.regex(String(troubles[0]), /ENOSPC/);
});

test('more than the allowed rate is left out and marked as a gap', async (t) => {
  const disk = memoryFiles(() => null);
  let now = 0;
  const writer = openJournal({
    ...options,
    files: disk.files,
    report: (x) => t.fail(String(x)),
    now: () => now,
    bytesPerSecond: 100,
  });
  const b = bench(writer, ['a']);
  for (let n = 0; n < 1000; n++) b.feed('a', { type: 'add', n });
  await writer.flush();
  const burst = disk.text('j')?.length ?? 0;
  t.true(burst > 1000 && burst < 3000, `${burst}`);
  now = 60_000;
  b.feed('a', { type: 'add', n: 1000 });
  await writer.close();
  const lines = [...readJournal(disk.text('j') ?? '')];
  t.is(lines.at(-3)?.type, 'gap');
  t.deepEqual(brief(stepsOf(disk.text('j') ?? '')).at(-1)?.effects, [
    { type: 'said', sum: 500_500, seen: 1001 },
  ]);
});

test('a line that a crash cut off is left out; garbage is an error that names the line', (t) => {
  const whole = encodeLine({ type: 'gap', lost: 1, reason: 'r' });
  t.is([...readJournal(`${whole}{"type":"gap","lo`)].length, 1);
  t.throws(() => [...readJournal(`${whole}nonsense\n${whole}`)], {
    instanceOf: JournalError,
    message: /line 2/,
  });
});

test('on a real disk: what an earlier process wrote is kept, links are not followed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-journal-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'j');
  writeFileSync(path, 'from before');
  const writer = openJournal({ ...options, path, report: (x) => t.fail(String(x)) });
  const b = bench(writer, ['a']);
  b.feed('a', { type: 'add', n: 1 });
  await writer.flush();
  t.is(readFileSync(`${path}.1`, 'utf8'), 'from before');
  b.feed('a', { type: 'add', n: 2 });
  writer.flushNow();
  t.is(stepsOf(readFileSync(path, 'utf8')).length, 2);
  await writer.close();
  t.is(stepsOf(readFileSync(path, 'utf8')).length, 2);

  const aim = join(dir, 'aim');
  writeFileSync(aim, 'precious');
  chmodSync(aim, 0o600);
  const link = join(dir, 'link');
  // Renamed at the start, so it is put there again for the file that is opened.
  const troubles: (string | null)[] = [];
  const other = openJournal({ ...options, path: link, report: (x) => troubles.push(x) });
  symlinkSync(aim, link);
  const c = bench(other, ['a']);
  c.feed('a', { type: 'add', n: 1 });
  await other.close();
  t.is(readFileSync(aim, 'utf8'), 'precious');
});
