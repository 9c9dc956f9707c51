import { request } from 'node:http';
import test from 'ava';
import { nothingMore } from '../../../src/api/status.js';
import { readLines } from '../../../src/cli/client.js';
import type { SessionRow } from '../../../src/dataplane/codec.js';
import type { ServerTable } from '../../../src/dataplane/counters.js';
import { apiBackend, sessionViews } from '../../../src/node/api-backend.js';
import { configOf, realServer, runningNode, service } from '../cluster/fixture.js';
import { nothing, served } from './served.js';

const row = (i: number): SessionRow =>
  ({
    client: '192.0.2.1',
    vip: '198.51.100.80',
    lip: '10.1.0.200',
    rs: '10.1.0.11',
    cport: 1024 + (i % 60_000),
    vport: 80,
    lport: 1024 + (i % 60_000),
    rport: 80,
    proto: 6,
    af: 4,
    flags: 0,
    state: 1,
    worker: 0,
    expiresMs: 1000,
  }) as unknown as SessionRow;

const pageRows = 512;

/** A data plane with so many sessions; counts the pages that were asked for. */
const sessionsOf = (n: number) => {
  let made = 0;
  let closed = false;
  return {
    made: () => made,
    closed: () => closed,
    pages: async function* () {
      try {
        for (let at = 0; at < n; at += pageRows) {
          made += 1;
          yield Array.from({ length: Math.min(pageRows, n - at) }, (_, i) => row(at + i));
        }
      } finally {
        closed = true;
      }
    },
  };
};

const query = { limit: 0, client: null, vip: null };
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((r) => setImmediate(r));
};

test('a client that does not read holds the data plane back; a million rows then arrive whole', async (t) => {
  const rows = 1_000_000;
  const dataplane = sessionsOf(rows);
  const path = await served(t, {
    sessions: () => ({
      head: null,
      name: 'sessions',
      batches: sessionViews(dataplane.pages, query),
    }),
  });
  const res = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const how = { socketPath: path, path: '/v1/sessions?limit=0', agent: false };
    request(how, resolve).on('error', reject).end();
  });
  let before = -1;
  while (dataplane.made() !== before) {
    before = dataplane.made();
    await turns(200);
  }
  t.true(before < 100, `${before} pages were made for a client that has read nothing`);
  let lines = 0;
  let readBytes = 0;
  let ahead = 0;
  const bytesOfPage = pageRows * 150;
  for await (const chunk of res as AsyncIterable<Buffer>) {
    readBytes += chunk.length;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
    ahead = Math.max(ahead, dataplane.made() - readBytes / bytesOfPage);
  }
  t.is(lines, rows + 2);
  t.is(dataplane.made(), Math.ceil(rows / pageRows));
  t.true(ahead < 400, `at most ${Math.round(ahead)} pages were held`);
});

test('a client that goes away ends the listing', async (t) => {
  const dataplane = sessionsOf(1_000_000);
  const path = await served(t, {
    sessions: () => ({ head: null, name: 's', batches: sessionViews(dataplane.pages, query) }),
  });
  for await (const lines of readLines(path, '/v1/sessions')) {
    t.true(lines.length > 0);
    break;
  }
  while (!dataplane.closed()) await turns(10);
  t.true(dataplane.made() < 1000);
});

test('a listing that fails: with a status before the first row, without its end after it', async (t) => {
  const failing = (after: number) =>
    (async function* () {
      for (let i = 0; i < after; i++) yield [row(i)];
      throw new Error('the data plane does not answer');
    })();
  for (const after of [0, 3]) {
    const path = await served(t, {
      sessions: () => ({ head: null, name: 's', batches: failing(after) as never }),
    });
    let seen = 0;
    await t.throwsAsync(
      async () => {
        for await (const lines of readLines(path, '/v1/sessions')) seen += lines.length;
      },
      after === 0 ? { message: 'the data plane does not answer' } : { message: /ended/ },
    );
    t.true(seen <= after);
  }
});

test('status of many servers is made in turns, and what is wrong comes first', async (t) => {
  const services = Array.from({ length: 200 }, (_, i) =>
    service(1000 + i, '', '10.1.0.11 10.1.0.12'),
  );
  const n = runningNode(configOf(services.join('\n')));
  n.tell(realServer('10.1.0.12', false, 1150));
  const state = n.state();
  let read = 0;
  const servers: ServerTable = {
    memory: new ArrayBuffer(0),
    generation: 1,
    slots: 0,
    at: () => {
      read += 1;
      return null;
    },
  };
  const backend = apiBackend({
    state: () => state,
    dataplane: {
      overview: () => null,
      servers: () => servers,
      list: async () => [],
      sessionPages: () => sessionsOf(0).pages(),
      lease: async () => [],
    },
    startedAt: 0,
    configuration: () => ({ loadedAt: 0, error: null }),
    more: () => nothingMore,
    reload: async () => ({ ok: true, text: '', changes: [] }),
    change: async () => ({ ok: true, generation: 1 }),
    isStopping: () => false,
    log: { info: () => undefined },
  });
  const path = await served(t, { ...nothing, status: backend.status });
  const rows: unknown[] = [];
  for await (const lines of readLines(path, '/v1/status?services=3&first=wrong'))
    for (const l of lines) rows.push(l);
  t.is(rows.length, 4, 'the head and three virtual servers');
  t.like(rows[0], { summary: { virtualServers: 200, realServers: 400, out: 1 } });
  t.like(rows[1], { port: 1150 });
  t.is(read, 0);
  let biggest = 0;
  const all = await backend.status({ services: 0, first: 'all' });
  for await (const batch of all.batches) biggest = Math.max(biggest, batch.length);
  t.true(biggest <= 16, 'one turn makes a few rows');
});
