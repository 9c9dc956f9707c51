import test from 'ava';
import { RequestError } from '../../../src/api/errors.js';
import { ApiError, callApi, sendLines } from '../../../src/cli/client.js';
import { ask, rowsOf, served } from './served.js';

const clear = { op: 'service.clear' };

test('commands reach the backend; the generation comes back', async (t) => {
  const seen: unknown[] = [];
  const path = await served(t, {
    change: async (commands) => {
      seen.push(commands);
      return { generation: 7 };
    },
  });
  t.deepEqual(await callApi(path, 'POST', '/v1/runtime', { commands: [clear] }), { generation: 7 });
  t.deepEqual(await sendLines(path, '/v1/runtime', [clear, clear]), { generation: 7 });
  t.deepEqual(seen, [[clear], [clear, clear]]);
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

test('each kind of fault has its own status', async (t) => {
  const path = await served(t, {
    links: () => [],
    change: async () => {
      throw new RequestError('KS_RUNTIME_REFUSED', 'it is there already', 0);
    },
    zero: () => {
      throw new RequestError('KS_RUNTIME_NO_SERVICE', 'there is no service');
    },
    drops: () => {
      throw new RequestError('KS_DATAPLANE_DOWN', 'the data plane is not connected');
    },
  });
  const get = (target: string) => ask(path, { method: 'GET', path: target });
  t.is((await get('/v1/links')).status, 200);
  t.is((await get('/v1/links?shiny=1')).status, 400);
  t.is((await get('/v1/sessions?limit=many')).status, 400);
  t.is((await get('/v1/tables?name=chairs')).status, 400);
  t.is((await get('/v1/tables?name=routes&name=addresses')).status, 400);
  t.is((await get('/v1/chairs')).status, 404);
  t.is((await get('/v1/constructor')).status, 404);
  t.is((await ask(path, { method: 'DELETE', path: '/v1/links' })).status, 405);
  t.is((await get('/v1/drops')).status, 503);
  t.is((await get('/v1/runtime')).status, 500);
  const zero = { path: '/v1/services/zero', body: ['{"service":"TCP 192.0.2.1:80"}'] };
  t.is((await ask(path, zero)).status, 404);
  t.is((await ask(path, { body: ['{"commands":[{"op":"service.clear"}]}'] })).status, 409);
  t.deepEqual(await callApi(path, 'GET', '/v1/links'), [], 'the next request is answered');
});

test('a body of the wrong shape is refused before the backend sees it', async (t) => {
  const path = await served(t, {});
  const service = '"service":{"protocol":"TCP","address":"192.0.2.1","port":80,"match":null}';
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{"commands":', /is not JSON/],
    ['', /the body: found nothing, expected an object/],
    ['[]', /found a list, expected an object/],
    ['7', /found 7, expected an object/],
    ['{"commands":{}}', /commands: found an object, expected a list/],
    ['{"commands":[],"shiny":1}', /shiny: unknown field; there is commands/],
    ['{"commands":[{"op":"shiny"}]}', /commands\[0\]\.op: found 'shiny', expected one of/],
    ['{"commands":[{"op":"service.clear","all":true}]}', /commands\[0\]\.all: unknown field/],
    [
      `{"commands":[{"op":"service.add",${service},"set":{"quic":1}}]}`,
      /set\.quic: found 1, expected true/,
    ],
    [`{"commands":[{"op":"service.delete",${service.replace('80', '"80"')}}]}`, /port: found '80'/],
    ['{"commands":[{"op":"service.clear","__proto__":{"a":1}}]}', /__proto__: unknown field/],
  ];
  for (const [body, expected] of cases) {
    const { status, text } = await ask(path, { body: [body] });
    t.is(status, 400, body);
    t.regex((JSON.parse(text) as { error: { message: string } }).error.message, expected, body);
  }
});

test('counters begin anew only for what the body says', async (t) => {
  const zeroed: (string | null)[] = [];
  const path = await served(t, {
    zero: (service) => {
      zeroed.push(service);
      return rowsOf([]);
    },
  });
  const zero = async (body: string): Promise<number> =>
    (await ask(path, { path: '/v1/services/zero', body: [body] })).status;
  for (const body of ['', '{}', '{"service":1}', '{"service":[]}', '{"servise":null}', 'null'])
    t.is(await zero(body), 400, body);
  t.deepEqual(zeroed, []);
  t.is(await zero('{"service":null}'), 200);
  t.is(await zero('{"service":"TCP 192.0.2.1:80"}'), 200);
  t.deepEqual(zeroed, [null, 'TCP 192.0.2.1:80']);
});

test('a line at fault is named by its number, and nothing is changed', async (t) => {
  const path = await served(t, {});
  const type = 'application/x-ndjson';
  const text = async (body: string): Promise<string> =>
    (await ask(path, { type, body: [body] })).text;
  t.regex(await text('{"op":"service.clear"}\n{"op":'), /line 2 is not JSON/);
  t.regex(await text('{"op":"service.clear"}\n{"op":"x"}\n'), /commands\[1\].*"index":1/);
});
