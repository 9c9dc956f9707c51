/** The real probes against a real nginx: what keeps a server in, what takes it out, and how soon. */
import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { FromHealthcheck } from '../../../src/healthcheck/messages.js';
import type {
  CheckerConfig,
  Endpoint,
  HttpProbe,
  HttpUrl,
  ProbeSpec,
  RealServerConfig,
} from '../../../src/healthcheck/types.js';
import {
  checkerAddress,
  type Healthcheck,
  httpPort,
  httpsPort,
  type Lab,
  openLab,
  serverAddress,
} from './lab.js';

const times: Omit<CheckerConfig, 'probe'> = {
  delayLoopMs: 500,
  retry: 1,
  delayBeforeRetryMs: 200,
  warmupMs: 0,
  alpha: false,
  logAllFailures: true,
};
const timeoutMs = 500;
/** A run is due within delay_loop, may take connect_timeout, and is tried once more; the rest is the machine's. */
const outWithinMs = 500 + 2 * timeoutMs + 200 + 1000;

const to = (port: number, more: Partial<Endpoint> = {}): Endpoint => ({
  address: serverAddress,
  port,
  bindAddress: null,
  bindPort: null,
  ...more,
});
const url: HttpUrl = {
  path: '/health',
  status: [],
  digest: null,
  pattern: null,
  host: null,
  serverName: null,
};
const get = (more: Partial<HttpUrl>, probe: Partial<HttpProbe> = {}): HttpProbe => ({
  kind: 'HTTP_GET',
  endpoint: to(httpPort),
  timeoutMs,
  protocol: '1.0',
  urls: [{ ...url, ...more }],
  ...probe,
});
const tcp = (endpoint: Endpoint): ProbeSpec => ({ kind: 'TCP_CHECK', endpoint, timeoutMs });
const udp = (port: number, requireReply: string | null): ProbeSpec => ({
  kind: 'UDP_CHECK',
  endpoint: to(port),
  timeoutMs,
  payload: null,
  requireReply,
  minReplyLength: 0,
  maxReplyLength: 255,
});
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

type ServerNews = Extract<FromHealthcheck, { type: 'realServer' }>;
const news =
  (up: boolean, rs = 'rs') =>
  (m: FromHealthcheck): m is ServerNews =>
    m.type === 'realServer' && m.rs === rs && m.up === up;
const isConfigured = (m: FromHealthcheck): m is Extract<FromHealthcheck, { type: 'configured' }> =>
  m.type === 'configured';
const isLog = (m: FromHealthcheck): m is Extract<FromHealthcheck, { type: 'log' }> =>
  m.type === 'log';

let lab: Lab;
test.before(() => {
  lab = openLab();
});
test.after.always(() => lab.close());
test.beforeEach(() => lab.startNginx());
test.afterEach.always(async () => {
  lab.filter('');
  await lab.stopNginx();
});

/** Starts the process with one real server for each probe; their first news is behind us. */
async function checking(
  t: ExecutionContext,
  probes: Readonly<Record<string, ProbeSpec>>,
  alpha: boolean,
): Promise<Healthcheck> {
  const h = lab.startHealthcheck();
  t.teardown(() => void h.process.kill('SIGKILL'));
  const realServers = Object.entries(probes).map(
    ([id, probe]): RealServerConfig => ({
      id,
      weight: 1,
      held: null,
      checkers: [{ ...times, alpha, probe }],
    }),
  );
  h.send({
    type: 'configure',
    revision: 1,
    whole: true,
    more: false,
    removed: [],
    virtualServers: [
      {
        id: 'vs',
        quorum: 1,
        hysteresis: 0,
        alpha,
        quorumHeld: null,
        suspended: false,
        realServers,
      },
    ],
  });
  for (const id of Object.keys(probes)) await h.heard(news(!alpha, id), 5000);
  await h.heard(isConfigured, 5000);
  return h;
}

test.serial('nginx is found up by every kind of probe', async (t) => {
  const digest = md5('healthy\n');
  const tls = { kind: 'SSL_GET', endpoint: to(httpsPort) } as const;
  const probes = {
    tcp: tcp(to(httpPort)),
    bound: tcp(to(httpPort, { bindAddress: checkerAddress, bindPort: 34_567 })),
    status: get({}),
    digest: get({ digest }),
    http11: get({ digest }, { protocol: '1.1' }),
    moved: get({ path: '/moved', status: [{ from: 301, to: 302 }] }),
    vhost: get({ path: '/host', host: 'www.example', digest: md5('host=www.example sni=\n') }),
    pattern: get({
      pattern: { source: '^heal', flags: '', mustMatch: true, minOffset: 0, maxOffset: 0 },
    }),
    several: get({}, { urls: [url, { ...url, path: '/host' }] }),
    tls: get({ digest }, tls),
    sni: get(
      {
        path: '/host',
        host: 'a.example',
        serverName: 'b.example',
        digest: md5('host=a.example sni=b.example\n'),
      },
      tls,
    ),
  };
  const h = await checking(t, probes, true);
  for (const id of Object.keys(probes)) {
    const m = await h.heard(news(true, id), 5000);
    t.regex(m.reason, /success$/, id);
  }
});

test.serial('a wrong answer takes the server out, with the reason', async (t) => {
  const probes = {
    status: get({ path: '/broken' }),
    moved: get({ path: '/moved' }),
    digest: get({ digest: md5('something else') }),
    second: get({}, { urls: [url, { ...url, path: '/broken' }] }),
    refused: tcp(to(1)),
    plain: get({}, { kind: 'SSL_GET' }),
    udpRefused: udp(1, null),
  };
  const expected: Readonly<Record<keyof typeof probes, RegExp>> = {
    status: /^HTTP_GET failed: status 503 \(\/broken\)$/,
    moved: /status 302/,
    digest: new RegExp(`digest ${md5('healthy\n')}`),
    second: /status 503 \(\/broken\)/,
    refused: /^TCP_CHECK failed: connection refused$/,
    plain: /^SSL_GET failed: /,
    udpRefused: /^UDP_CHECK failed: connection refused$/,
  };
  const h = await checking(t, probes, false);
  for (const [id, reason] of Object.entries(expected)) {
    const m = await h.heard(news(false, id), 5000);
    t.regex(m.reason, reason, id);
  }
});

test.serial('nginx ended: out after the retry; nginx back: in after one success', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  await h.heard(news(true), 5000);
  await lab.stopNginx();
  const killedAt = Date.now();
  const down = await h.heard(news(false), 5000);
  t.is(down.reason, 'HTTP_GET failed after 1 retry: connection refused (/health)');
  t.true(Date.now() - killedAt < outWithinMs);
  await lab.startNginx();
  const backAt = Date.now();
  await h.heard(news(true), 5000);
  t.true(Date.now() - backAt < times.delayLoopMs + 1000);
});

test.serial('a server behind a dropping filter times out, whatever asks', async (t) => {
  const h = await checking(t, { http: get({}), tcp: tcp(to(httpPort)) }, true);
  await h.heard(news(true, 'http'), 5000);
  await h.heard(news(true, 'tcp'), 5000);
  lab.filter('tcp dport 8080 drop;');
  const droppedAt = Date.now();
  const http = await h.heard(news(false, 'http'), 5000);
  t.is(http.reason, 'HTTP_GET failed after 1 retry: no answer within 500 ms (/health)');
  const plain = await h.heard(news(false, 'tcp'), 5000);
  t.is(plain.reason, 'TCP_CHECK failed after 1 retry: no answer within 500 ms');
  t.true(Date.now() - droppedAt < outWithinMs);
  lab.filter('');
  await h.heard(news(true, 'http'), 5000);
  await h.heard(news(true, 'tcp'), 5000);
  t.pass();
});

test.serial('a server that takes the connection and then says nothing times out', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  await h.heard(news(true), 5000);
  // Data is dropped, the handshake is not.
  lab.filter('tcp dport 8080 tcp flags & (psh) == psh drop;');
  const down = await h.heard(news(false), 5000);
  t.regex(down.reason, /no answer within 500 ms/);
});

test.serial('an unreachable host counts as a failure', async (t) => {
  const h = await checking(t, { rs: tcp(to(httpPort)) }, true);
  await h.heard(news(true), 5000);
  lab.filter('tcp dport 8080 reject with icmp type host-unreachable;');
  const down = await h.heard(news(false), 5000);
  t.is(down.reason, 'TCP_CHECK failed after 1 retry: host unreachable');
});

test.serial('silence is good for UDP_CHECK unless a reply is required', async (t) => {
  lab.filter('udp dport 5300 drop;');
  const h = await checking(t, { silent: udp(5300, null) }, true);
  t.is((await h.heard(news(true, 'silent'), 5000)).reason, 'UDP_CHECK success');
  const strict = await checking(t, { strict: udp(5300, '') }, false);
  t.regex((await strict.heard(news(false, 'strict'), 5000)).reason, /no answer within 500 ms/);
});

test.serial('a local address that is not ours is no fault of the server', async (t) => {
  const h = await checking(t, { rs: tcp(to(httpPort, { bindAddress: '10.213.0.99' })) }, false);
  const log = await h.heard(isLog, 5000);
  t.is(log.msg, 'TCP_CHECK could not be run');
  t.is(log.fields['errno'], 'EADDRNOTAVAIL');
  await t.throwsAsync(h.heard(news(false), 1500));
});

test.serial('the process outlives signals to its group and ends with its channel', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  h.process.kill('SIGTERM');
  h.process.kill('SIGINT');
  await h.heard(news(true), 5000);
  h.process.disconnect();
  t.is(await h.exit, 0);
});

test.serial('shutdown is answered and ends the process', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  h.send({ type: 'shutdown' });
  await h.heard(
    (m): m is Extract<FromHealthcheck, { type: 'stopped' }> => m.type === 'stopped',
    5000,
  );
  t.is(await h.exit, 0);
});
