import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ApiBackend, apiServer, RequestError } from '../../../src/api/server.js';
import { ApiError, callApi } from '../../../src/cli/client.js';

const unasked = (): never => {
  throw new Error('not asked for in this test');
};
const nothing: ApiBackend = {
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

const served = async (t: ExecutionContext, backend: Partial<ApiBackend>): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-api-'));
  const path = join(dir, 'keelson.sock');
  const server = apiServer({ ...nothing, ...backend });
  await new Promise<void>((listening) => server.listen(path, listening));
  t.teardown(() => {
    server.close();
    rmSync(dir, { recursive: true });
  });
  return path;
};

/** Sends bytes that need not be JSON. */
const raw = (socketPath: string, body: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const req = request(
      { socketPath, method: 'POST', path: '/v1/runtime', agent: false },
      (res) => {
        let text = '';
        res.on('data', (c: Buffer) => {
          text += c.toString();
        });
        res.on('end', () => resolve(`${res.statusCode} ${text}`));
      },
    );
    req.on('error', reject);
    req.end(body);
  });

test('commands reach the backend; the generation comes back', async (t) => {
  const seen: unknown[] = [];
  const path = await served(t, {
    change: async (commands) => {
      seen.push(commands);
      return { generation: 7 };
    },
  });
  const commands = [{ op: 'service.clear' }];
  t.deepEqual(await callApi(path, 'POST', '/v1/runtime', { commands }), { generation: 7 });
  t.deepEqual(seen, [commands]);
});

test('a refusal carries its code, its sentence and the command at fault', async (t) => {
  const path = await served(t, {
    change: async () => {
      throw new RequestError('KS_RUNTIME_REFUSED', 'there is no service', 3);
    },
  });
  const e = await t.throwsAsync(callApi(path, 'POST', '/v1/runtime', { commands: [] }), {
    instanceOf: ApiError,
    message: 'there is no service',
  });
  t.like(e, { code: 'KS_RUNTIME_REFUSED', index: 3 });
});

test('a body that is none is told, and nothing is asked of the backend', async (t) => {
  const path = await served(t, {});
  t.regex(await raw(path, '{"commands":'), /^409 .*the body is no JSON/);
  for (const body of ['', '[]', 'null', '7', '{"commands":{}}'])
    t.regex(await raw(path, body), /^409 .*with a list `commands`/, body);
});

test('a table that is not there is told with those that are', async (t) => {
  const path = await served(t, { table: async () => [] });
  t.deepEqual(await callApi(path, 'GET', '/v1/tables?name=routes'), []);
  await t.throwsAsync(callApi(path, 'GET', '/v1/tables?name=chairs'), {
    message: 'there is addresses, routes, neighbours',
  });
});

test('what goes wrong inside is an answer, and the next question is answered as well', async (t) => {
  const path = await served(t, { links: () => [] });
  await t.throwsAsync(callApi(path, 'GET', '/v1/runtime'), { message: /not asked for/ });
  t.deepEqual(await callApi(path, 'GET', '/v1/links'), []);
});
