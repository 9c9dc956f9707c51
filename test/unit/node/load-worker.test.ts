/** Loading in a thread: the same result, in parts, and a diagnostic whatever happens to the thread. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { fileSource } from '../../../src/config/io.js';
import { loadConfig } from '../../../src/config/load.js';
import { assembler, partsOf } from '../../../src/node/load-parts.js';
import { loadInWorker } from '../../../src/node/load-worker.js';
import { dpvsText } from '../config/source.js';

const services = (n: number, servers: number): string => {
  const out = ['local_address_group lips {\n 10.1.0.200 dpdk0\n}\n'];
  for (let v = 0; v < n; v++) {
    out.push(`virtual_server 198.51.100.1 ${1000 + v} {\n lb_algo rr\n lb_kind FNAT\n`);
    out.push(' protocol TCP\n laddr_group_name lips\n');
    for (let r = 1; r <= servers; r++)
      out.push(` real_server 10.1.${v % 250}.${r} 80 {\n TCP_CHECK {\n }\n }\n`);
    out.push('}\n');
  }
  return out.join('');
};

/** A directory with both files, gone afterwards. */
const inDirectory = async (
  keepalived: string,
  body: (paths: { keepalivedPath: string; dpvsPath: string; hostName: string }) => Promise<void>,
): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-load-'));
  try {
    writeFileSync(join(dir, 'keepalived.conf'), keepalived);
    writeFileSync(join(dir, 'dpvs.conf'), dpvsText);
    await body({
      keepalivedPath: join(dir, 'keepalived.conf'),
      dpvsPath: join(dir, 'dpvs.conf'),
      hostName: 'lb1',
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

test('a thread loads what the caller would have loaded, frozen to the ground', async (t) => {
  await inDirectory(services(120, 20), async (paths) => {
    const there = await loadInWorker(paths);
    const here = loadConfig(fileSource, paths);
    t.not(here.config, null);
    t.deepEqual(there, here);
    const v = there.config?.keepalived.virtualServers;
    t.true(Object.isFrozen(v) && Object.isFrozen(v?.[7]?.realServers[3]?.checkers[0]?.timing));
  });
});

test('errors come with their texts; there is no configuration', async (t) => {
  await inDirectory('vrrp_instance V {\n}\n', async (paths) => {
    const there = await loadInWorker(paths);
    t.is(there.config, null);
    t.deepEqual(there, loadConfig(fileSource, paths));
  });
});

test('texts that were kept are loaded in place of the files', async (t) => {
  const paths = { keepalivedPath: '/gone/k', dpvsPath: '/gone/d', hostName: 'lb1' };
  const texts = new Map([
    ['/gone/k', 'include sub/*.conf\n'],
    ['/gone/sub/a.conf', services(1, 1)],
    ['/gone/d', dpvsText],
  ]);
  const r = await loadInWorker(paths, texts);
  t.is(r.config?.keepalived.virtualServers.length, 1);
});

test('no part of a large configuration is large, and the parts make the whole', async (t) => {
  await inDirectory(services(300, 20), async (paths) => {
    const whole = loadConfig(fileSource, paths);
    const add = assembler();
    let result: ReturnType<typeof add> = null;
    for (const part of partsOf(whole)) {
      if (part.type === 'virtualServers')
        t.true(part.list.reduce((sum, v) => sum + v.realServers.length, 0) <= 500);
      result = add(structuredClone(part));
    }
    t.deepEqual(result, whole);
  });
});

const failing = async (limits: Parameters<typeof loadInWorker>[2]): Promise<string> => {
  let message = '';
  await inDirectory('', async (paths) => {
    const r = await loadInWorker(paths, null, limits);
    message = `${r.config} ${r.diagnostics.map((d) => d.message).join()}`;
  });
  return message;
};

/** A program for the thread, gone afterwards. */
const withEntry = async (text: string, timeoutMs = 60_000, heapMb = 64): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-entry-'));
  try {
    const entry = join(dir, 'entry.mjs');
    writeFileSync(entry, text);
    return await failing({ entry, timeoutMs, heapMb });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

test('a thread that throws, ends, hangs, is out of memory or is not there gives a diagnostic', async (t) => {
  t.regex(await withEntry('throw new Error("boom")'), /null .*could not be loaded: boom/);
  t.regex(await withEntry('process.exit(3)'), /null .*ended with exit code 3/);
  t.regex(await withEntry('for (;;) ;', 300), /null .*longer than 0.3 s/);
  t.regex(
    await withEntry('const a = []; for (;;) a.push(new Array(1000).fill(a.length));', 120_000, 16),
    /null .*too much memory/,
  );
  t.regex(await failing({ entry: '/nowhere/entry.js' }), /null .*could not be loaded/);
});
