import test from 'ava';
import fc from 'fast-check';
import { type CheckerInput, type CheckerState, checker } from '../../../src/healthcheck/fsm.js';
import { checkerKind, healthcheckKinds } from '../../../src/healthcheck/journal.js';
import { configurePages } from '../../../src/healthcheck/pages.js';
import { healthService } from '../../../src/healthcheck/service.js';
import type { ProbeResult } from '../../../src/healthcheck/types.js';
import { openJournal } from '../../../src/kernel/io/journal.js';
import {
  type JournalHook,
  type ReplayedInput,
  readJournal,
  replayLines,
} from '../../../src/kernel/journal.js';
import { memoryFiles } from '../../support/kernel/journal-files.js';
import { checkerConfig, handClock, realServer, tcp, virtualServer } from './samples.js';

const stepsOf = (text: string): readonly ReplayedInput[] =>
  [...replayLines(readJournal(text), healthcheckKinds)].flatMap((x) => ('effects' in x ? [x] : []));

const result: fc.Arbitrary<ProbeResult> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<ProbeResult>({ type: 'ok', weightDelta: 0 }) },
  {
    weight: 3,
    arbitrary: fc.constant<ProbeResult>({
      type: 'failed',
      failure: { type: 'errno', errno: 'ECONNREFUSED' },
      where: '',
    }),
  },
  fc.constant<ProbeResult>({ type: 'ok', weightDelta: 3 }),
  fc.constant<ProbeResult>({ type: 'inconclusive', errno: 'EMFILE' }),
  fc.constant<ProbeResult>({
    type: 'paused',
    failure: { type: 'errno', errno: 'ECONNRESET' },
    where: '',
  }),
);

const keyOf = (unit: string, at: number, input: unknown): string =>
  `${unit} ${at} ${JSON.stringify(input)}`;

/** Runs a service with some servers and reloads; answers its journal and what its machines did. */
async function journalled(
  results: Iterator<ProbeResult>,
  fileBytes: number,
  untilMs: number,
  reloads: readonly number[],
) {
  const disk = memoryFiles(() => null);
  const clock = handClock();
  const writer = openJournal({
    path: 'j',
    process: 'healthcheck',
    version: '0',
    report: () => undefined,
    fileBytes,
    files: disk.files,
    now: () => 0,
    wallClock: () => 0,
  });
  const lived = new Map<string, readonly unknown[]>();
  let inputs = 0;
  /** What the hook is handed is what the machine is about to do. */
  const watched =
    (unit: string): JournalHook<CheckerState, CheckerInput> =>
    ({ at, input }, before) => {
      inputs++;
      const key = keyOf(unit, at, input);
      const [, effects] = checker.step(before, input, at);
      lived.set(key, [...(lived.get(key) ?? []), effects]);
    };
  const service = healthService({
    clock,
    wallClock: () => 0,
    random: () => 0.5,
    later: (f) => f(),
    maxProbes: 10,
    log: () => undefined,
    begin: (_, ended) => {
      ended(results.next().value ?? { type: 'ok', weightDelta: 0 });
      return () => undefined;
    },
    journal: {
      checker: (unit) => {
        const write = writer.machine(checkerKind, unit);
        const watch = watched(unit);
        return (entry, before) => {
          watch(entry, before);
          write(entry, before);
        };
      },
      virtualServer: () => () => undefined,
    },
  });
  const client = service.attach(() => undefined);
  const configure = (delayLoopMs: number): void => {
    const realServers = ['a', 'b', 'c'].map((id) => ({
      ...realServer,
      id,
      checkers: [{ ...checkerConfig, delayLoopMs, probe: tcp }],
    }));
    for (const page of configurePages(1, true, [{ ...virtualServer, realServers }]))
      client.receive(page);
  };
  configure(1000);
  for (const [i, at] of reloads.entries()) {
    clock.advance(at);
    configure(1000 + i);
  }
  clock.advance(untilMs);
  await writer.close();
  return { disk, lived, inputs };
}

test('law: each file of the journal replays to what the checkers did', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(result),
      fc.integer({ min: 500, max: 20_000 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 3 }),
      async (results, fileBytes, reloads) => {
        const j = await journalled(
          results,
          fileBytes,
          60_000,
          [...reloads].sort((a, b) => a - b),
        );
        for (const name of ['j.1', 'j'])
          for (const s of stepsOf(j.disk.text(name) ?? '')) {
            const key = keyOf(s.unit, s.at, s.input);
            const happened = j.lived.get(key) ?? [];
            t.true(
              happened.some((e) => JSON.stringify(e) === JSON.stringify(s.effects)),
              key,
            );
          }
      },
    ),
    { numRuns: 30 },
  );
});

test('healthy servers write nothing, and dead ones are written once', async (t) => {
  const fine: Iterator<ProbeResult> = { next: () => ({ value: { type: 'ok', weightDelta: 0 } }) };
  const j = await journalled(fine, 1 << 20, 3_600_000, []);
  t.true(j.inputs > 30_000);
  t.true((j.disk.text('j') ?? '').length < 10_000);
  const refused: ProbeResult = {
    type: 'failed',
    failure: { type: 'errno', errno: 'ECONNREFUSED' },
    where: '',
  };
  const dead = await journalled({ next: () => ({ value: refused }) }, 1 << 20, 3_600_000, []);
  t.true((dead.disk.text('j') ?? '').length < 20_000);
});
