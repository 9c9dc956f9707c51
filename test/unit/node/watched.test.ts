import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import pino from 'pino';
import { listenLink } from '../../../src/kernel/io/link.js';
import { processId } from '../../../src/kernel/io/proc.js';
import { type FromProcess, protocolVersion, type ToProcess } from '../../../src/kernel/process.js';
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

test('a reload that is asked for while the process starts is not lost: it hears of it once', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'watched-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  let pid = 0;
  const w = watch({
    role: role(dir),
    launcher: {
      find: () => null,
      note: (_, id) => {
        pid = id.pid;
      },
      launch: () => spawnProgram(['sleep', '600'], { stdio: 'ignore' }),
    },
    log: pino({ level: 'silent' }),
    addon: null,
    launches: true,
    isEnding: () => false,
    onChange: () => undefined,
    onFirstFailure: () => undefined,
  });
  await until(() => pid !== 0);
  w.reload();
  w.reload();
  const heard: string[] = [];
  const server = await listenLink<ToProcess, FromProcess>({
    path: role(dir).socket,
    onError: (reason) => t.log(reason),
    onPeer: (peer) => {
      const version = '1.0.0';
      peer.send({ type: 'ready', role: 'vrrp', pid, version, protocol: protocolVersion });
      return { onMessage: (m) => void heard.push(m.type), onClose: () => undefined };
    },
  });
  await until(() => heard.includes('reload'));
  w.reload();
  await until(() => heard.filter((m) => m === 'reload').length === 2);
  t.deepEqual(heard, ['hello', 'reload', 'reload']);
  await w.stop();
  server.close();
});
