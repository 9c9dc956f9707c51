import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import pino from 'pino';
import { initialState } from '../../../src/cluster/machine.js';
import type { Config, LoadedConfig } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load.js';
import { textSource } from '../../../src/config/text-source.js';
import { writeWhole } from '../../../src/kernel/io/files.js';
import { isOlder, keepAccepted } from '../../../src/node/accepted.js';
import { type InUse, type ReloaderOptions, reloader } from '../../../src/node/reload.js';

const paths = { keepalivedPath: '/k/keepalived.conf', dpvsPath: '/k/dpvs.conf', hostName: 'a' };
const dpvs = `netif_defs {
  <init> device dpdk0 { devargs "net_null0" }
}
worker_defs {
  <init> worker cpu0 { type master
 cpu_id 0 }
  <init> worker cpu1 { type slave
 cpu_id 1
 port dpdk0 { rx_queue_ids 0
 tx_queue_ids 0 } }
}
`;
const loadedFrom = (keepalived: string): LoadedConfig =>
  loadConfig(
    textSource(
      new Map([
        [paths.keepalivedPath, keepalived],
        [paths.dpvsPath, dpvs],
      ]),
    ),
    paths,
  );

const right = loadedFrom('global_defs {\n router_id one\n}\n');
const next = loadedFrom('global_defs {\n router_id two\n}\n');

const configOf = (l: LoadedConfig): Config => {
  if (l.config === null) throw new Error(JSON.stringify(l.diagnostics));
  return l.config;
};
const start = initialState(configOf(right));

const setUp = (o: Partial<ReloaderOptions>) => {
  const config = configOf(right);
  const fed: Config[] = [];
  const kept: InUse[] = [];
  const r = reloader({
    first: { config, files: right.files },
    loadedAt: 1,
    source: 'files',
    error: null,
    load: async () => next,
    previous: async () => null,
    changes: {
      configure: async (set) => {
        set();
        return { ok: true, generation: 7 };
      },
    },
    state: () => start,
    feed: (i) => {
      if (i.type === 'config') fed.push(i.config);
    },
    onUse: () => undefined,
    keep: (l) => void kept.push(l),
    log: pino({ level: 'silent' }),
    ...o,
  });
  return { r, fed, kept };
};

test('a reload that comes into force is kept for the next controller', async (t) => {
  const { r, fed, kept } = setUp({});
  t.true((await r.reload()).ok);
  t.is(fed.length, 1);
  t.is(kept[0]?.config, configOf(next));
  t.is(r.inUse().config, configOf(next));
});

test('the first configuration is kept when its generation is acknowledged, once', (t) => {
  let { facts, ...rest } = start;
  const { r, kept } = setUp({ state: () => ({ ...rest, facts }) });
  r.acked();
  t.is(kept.length, 0);
  const { config, runtime } = facts;
  facts = { ...facts, accepted: { config, runtime } };
  r.acked();
  r.acked();
  t.is(kept.length, 1);
});

test('whatever fails in a reload, it answers with the reason and the configuration stays', async (t) => {
  const failures: readonly Partial<ReloaderOptions>[] = [
    { load: () => Promise.reject(new Error('Invalid regular expression')) },
    {
      load: () => {
        throw new Error('Invalid regular expression');
      },
    },
    { changes: { configure: () => Promise.reject(new Error('Invalid regular expression')) } },
    { load: async () => loadedFrom('virtual_server {') },
  ];
  for (const f of failures) {
    const { r, fed } = setUp(f);
    const view = await r.reload();
    t.false(view.ok);
    t.deepEqual(fed, []);
    t.truthy(r.configuration().error);
    t.is(r.inUse().config, configOf(right));
  }
});

test('a configuration that cannot be kept, as on a full disk, is in force all the same', async (t) => {
  const { r } = setUp({
    keep: () => {
      throw new Error('ENOSPC');
    },
  });
  t.true((await r.reload()).ok);
});

test('a configuration that is not kept is reported so until it is, and is not taken for older', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'accepted-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'accepted.json');
  let isFull = false;
  let { facts, ...rest } = start;
  const { r } = setUp({
    retryMs: 0,
    state: () => ({ ...rest, facts }),
    keep: (l) =>
      keepAccepted(path, paths, l.files, (...args) => {
        if (isFull) throw new Error('ENOSPC');
        writeWhole(...args);
      }),
  });
  facts = { ...facts, accepted: { config: configOf(right), runtime: facts.runtime } };
  r.acked();
  t.false(isOlder(path));
  isFull = true;
  const view = await r.reload();
  t.true(view.ok);
  t.regex(view.changes.join(' '), /not kept for a restart: Error: ENOSPC/);
  t.regex(r.notKept() ?? '', /ENOSPC/);
  t.true(isOlder(path), 'what is on disk is not what was in force last');
  isFull = false;
  facts = { ...facts, accepted: { config: configOf(next), runtime: facts.runtime } };
  r.acked();
  t.is(r.notKept(), null);
  t.false(isOlder(path));
});

test('a reload writes its warnings and its outcome to the log', async (t) => {
  const lines: { readonly level: number; readonly code?: string; readonly msg: string }[] = [];
  const log = pino({ level: 'info' }, { write: (text) => void lines.push(JSON.parse(text)) });
  const warned = loadedFrom('global_defs {\n router_id two\n notification_email { a@b.c }\n}\n');
  const warnings = warned.diagnostics.filter((d) => d.severity === 'warning');
  t.true(warnings.length > 0);
  const { r } = setUp({ log, load: async () => warned });
  t.true((await r.reload()).ok);
  t.deepEqual(
    lines.filter((l) => l.code !== undefined).map((l) => [l.level, l.code]),
    warnings.map((d) => [40, d.code]),
  );
  t.is(lines.at(-1)?.msg, 'reloaded');
});

test('a first configuration that the data plane refuses falls back to what was accepted before', async (t) => {
  let loads = 0;
  const { r, fed, kept } = setUp({
    previous: async () => {
      loads += 1;
      return next;
    },
  });
  await r.rejected('no room');
  await r.rejected('no room');
  t.is(loads, 1);
  t.deepEqual(fed, [configOf(next)]);
  t.is(r.source(), 'accepted');
  t.regex(r.configuration().error ?? '', /the data plane refuses the files: no room/);
  r.acked();
  t.is(kept.length, 0, 'it is kept already');
});

test('nothing falls back once a configuration was accepted, or where none was kept', async (t) => {
  const { config, runtime } = start.facts;
  const accepted = { ...start, facts: { ...start.facts, accepted: { config, runtime } } };
  const cases: readonly Partial<ReloaderOptions>[] = [
    { state: () => accepted, previous: async () => next },
    { previous: async () => null },
    { previous: () => Promise.reject(new Error('EIO')) },
    { source: 'accepted', previous: async () => next },
  ];
  for (const c of cases) {
    const { r, fed } = setUp(c);
    await r.rejected('no room');
    t.deepEqual(fed, []);
    t.is(r.inUse().config, configOf(right));
  }
});

test('a reload that is taken while the accepted configuration is read wins', async (t) => {
  let arrived: (l: LoadedConfig) => void = () => undefined;
  const { r } = setUp({ previous: () => new Promise((resolve) => (arrived = resolve)) });
  const done = r.rejected('no room');
  t.true((await r.reload()).ok);
  arrived(right);
  await done;
  t.is(r.inUse().config, configOf(next));
  t.is(r.source(), 'files');
});

test('law: what is in force at the end was read after the last reload was asked for', async (t) => {
  // By their number: the texts on disk, as they are one after the other.
  const texts = ['one', 'two', 'three', 'four', 'five'].map((name) =>
    loadedFrom(`global_defs {\n router_id ${name}\n}\n`),
  );
  const turns = (n: number): Promise<void> =>
    n === 0 ? Promise.resolve() : new Promise((r) => setImmediate(() => r(turns(n - 1))));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(4), fc.nat(6)), { minLength: 1, maxLength: 4 }),
      async (steps) => {
        let onDisk = right;
        let at = 0;
        const asked: Promise<unknown>[] = [];
        const { r } = setUp({
          // It is read now; the loading takes its time.
          load: async () => {
            const read = onDisk;
            await turns(steps[at++ % steps.length]?.[0] ?? 0);
            return read;
          },
        });
        for (const [n, [, wait]] of steps.entries()) {
          onDisk = texts[n] ?? right;
          asked.push(r.reload());
          await turns(wait);
        }
        await Promise.all(asked);
        t.is(r.inUse().config, configOf(onDisk));
      },
    ),
    { numRuns: 50 },
  );
});
