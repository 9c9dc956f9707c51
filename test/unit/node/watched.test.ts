import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import pino from 'pino';
import { processId } from '../../../src/kernel/io/proc.js';
import type { Launcher } from '../../../src/node/launch.js';
import type { Role } from '../../../src/node/roles.js';
import { watch } from '../../../src/node/watched.js';
import { spawnProgram } from '../../support/programs/programs.js';

const role = (dir: string): Role => ({
  name: 'vrrp',
  program: '',
  args: [],
  marks: [],
  socket: join(dir, 'vrrp.sock'),
  pidFile: join(dir, 'vrrp.pid'),
  lockFile: join(dir, 'vrrp.lock'),
  environment: {},
  reads: [],
  limits: { startMs: 600_000, silenceMs: 600_000, stopMs: 100 },
});

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((r) => setTimeout(r, 10));
};

test('a process that cannot be started (EMFILE, EAGAIN, ENOENT) is tried again, more slowly', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'watched-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const attempts: number[] = [];
  const noted: number[] = [];
  const launcher: Launcher = {
    find: () => null,
    note: (_, id) => void noted.push(id.pid),
    launch: () => {
      attempts.push(performance.now());
      if (attempts.length <= 2) throw Object.assign(new Error('spawn EMFILE'), { code: 'EMFILE' });
      return spawnProgram(['sleep', '600'], { stdio: 'ignore' });
    },
  };
  const failures: string[] = [];
  const w = watch({
    role: role(dir),
    launcher,
    log: pino({ level: 'silent' }),
    addon: null,
    launches: true,
    isEnding: () => false,
    onChange: () => undefined,
    onFirstFailure: (why) => void failures.push(why),
  });
  await until(() => noted.length === 1);
  t.is(attempts.length, 3);
  t.true((attempts[2] ?? 0) - (attempts[1] ?? 0) >= 240);
  t.is(failures.length, 2);
  t.regex(failures[0] ?? '', /cannot be started: .*EMFILE/);
  t.like(w.status(), { state: 'starting', pid: noted[0] ?? 0 });
  // It does not answer, so the stop ends with a kill.
  await w.stop();
  t.is(processId(noted[0] ?? 0), null);
});
