import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { fileSource } from '../../../src/config/io.js';
import { loadConfig } from '../../../src/config/load.js';
import { warned } from './source.js';

const conf = fileURLToPath(new URL('../../../../conf', import.meta.url));

/** Every directory below conf/ that holds both files of a node. */
const nodes = (dir: string): readonly string[] => {
  const names = readdirSync(dir);
  const here = ['keepalived.conf', 'dpvs.conf'].every((n) => names.includes(n)) ? [dir] : [];
  const below = names.map((n) => join(dir, n)).filter((p) => statSync(p).isDirectory());
  return [...here, ...below.flatMap(nodes)];
};

test('every sample in conf/ loads without a complaint', (t) => {
  const found = nodes(conf);
  t.true(found.length >= 5);
  for (const dir of found) {
    const r = loadConfig(fileSource, {
      keepalivedPath: join(dir, 'keepalived.conf'),
      dpvsPath: join(dir, 'dpvs.conf'),
      hostName: 'lb',
    });
    t.deepEqual(warned(r), [], dir);
    t.not(r.config, null);
  }
});
