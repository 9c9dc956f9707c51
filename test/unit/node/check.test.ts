/** `keelson check`: which files are looked at together, and what is told of those that are not. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { renderDiagnostics, summary } from '../../../src/config/diagnostics.js';
import { checkFiles } from '../../../src/node/check.js';
import { cpuList, interfaceNames, readMachine } from '../../../src/node/machine.js';
import { dpvsText, instance, load } from '../config/source.js';

/** Diagnostics of the files, as `severity message`, with the directory taken off. */
const checked = (
  files: Readonly<Record<string, string>>,
  names: readonly string[],
): readonly string[] => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-check-'));
  try {
    mkdirSync(join(dir, 'sub'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    const paths = names.map((n) => join(dir, n));
    return checkFiles(paths, 'lb1', {}).flatMap((r) =>
      r.diagnostics.map((d) => `${d.severity} ${d.message.replaceAll(`${dir}/`, '')}`),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

const pair = { 'keepalived.conf': instance(''), 'dpvs.conf': dpvsText };
const alone = (what: string): string => `info what ${what} was not looked at`;

test('a directory is a pair, and two files are', (t) => {
  t.deepEqual(checked(pair, ['.']), []);
  t.deepEqual(checked(pair, ['dpvs.conf', 'keepalived.conf']), []);
});

test('a file alone says what it could not be held against', (t) => {
  t.deepEqual(checked(pair, ['keepalived.conf']), [alone('this file needs of dpvs.conf')]);
  t.deepEqual(checked(pair, ['dpvs.conf']), [alone('keepalived.conf needs of this file')]);
});

test('a directory without dpvs.conf is one error', (t) => {
  t.deepEqual(checked({ 'keepalived.conf': instance('') }, ['.']), [
    'error dpvs.conf cannot be read: there is no such file',
  ]);
});

test('files of routing daemons are recognised, given by name or found in the directory', (t) => {
  const message = 'recognised as a file of FRR or Quagga (bgpd), not acted on yet';
  const files = { ...pair, 'bgpd.conf': 'router bgp 65001\n' };
  t.deepEqual(checked(files, ['bgpd.conf']), [`warning ${message}`]);
  t.deepEqual(checked(files, ['.']), [`warning ${message}`]);
  t.deepEqual(checked({ 'sub/x': 'router ospf\n' }, ['sub/x']), [
    'warning recognised as a file of FRR or Quagga, not acted on yet',
  ]);
});

test('errors come last, and a line sums up what there is and what is without effect', (t) => {
  const r = load('global_defs {\n bogus 1\n smtp_alert\n smtp_alert\n nftables\n}\n');
  t.deepEqual(
    [...renderDiagnostics(r.diagnostics, r.files).matchAll(/: (error|warning|info):/g)].map(
      (m) => m[1],
    ),
    ['info', 'warning', 'warning', 'error'],
  );
  t.is(summary(r.diagnostics), '1 error, 2 warnings, 1 info; without effect: smtp_alert (2)');
});

test('facts about the machine', (t) => {
  t.deepEqual(cpuList('0-3,6\n'), [0, 1, 2, 3, 6]);
  t.is(cpuList('none'), null);
  t.deepEqual(interfaceNames('Inter-|  Receive\n face |bytes\n    lo: 1 2\n eth0:5 6\n'), [
    'lo',
    'eth0',
  ]);
  const m = readMachine();
  t.true(m.cpus.length > 0);
  t.true(m.interfaces.some((i) => i.name === 'lo'));
});
