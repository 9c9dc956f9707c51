/** loadConfig with the real file source: whatever the files are, it answers, and never throws. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { fileSource } from '../../../src/config/io.js';
import { loadConfig } from '../../../src/config/load.js';
import { askProgram } from '../../support/programs/programs.js';
import { alone, dpvsText, instance, load, said, service } from './source.js';

const within = <T>(body: (dir: string) => T): T => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-conf-'));
  try {
    return body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

const loadIn = (dir: string) =>
  loadConfig(fileSource, {
    keepalivedPath: join(dir, 'keepalived.conf'),
    dpvsPath: join(dir, 'dpvs.conf'),
    hostName: 'lb1',
  });

const name = fc
  .array(fc.constantFrom(...'ab.*?[]{},-!^ \\$é'), { minLength: 1, maxLength: 8 })
  .map((a) => a.join(''))
  .filter((n) => n.trim() !== '' && n !== '.' && n !== '..');

const entry = fc.record({
  name,
  kind: fc.constantFrom('file', 'directory', 'link', 'dangling', 'loop', 'fifo', 'unreadable'),
  bytes: fc.uint8Array({ maxLength: 60 }),
});

const make = (dir: string, e: { name: string; kind: string; bytes: Uint8Array }): void => {
  const path = join(dir, e.name);
  try {
    if (e.kind === 'directory') mkdirSync(path);
    else if (e.kind === 'link') symlinkSync('keepalived.conf', path);
    else if (e.kind === 'dangling') symlinkSync('nowhere', path);
    else if (e.kind === 'loop') symlinkSync(e.name, path);
    else if (e.kind === 'fifo') askProgram(['mkfifo', path]);
    else writeFileSync(path, e.bytes);
    if (e.kind === 'unreadable') chmodSync(path, 0);
  } catch {
    // the name is taken, or no name at all
  }
};

test('directories of any content: an answer with diagnostics that have a place', (t) => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 5 }),
      fc.array(fc.tuple(fc.constantFrom('include', 'includea'), fc.oneof(name, fc.string())), {
        maxLength: 4,
      }),
      (entries, includes) =>
        within((dir) => {
          const text = includes.map(([word, p]) => `${word} ${p}\n`).join('');
          writeFileSync(join(dir, 'keepalived.conf'), text);
          for (const e of entries) make(dir, e);
          for (const d of loadIn(dir).diagnostics)
            if (d.place.line < 1 || d.place.column < 1) throw new Error(JSON.stringify(d));
        }),
    ),
    { numRuns: 150 },
  );
  t.pass();
});

test('random bytes in both files get their diagnostics', (t) => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  fc.assert(
    fc.property(bytes, bytes, (k, d) =>
      within((dir) => {
        writeFileSync(join(dir, 'keepalived.conf'), k);
        writeFileSync(join(dir, 'dpvs.conf'), d);
        loadIn(dir);
      }),
    ),
    { numRuns: 100 },
  );
  t.pass();
});

test('a missing dpvs.conf is one error', (t) => {
  within((dir) => {
    writeFileSync(join(dir, 'keepalived.conf'), service('') + instance(''));
    t.deepEqual(
      loadIn(dir).diagnostics.map((d) => `${d.severity} ${d.message}`),
      [`error ${join(dir, 'dpvs.conf')} cannot be read: there is no such file`],
    );
  });
});

test('a directory in place of a file, a pipe and a circle of links are named', (t) => {
  within((dir) => {
    writeFileSync(join(dir, 'dpvs.conf'), dpvsText);
    mkdirSync(join(dir, 'd'));
    symlinkSync('l', join(dir, 'l'));
    askProgram(['mkfifo', join(dir, 'p')]);
    writeFileSync(join(dir, 'keepalived.conf'), 'include d\ninclude l\ninclude p\n');
    t.deepEqual(
      said(loadIn(dir)).map((s) => s.replaceAll(`${dir}/`, '')),
      [
        '1:9 error d cannot be read: it is not a regular file',
        "2:9 warning no file matches 'l'",
        '3:9 error p cannot be read: it is not a regular file',
      ],
    );
  });
});

test('a pattern that is not well formed is an error with its place', (t) => {
  t.deepEqual(said(alone('include conf.d/[abc\n')), [
    "1:9 error the pattern is not well formed: '[' without ']'",
  ]);
  t.deepEqual(said(alone('include [z-a]\n')), [
    '1:9 error the pattern is not well formed: the range z-a is backwards',
  ]);
});

test('words of prototypes are no values and no keywords', (t) => {
  const words = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'];
  for (const w of words) {
    const texts = [
      w,
      `${w} {\n}`,
      `global_defs {\n ${w} 1\n lvs_timeouts ${w} 3\n}`,
      instance(` lower_prio_no_advert ${w}\n state ${w}\n ${w} {\n }`),
      `static_routes {\n 10.0.0.0/8 via 10.0.0.1 ${w} 7\n}`,
      service(` ${w}\n protocol ${w}`, ` real_server 10.1.0.11 80 {\n ${w} {\n }\n }`),
    ];
    for (const text of texts) t.is(load(text).config, null, text);
    t.not(load('', `${dpvsText}${w} {\n}\n`).config, undefined);
    const entry = load(instance('').replace('80/32', `80/32 ${w}`));
    t.true(said(entry).some((s) => s.includes('is not read in an address entry')));
  }
});

test('definitions and sequences that grow without an end meet a limit, which is an error', (t) => {
  const bomb = Array.from({ length: 30 }, (_, i) => `$A${i + 1}=\${A${i}}\${A${i}}\n`).join('');
  const texts = [
    `$A0=xxxxxxxxxx\n${bomb}global_defs {\n router_id \${A30}\n}\n`,
    '~SEQ(a,1,100000) ~SEQ(b,1,100000) ~SEQ(c,1,100000) @x $a\n',
    `${'~SEQ(a,1,1) '.repeat(5000)} x\n`,
    `${'@lb1 '.repeat(5000)} x\n`,
    '$A=\\\n${B}\\\n${B}\n$B=\\\n${A}\\\n${A}\n${A}\n',
    `$L=${'y'.repeat(200_000)}\n${'${L}\n'.repeat(5000)}`,
  ];
  for (const text of texts) {
    const errors = alone(text).diagnostics.filter((d) => d.severity === 'error');
    t.true(
      errors.some((d) => ['KS_CONF_LIMIT', 'KS_CONF_RECURSION'].includes(d.code)),
      text.slice(0, 60),
    );
  }
});

test('nesting of any depth is read without recursion', (t) => {
  const deep = 'virtual_server 10.0.0.1 80 {\n'.repeat(200_000);
  t.true(said(alone(deep)).some((s) => s.includes('is not closed')));
  t.true(said(alone(`${deep}${'}\n'.repeat(200_000)}`)).length > 0);
});

test('a file that is wrong as a whole has a bounded number of diagnostics, errors among them', (t) => {
  const warnings = 'global_defs {\n smtp_alert\n}\n'.repeat(15_000);
  const r = alone(`${warnings}bogus\n`);
  t.true(r.diagnostics.length <= 10_002);
  t.true(r.diagnostics.some((d) => d.severity === 'error'));
});
