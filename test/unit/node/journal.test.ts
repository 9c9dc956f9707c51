import test from 'ava';
import fc from 'fast-check';
import { type ClusterInput, cluster, initialState } from '../../../src/cluster/machine.js';
import { type HelloAck, noOp, status } from '../../../src/dataplane/codec.js';
import {
  type Input as GenerationInput,
  generations,
  initial,
} from '../../../src/dataplane/generation.js';
import { digestText, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { openJournal } from '../../../src/kernel/io/journal.js';
import { encodeJson } from '../../../src/kernel/json.js';
import { millis } from '../../../src/kernel/machine.js';
import { clusterKind, configTexts, generationKind } from '../../../src/node/journal.js';
import { type Decision, replayJournal } from '../../../src/node/replay.js';
import { memoryFiles } from '../../support/kernel/journal-files.js';
import {
  batch,
  configOf,
  dataplaneUp,
  filesOf,
  fresh,
  quorum,
  realServer,
  service,
  vrrpState,
} from '../cluster/fixture.js';

const services = [service(80), service(443), service(80) + service(443), service(80, 'quorum 2')];

/** What happens to a controller: inputs of the cluster, and answers of a data plane. */
type Answer = 'connected' | 'disconnected' | 'ack' | 'refuse' | 'pong' | 'wait';
type Step =
  | { readonly cluster: ClusterInput }
  | { readonly config: number }
  | { readonly dataplane: Answer };

const hello: HelloAck = {
  endian: 0,
  pid: 1,
  bootId: 1n,
  generation: 0n,
  digest: 0n,
  workers: 2,
  ports: 2,
  shmSize: 0,
  reserved: null,
  version: '0',
};

const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .constantFrom<ClusterInput>(
      vrrpState('active'),
      vrrpState('backup'),
      { type: 'disconnected', peer: 'vrrp', reason: 'died', at: 2 },
      { type: 'disconnected', peer: 'healthcheck', reason: 'died', at: 2 },
      dataplaneUp(),
      dataplaneUp({ bootId: 'b', generation: 3, adopted: [] }),
      { type: 'dataplaneLost', reason: 'gone' },
      batch(...fresh('vrrp'), vrrpState('active')),
      batch(...fresh('healthcheck'), quorum(false)),
      realServer('10.1.0.11', false),
      realServer('10.1.0.11', true),
      realServer('10.1.0.12', false),
    )
    .map((x) => ({ cluster: x })),
  fc.nat(services.length - 1).map((config) => ({ config })),
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Answer>('connected', 'disconnected', 'ack', 'ack', 'refuse', 'pong', 'wait')
      .map((dataplane): Step => ({ dataplane })),
  },
);

const keyOf = (unit: string, at: number, effects: unknown): string =>
  `${unit} ${at} ${encodeJson(effects)}`;

/** Lives a history with both machines of a controller, journalled in files of `fileBytes`. */
async function journalled(history: readonly Step[], fileBytes: number) {
  const disk = memoryFiles(() => null);
  const writer = openJournal({
    path: 'j',
    process: 'controller',
    version: '0',
    report: () => undefined,
    fileBytes,
    files: disk.files,
    now: () => 0,
    wallClock: () => 0,
  });
  const texts = configTexts();
  const configFor = (n: number) => {
    const text = services[n] ?? '';
    const config = configOf(text);
    const files = new Map(Object.entries(filesOf(text)));
    texts.note(config, { keepalivedPath: 'k', dpvsPath: 'd', hostName: 'lb', files });
    return config;
  };
  let at = 0;
  let state = initialState(configFor(0));
  let link = initial(millis(0));
  const clusterHook = writer.machine(clusterKind(texts), 'cluster');
  const linkHook = writer.machine(
    generationKind(() => state),
    'data plane',
    () => clusterHook.sync(state),
  );
  const happened = new Set<string>();
  const told: ClusterInput[] = [];
  const tellLink = (input: GenerationInput | { readonly type: 'tick' }): void => {
    const entry = { at: millis(at), input };
    linkHook(entry, link);
    const [next, effects] = generations.step(link, input, entry.at);
    link = next;
    happened.add(keyOf('data plane', at, effects));
    for (const e of effects) {
      if (e.type === 'acked')
        told.push({
          type: 'dataplaneAcked',
          generation: Number(e.generation),
          digest: digestText(e.snapshot),
        });
      if (e.type === 'rejected')
        told.push({
          type: 'dataplaneRejected',
          reason: e.reason,
          digest: digestText(e.snapshot),
        });
    }
  };
  const tell = (input: ClusterInput): void => {
    at++;
    const entry = { at: millis(at), input };
    clusterHook(entry, state);
    const [next, effects] = cluster.step(state, input, entry.at);
    state = next;
    happened.add(keyOf('cluster', at, effects));
    for (const e of effects) if (e.type === 'setDesired') desire(e.snapshot);
  };
  const desire = (snapshot: Snapshot): void => tellLink({ type: 'desired', snapshot });
  const answerOf = (what: Answer): GenerationInput | { readonly type: 'tick' } => {
    switch (what) {
      case 'connected':
        return { type: 'connected', hello };
      case 'disconnected':
        return { type: 'disconnected', reason: 'gone' };
      case 'ack':
      case 'refuse': {
        const code = what === 'ack' ? status.ok : status.invalid;
        const ack = { generation: BigInt(at), status: code, opIndex: noOp, reason: '' };
        return { type: 'ack', ack };
      }
      case 'pong':
        return { type: 'pong' };
      default:
        return { type: 'tick' };
    }
  };
  const answer = (what: Answer): void => {
    at += what === 'wait' ? 1500 : 1;
    tellLink(answerOf(what));
  };
  tell({ type: 'start' });
  for (const x of history) {
    if ('cluster' in x) tell(x.cluster);
    else if ('config' in x) tell({ type: 'config', config: configFor(x.config) });
    else answer(x.dataplane);
    for (let next = told.shift(); next !== undefined; next = told.shift()) tell(next);
    await writer.flush();
  }
  await writer.close();
  return { disk, happened };
}

const stepsOf = (text: string | null): readonly Decision[] =>
  replayJournal(text ?? '').filter((d) => 'effects' in d);

test('law: each file of a controller replays to what both machines did, wherever it begins', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1000, max: 60_000 }),
      async (history, fileBytes) => {
        const { disk, happened } = await journalled(history, fileBytes);
        for (const name of ['j.1', 'j'])
          for (const d of stepsOf(disk.text(name)))
            if ('effects' in d)
              t.true(
                happened.has(keyOf(d.unit, d.at, d.effects)),
                `${name}: ${d.unit} at ${d.at}: ${d.input.type} gave ${encodeJson(d.effects).slice(0, 300)}`,
              );
      },
    ),
    { numRuns: 100 },
  );
});

test('the newer file has effects as well: a rotation loses nothing (D10)', async (t) => {
  const flap = Array.from(
    { length: 200 },
    (_, i): Step => ({
      cluster: realServer('10.1.0.11', i % 2 === 1),
    }),
  );
  const { disk } = await journalled(flap, 1000);
  t.not(disk.text('j.1'), null);
  const newer = stepsOf(disk.text('j')).filter((d) => 'effects' in d && d.effects.length > 0);
  t.true(newer.length > 0);
});

test('a line that is no journal is named', (t) => {
  t.throws(() => replayJournal('{"type":"gap","lost":1,"reason":"r"}\nnonsense\n'), {
    message: /line 2/,
  });
});
