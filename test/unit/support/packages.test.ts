/** A program that a test starts comes with a package that scripts/setup installs, or the test ends with what to do. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import {
  namedPackages,
  programsOf,
  readInstalled,
  readOwners,
  reliable,
} from '../../support/programs/packages.js';
import {
  checkedArgv,
  checkedProgram,
  outputOf,
  owned,
  root,
} from '../../support/programs/programs.js';

test('scripts/packages names packages by group, comments aside', (t) => {
  t.deepEqual(namedPackages('# x y\ndemo gcc\n\ntest  bird2 # OSPF\n'), ['gcc', 'bird2']);
  const ours = namedPackages(readFileSync(path.join(root, 'scripts/packages'), 'utf8'));
  for (const name of ['bird2', 'keepalived', 'nginx-light', 'tshark']) t.true(ours.includes(name));
});

test('what a named package depends on may be relied on, what the machine happens to have may not', (t) => {
  const installed = readInstalled(
    [
      'nginx-light\tno\tnginx (>= 1.22), nginx (<< 1.23), libx:any | liby, ',
      'nginx\tno\tlibc6, ',
      'coreutils\tyes\t, libc6',
      'bird2\tno\tlibc6, ',
      '',
    ].join('\n'),
  );
  const names = reliable(['nginx-light'], installed);
  t.deepEqual([...names].sort(), ['coreutils', 'libx', 'liby', 'nginx', 'nginx-light']);
});

test('owners are read from dpkg -S, diversions aside', (t) => {
  t.deepEqual(
    readOwners(
      'diversion by dash from: /bin/sh\niproute2: /sbin/ip\nlibc6:amd64, libc-bin: /x: y\n',
    ),
    ['iproute2', 'libc6', 'libc-bin'],
  );
});

test('wrappers are seen through', (t) => {
  const programs = (line: string): readonly string[] => {
    const argv = line.split(' ');
    return programsOf(argv).map((i) => argv[i] ?? '');
  };
  t.deepEqual(programs('bird -f'), ['bird']);
  t.deepEqual(programs('ip -n x link'), ['ip']);
  t.deepEqual(programs('ip netns exec ns bird -f'), ['ip', 'bird']);
  t.deepEqual(programs('ip netns exec ns timeout 1 curl -s ip'), ['ip', 'timeout', 'curl']);
  t.deepEqual(programs('setpriv --a=b --c node x'), ['setpriv', 'node']);
  t.deepEqual(programs('ip netns exec ns'), ['ip']);
});

test('programs of this checkout, of Node.js and of the system are started, by their files', (t) => {
  t.is(checkedProgram(process.execPath), process.execPath);
  t.is(checkedProgram(path.join(root, 'bin/keelson')), path.join(root, 'bin/keelson'));
  const [ip, , , , sh] = checkedArgv(['ip', 'netns', 'exec', 'x', 'sh', '-c', 'true']);
  t.regex(ip, /^\/.*bin\/ip$/);
  t.regex(sh ?? '', /^\/.*bin\/sh$/);
});

test('a program that is missing is named together with what installs it', (t) => {
  t.throws(() => checkedProgram('no-such-program-here'), {
    message: /^no-such-program-here is in none of .*scripts\/setup.*scripts\/packages$/,
  });
});

test('a program of a package that is not named is refused, with its package', (t) => {
  t.throws(() => owned('ip', '/usr/bin/ip', new Set(['coreutils'])), {
    message: /^ip \(.*\) belongs to the Debian package iproute2, which scripts\/packages does not/,
  });
  t.is(owned('ip', '/usr/bin/ip', new Set(['iproute2'])), '/usr/bin/ip');
});

test('a program of no package is refused, unless the test has made it', (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'keelson-made-'));
  const made = path.join(dir, 'made');
  writeFileSync(made, '#!/bin/sh\necho made\n', { mode: 0o755 });
  t.is(outputOf([made]).toString(), 'made\n');
  rmSync(dir, { recursive: true });
  t.throws(() => checkedProgram('/etc/hostname'), { message: /belongs to no Debian package/ });
});

const files = (dir: string): readonly string[] =>
  readdirSync(path.join(root, dir), { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? files(path.join(dir, e.name)) : [path.join(dir, e.name)],
  );

test('tests start programs through one place only', (t) => {
  const elsewhere = files('test')
    .filter((f) => f.endsWith('.ts') && f !== 'test/support/programs/programs.ts')
    .filter((f) =>
      /import (?!type\b)[^;]*from 'node:child_process'/.test(
        readFileSync(path.join(root, f), 'utf8'),
      ),
    );
  t.deepEqual(elsewhere, [], 'use test/support/programs/programs.ts');
});
