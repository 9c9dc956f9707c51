/** The documents say what is so: configurations that load, files that exist, requests that are answered. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import type { Source } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load.js';

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync('docs')
    .filter((f) => f.endsWith('.md'))
    .map((f) => join('docs', f)),
];

const blocks = (file: string): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(/```\n(.*?)```/gs)].map((m) => m[1] ?? '');

test('the first configuration of the README, with the dpvs.conf of docs/first-node.md, has no error', (t) => {
  const keepalived = blocks('README.md').find((b) => b.includes('virtual_server')) ?? '';
  const dpvs = blocks('docs/first-node.md').find((b) => b.includes('netif_defs')) ?? '';
  const source: Source = {
    read: (path) => ({ ok: true, text: path === 'k' ? keepalived : dpvs }),
    glob: () => [],
  };
  const loaded = loadConfig(source, { keepalivedPath: 'k', dpvsPath: 'd', hostName: 'lb' });
  t.deepEqual(
    loaded.diagnostics.filter((d) => d.severity !== 'info'),
    [],
  );
});

test('every file that a document links to is there', (t) => {
  for (const file of documents)
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g))
      if (!/^https?:/.test(target))
        t.true(existsSync(join(dirname(file), target)), `${file}: ${target}`);
});

test('every source file that ARCHITECTURE.md names is there', (t) => {
  const all = ['src', 'native', 'test'].flatMap((d) =>
    readdirSync(d, { recursive: true, encoding: 'utf8' }).map((f) => join(d, f)),
  );
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  for (const [, name = ''] of text.matchAll(/`([\w./-]+\.(?:ts|c|h))`/g))
    t.true(
      all.some((f) => f === name || f.endsWith(`/${name}`)),
      name,
    );
});

test('docs/api.md has every request of the server', (t) => {
  const server = readFileSync('src/api/server.ts', 'utf8');
  const api = readFileSync('docs/api.md', 'utf8');
  const paths = [...server.matchAll(/'(\/v1\/[\w/]+)'/g)].map((m) => m[1] ?? '');
  t.true(paths.length > 8);
  for (const p of paths) t.true(api.includes(`${p}\``), p);
});
