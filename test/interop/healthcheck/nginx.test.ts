/** The real probes against a real nginx: what keeps a server in, what takes it out, and how soon. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
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
  type Heard,
  httpPort,
  httpsPort,
  type Lab,
  openLab,
  type ServerNews,
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
const tls = { kind: 'SSL_GET', endpoint: to(httpsPort) } as const;
const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const news =
  (up: boolean, rs = 'rs') =>
  (m: Heard): m is ServerNews =>
    m.type === 'server' && m.rs === rs && m.up === up;
const isConfigured = (m: Heard): m is Extract<Heard, { type: 'configured' }> =>
  m.type === 'configured';
const isWhole = (m: Heard): m is Extract<Heard, { type: 'states' }> =>
  m.type === 'states' && m.whole;
const isStopped = (m: Heard): m is Extract<Heard, { type: 'stopped' }> => m.type === 'stopped';
/** For what has to come; a slow machine takes longer. */
const patienceMs = 30_000;

const until = async (done: () => boolean): Promise<void> => {
  for (let left = patienceMs / 50; left > 0 && !done(); left--) await pause(50);
};

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
  t.teardown(() => {
    h.close();
    h.process.kill('SIGKILL');
  });
  const realServers = Object.entries(probes).map(
    ([id, probe]): RealServerConfig => ({
      id,
      weight: 1,
      held: null,
      checkers: [{ ...times, alpha, probe }],
    }),
  );
  await h.heard(isWhole, patienceMs);
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
  for (const id of Object.keys(probes)) await h.heard(news(!alpha, id), patienceMs);
  await h.heard(isConfigured, patienceMs);
  return h;
}

test.serial('nginx is found up by every kind of probe', async (t) => {
  const digest = md5('healthy\n');
  const probes = {
    tcp: tcp(to(httpPort)),
    bound: tcp(to(httpPort, { bindAddress: checkerAddress, bindPort: 34_567 })),
    status: get({}),
    digest: get({ digest }),
    http11: get({ digest }, { protocol: '1.1' }),
    moved: get({ path: '/moved', status: [{ from: 301, to: 302 }] }),
    vhost: get({ path: '/host', host: 'www.example', digest: md5('host=www.example sni=\n') }),
    pattern: get({
      pattern: { source: '^heal', options: [], mustMatch: true, minOffset: 0, maxOffset: 0 },
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
    const m = await h.heard(news(true, id), patienceMs);
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
    const m = await h.heard(news(false, id), patienceMs);
    t.regex(m.reason, reason, id);
  }
});

test.serial('nginx ended: out after the retry; nginx back: in after one success', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  await h.heard(news(true), patienceMs);
  await lab.stopNginx();
  const killedAt = Date.now();
  const down = await h.heard(news(false), patienceMs);
  t.is(down.reason, 'HTTP_GET failed after 1 retry: connection refused (/health)');
  t.true(Date.now() - killedAt < outWithinMs);
  await lab.startNginx();
  const backAt = Date.now();
  await h.heard(news(true), patienceMs);
  t.true(Date.now() - backAt < times.delayLoopMs + 1000);
});

test.serial('a server behind a dropping filter times out, whatever asks', async (t) => {
  const h = await checking(t, { http: get({}), tcp: tcp(to(httpPort)) }, true);
  await h.heard(news(true, 'http'), patienceMs);
  await h.heard(news(true, 'tcp'), patienceMs);
  lab.filter('tcp dport 8080 drop;');
  const droppedAt = Date.now();
  const http = await h.heard(news(false, 'http'), patienceMs);
  t.is(http.reason, 'HTTP_GET failed after 1 retry: no answer within 500 ms (/health)');
  const plain = await h.heard(news(false, 'tcp'), patienceMs);
  t.is(plain.reason, 'TCP_CHECK failed after 1 retry: no answer within 500 ms');
  t.true(Date.now() - droppedAt < outWithinMs);
  lab.filter('');
  await h.heard(news(true, 'http'), patienceMs);
  await h.heard(news(true, 'tcp'), patienceMs);
  t.pass();
});

test.serial('a server that takes the connection and then says nothing times out', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  await h.heard(news(true), patienceMs);
  // Data is dropped, the handshake is not.
  lab.filter('tcp dport 8080 tcp flags & (psh) == psh drop;');
  const down = await h.heard(news(false), patienceMs);
  t.regex(down.reason, /no answer within 500 ms/);
});

test.serial('an unreachable host counts as a failure', async (t) => {
  const h = await checking(t, { rs: tcp(to(httpPort)) }, true);
  await h.heard(news(true), patienceMs);
  lab.filter('tcp dport 8080 reject with icmp type host-unreachable;');
  const down = await h.heard(news(false), patienceMs);
  t.is(down.reason, 'TCP_CHECK failed after 1 retry: host unreachable');
});

test.serial('silence is good for UDP_CHECK unless a reply is required', async (t) => {
  lab.filter('udp dport 5300 drop;');
  const h = await checking(t, { silent: udp(5300, null) }, true);
  t.is((await h.heard(news(true, 'silent'), patienceMs)).reason, 'UDP_CHECK success');
  const strict = await checking(t, { strict: udp(5300, '') }, false);
  t.regex(
    (await strict.heard(news(false, 'strict'), patienceMs)).reason,
    /no answer within 500 ms/,
  );
});

test.serial(
  'a bindto that is not here is a verdict after some runs, with the reason',
  async (t) => {
    const away = to(httpPort, { bindAddress: '10.213.0.99' });
    const h = await checking(t, { rs: tcp(away) }, false);
    const down = await h.heard(news(false), patienceMs);
    t.is(
      down.reason,
      'TCP_CHECK could not be made 3 times: the local address 10.213.0.99 (bindto) is not on this host',
    );
  },
);

test.serial('a short stop of the process takes no server out', async (t) => {
  const h = await checking(t, { tcp: tcp(to(httpPort)), http: get({}), tls: get({}, tls) }, true);
  for (const id of ['tcp', 'http', 'tls']) await h.heard(news(true, id), patienceMs);
  for (let n = 0; n < 5; n++) {
    h.process.kill('SIGSTOP');
    await pause(timeoutMs * 2);
    h.process.kill('SIGCONT');
    await pause(times.delayLoopMs + 37 * n);
  }
  h.reconnect();
  const whole = await h.heard(isWhole, patienceMs);
  t.deepEqual(
    whole.realServers.map((r) => [r.rs, r.up, r.reason.replace(/^\w+ /, '')]),
    ['tcp', 'http', 'tls'].map((rs) => [rs, true, 'success']),
  );
});

test.serial(
  'it outlives its controller, keeps checking, and reports its levels to the next',
  async (t) => {
    const h = await checking(t, { rs: get({}) }, true);
    await h.heard(news(true), patienceMs);
    h.close();
    await lab.stopNginx();
    const supervisor = h.connect('supervisor');
    t.teardown(() => supervisor.close());
    // Long enough for the retry to fail, with nobody connected.
    await pause(times.delayLoopMs * 4);
    h.reconnect();
    const whole = await h.heard(isWhole, patienceMs);
    t.is(whole.realServers.length, 1);
    if (whole.realServers[0]?.up === true) await h.heard(news(false), patienceMs);
    t.pass();
  },
);

test.serial('the stop of the supervisor is answered and ends the process', async (t) => {
  const h = await checking(t, { rs: get({}) }, true);
  const supervisor = h.connect('supervisor');
  t.teardown(() => supervisor.close());
  await until(() => supervisor.send({ type: 'stop' }));
  await h.heard(isStopped, patienceMs);
  t.is(await h.exit, 0);
});

test.serial(
  'nothing keeps an orphan alive: SIGTERM, or a run directory that is gone',
  async (t) => {
    const terminated = await checking(t, { rs: get({}) }, true);
    terminated.process.kill('SIGINT');
    await terminated.heard(news(true), patienceMs);
    terminated.process.kill('SIGTERM');
    t.is(await terminated.exit, 0);
    const orphan = await checking(t, { rs: get({}) }, true);
    orphan.close();
    rmSync(orphan.socketPath);
    t.is(await orphan.exit, 0);
  },
);
