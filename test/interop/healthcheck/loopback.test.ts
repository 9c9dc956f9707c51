/** Servers that behave in ways nginx does not: each on a loopback port of its own. */
import { createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { patternMatcher } from '../../../src/healthcheck/probes/io/patterns.js';
import { probeRunner } from '../../../src/healthcheck/probes/table.js';
import { runningClock } from '../../../src/healthcheck/running-clock.js';
import { sharedClock } from '../../../src/healthcheck/timers.js';
import type { HttpProbe, ProbeResult, ProbeSpec } from '../../../src/healthcheck/types.js';
import { loadAddon } from '../../../src/kernel/io/addon.js';
import { monotonicClock } from '../../../src/kernel/io/clock.js';

const addon = loadAddon();
if (typeof addon === 'string') throw new Error(addon);
const beginProbe = probeRunner(runningClock(sharedClock(monotonicClock)), patternMatcher(addon));

const timeoutMs = 300;

const run = (spec: ProbeSpec): Promise<ProbeResult> =>
  new Promise((resolve) => void beginProbe(spec, resolve));

/** A server on a free port of `address`; `talk` has the connection. */
function serve(
  t: ExecutionContext,
  talk: (s: Socket) => void,
  address = '127.0.0.1',
): Promise<number> {
  const open = new Set<Socket>();
  const server: Server = createServer((s) => {
    open.add(s);
    // The probe ends with a reset, which is no news here.
    s.on('error', () => s.destroy());
    s.once('close', () => open.delete(s));
    talk(s);
  });
  t.teardown(() => {
    for (const s of open) s.destroy();
    server.close();
  });
  return new Promise((resolve) =>
    server.listen(0, address, () => {
      const at = server.address();
      resolve(typeof at === 'object' && at !== null ? at.port : 0);
    }),
  );
}

const get = (port: number, more: Partial<HttpProbe> = {}, address = '127.0.0.1'): HttpProbe => ({
  kind: 'HTTP_GET',
  endpoint: { address, port, bindAddress: null, bindPort: null },
  timeoutMs,
  protocol: '1.0',
  urls: [{ path: '/', status: [], digest: null, pattern: null, host: null, serverName: null }],
  ...more,
});

const onRequest = (answer: string) => (s: Socket) => void s.once('data', () => s.write(answer));
const failure = (r: ProbeResult): unknown => (r.type === 'failed' ? r.failure : r.type);

test('a server that keeps the connection open is up at its Content-Length', async (t) => {
  const port = await serve(t, onRequest('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  t.is((await run(get(port))).type, 'ok');
});

test('a server that keeps the connection open is up at the end of its chunks', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  const port = await serve(t, onRequest(`${head}2\r\nok\r\n0\r\n\r\n`));
  t.is((await run(get(port, { protocol: '1.1' }))).type, 'ok');
});

test('probes speak IPv6', async (t) => {
  const talk = onRequest('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const port = await serve(t, talk, '::1');
  t.is((await run(get(port, {}, '::1'))).type, 'ok');
});

test('a server that trickles for ever is given three silences and no more', async (t) => {
  const port = await serve(t, (s) => {
    s.write('HTTP/1.0 200 OK\r\n\r\n');
    const drip = setInterval(() => s.write('x'), 50);
    s.once('close', () => clearInterval(drip));
  });
  t.deepEqual(failure(await run(get(port))), { type: 'timeout', afterMs: 3 * timeoutMs });
});

test('a server that takes the connection but not the TLS handshake times out', async (t) => {
  const port = await serve(t, () => undefined);
  t.deepEqual(failure(await run(get(port, { kind: 'SSL_GET' }))), {
    type: 'timeout',
    afterMs: timeoutMs,
  });
});

test('a server that resets instead of answering is down by that', async (t) => {
  const port = await serve(t, (s) => void s.once('data', () => s.resetAndDestroy()));
  t.deepEqual(failure(await run(get(port))), { type: 'errno', errno: 'ECONNRESET' });
});

test('a server that closes without a word is down by that', async (t) => {
  const port = await serve(t, (s) => void s.once('data', () => s.end()));
  t.deepEqual(failure(await run(get(port))), {
    type: 'protocol',
    what: 'closed without an answer',
  });
});

test('a cancelled probe lets go of its connection at once', async (t) => {
  const closed = new Promise<void>((resolve) => {
    void serve(t, (s) => {
      s.resume();
      s.once('close', () => resolve());
      cancel();
    }).then((port) => {
      cancel = beginProbe(get(port, { timeoutMs: 60_000 }), () => undefined);
    });
  });
  let cancel = (): void => undefined;
  await closed;
  t.pass();
});

const tcp = (port: number): ProbeSpec => ({
  kind: 'TCP_CHECK',
  endpoint: { address: '127.0.0.1', port, bindAddress: null, bindPort: null },
  timeoutMs,
});

test('a server that accepts and resets is up for TCP_CHECK, each time it is asked', async (t) => {
  const port = await serve(t, (s) => void s.resetAndDestroy());
  const results = await Promise.all(Array.from({ length: 200 }, () => run(tcp(port))));
  t.deepEqual(
    results.filter((r) => r.type !== 'ok'),
    [],
  );
});

test('a refused connection is a failure of TCP_CHECK', async (t) => {
  const port = await serve(t, () => undefined);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const at = other.address();
  await new Promise((resolve) => other.close(resolve));
  const refused = typeof at === 'object' && at !== null ? at.port : 0;
  t.deepEqual(failure(await run(tcp(refused))), { type: 'errno', errno: 'ECONNREFUSED' });
  t.is((await run(tcp(port))).type, 'ok');
});

test('a body that a pattern cannot cope with fails the check and costs little time', async (t) => {
  const body = `${'a'.repeat(5000)}b`;
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const port = await serve(t, onRequest(answer));
  const pattern = {
    source: '(a+)+$',
    options: [],
    mustMatch: true,
    minOffset: 0,
    maxOffset: null,
  };
  const urls = [
    { path: '/', status: [], digest: null, pattern, host: null, serverName: null },
  ] as const;
  const r = await run(get(port, { urls }));
  t.is(r.type, 'failed');
  t.regex(JSON.stringify(failure(r)), /the regular expression/);
});
