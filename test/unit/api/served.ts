/** An API server on a socket of its own, with a backend of which a test says only what it needs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type ApiBackend, type ApiLimits, apiLimits, apiServer } from '../../../src/api/server.js';
import type { Streamed } from '../../../src/api/stream.js';

const unasked = (): never => {
  throw new Error('not asked for in this test');
};

export const nothing: ApiBackend = {
  status: unasked,
  sessions: unasked,
  drops: unasked,
  counters: unasked,
  reload: unasked,
  services: unasked,
  zero: unasked,
  links: unasked,
  table: unasked,
  runtime: unasked,
  change: unasked,
};

export const served = async (
  t: ExecutionContext,
  backend: Partial<ApiBackend>,
  limits: Partial<ApiLimits> = {},
): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-api-'));
  const path = join(dir, 'keelson.sock');
  const server = apiServer({ ...nothing, ...backend }, { ...apiLimits, ...limits });
  await new Promise<void>((listening) => server.listen(path, listening));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true });
  });
  return path;
};

export const rowsOf = <Row>(rows: readonly Row[]): Streamed<Row> => ({
  head: null,
  name: 'rows',
  batches: (async function* () {
    yield rows;
  })(),
});

export interface Answered {
  readonly status: number;
  readonly text: string;
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  /** Chunked when it is more than one piece. */
  readonly body?: readonly (string | Uint8Array)[];
}

/** Sends anything at all; resolves with what came back. */
export const ask = (socketPath: string, a: Asked): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const body = (a.body ?? []).map((piece) => Buffer.from(piece));
    const [first] = body;
    const length =
      body.length > 1
        ? { 'transfer-encoding': 'chunked' }
        : { 'content-length': first?.length ?? 0 };
    const req = request(
      {
        socketPath,
        method: a.method ?? 'POST',
        path: a.path ?? '/v1/runtime',
        agent: false,
        headers: { ...length, ...(a.type === undefined ? {} : { 'content-type': a.type }) },
      },
      (res) => {
        let text = '';
        res.on('data', (c: Buffer) => {
          text += c.toString();
        });
        const done = (): void => resolve({ status: res.statusCode ?? 0, text });
        res.on('end', done);
        res.on('error', done);
        // A refusal may come before the body is sent: the connection then ends.
        req.off('error', reject);
        req.on('error', () => undefined);
      },
    );
    req.on('error', reject);
    for (const piece of body) req.write(piece);
    req.end();
  });
