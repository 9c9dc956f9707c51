/** A process that restricts itself and then tries what it must not be able to do; prints JSON. */
import { createSocket } from 'node:dgram';
import { closeSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { patternMatcher } from '../../../src/healthcheck/probes/io/patterns.js';
import { probeRunner } from '../../../src/healthcheck/probes/table.js';
import { runningClock } from '../../../src/healthcheck/running-clock.js';
import { loadAddon } from '../../../src/kernel/io/addon.js';
import { monotonicClock } from '../../../src/kernel/io/clock.js';
import { askProgram, forkModule } from '../programs/programs.js';

const loaded = loadAddon();
if (typeof loaded === 'string') throw new Error(loaded);
const addon = loaded;

const codeOf = (f: () => unknown): string => {
  try {
    f();
    return 'done';
  } catch (e) {
    return String(Reflect.get(Object(e), 'code'));
  }
};

const server = createServer((s) => {
  // The probe ends with a reset.
  s.on('error', () => s.destroy());
  s.end('HTTP/1.0 200 OK\r\n\r\nfine');
});
const port = await new Promise<number>((resolve) =>
  server.listen(0, '127.0.0.1', () => {
    const at = server.address();
    resolve(typeof at === 'object' && at !== null ? at.port : 0);
  }),
);
const dir = mkdtempSync(join(tmpdir(), 'keelson-restricted-'));
addon.restrictSystemCalls();

const forked = await new Promise<string>((resolve) => {
  try {
    const child = forkModule(fileURLToPath(import.meta.url));
    child.once('error', (e) => resolve(String(Reflect.get(e, 'code'))));
    child.once('exit', () => resolve('done'));
  } catch (e) {
    resolve(String(Reflect.get(Object(e), 'code')));
  }
});
const begin = probeRunner(runningClock(monotonicClock), patternMatcher(addon));
const url = {
  path: '/',
  status: [],
  digest: null,
  pattern: { source: 'f.n', options: [], mustMatch: true, minOffset: 0, maxOffset: null },
  host: null,
  serverName: null,
} as const;
const endpoint = { address: '127.0.0.1', port, bindAddress: null, bindPort: null };
const checked = await new Promise<string>((resolve) => {
  begin({ kind: 'HTTP_GET', endpoint, timeoutMs: 60_000, protocol: '1.0', urls: [url] }, (r) =>
    resolve(r.type),
  );
});
const udp = await new Promise<string>((resolve) => {
  const s = createSocket('udp6');
  s.once('error', (e) => resolve(String(Reflect.get(e, 'code'))));
  s.bind(0, '::1', () => s.close(() => resolve('done')));
});
const thread = await new Promise<string>((resolve) => {
  const w = new Worker('require("node:worker_threads").parentPort.postMessage("runs")', {
    eval: true,
  });
  w.once('message', resolve);
  w.once('error', (e) => resolve(String(e)));
});
const report = {
  spawn: String(Reflect.get(askProgram([process.execPath, '--version']).error ?? {}, 'code')),
  fork: forked,
  raw: codeOf(() =>
    addon.rawSocketOpen({
      protocol: 112,
      device: 'lo',
      mcastGroup: null,
      source: null,
      ttl: 255,
      tos: 0,
    }),
  ),
  netlink: codeOf(() => addon.linkDump()),
  kill: codeOf(() => process.kill(process.ppid, 0)),
  own: codeOf(() => process.kill(process.pid, 0)),
  symlink: codeOf(() => symlinkSync('/etc/passwd', join(dir, 'link'))),
  file: codeOf(() => writeFileSync(join(dir, 'file'), 'x')),
  read: codeOf(() => closeSync(openSync('/etc/hostname', 'r'))),
  checked,
  udp,
  thread,
};
rmSync(dir, { recursive: true });
process.stdout.write(JSON.stringify(report));
process.exit(0);
