import { connect } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { bodyLimits, isWithinDepth } from '../../../src/api/body.js';
import { RequestError } from '../../../src/api/errors.js';
import { mostCommands, readCommand, readTransaction, readZero } from '../../../src/api/requests.js';
import { type Answered, ask, rowsOf, served } from './served.js';

const small = { ...bodyLimits, json: 4096, lines: 8192, line: 512, total: 12_288, depth: 8 };

test('the depth is that of the brackets outside of texts', (t) => {
  const depth = (text: string, most: number): boolean =>
    isWithinDepth(new TextEncoder().encode(text), most);
  t.true(depth('[[1],[2]]', 2));
  t.false(depth('[[[]]]', 2));
  t.true(depth('["[[[[", "\\"[[[["]', 1));
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.nat(8), (text, most) => {
        const real = (x: unknown): number =>
          typeof x === 'object' && x !== null
            ? 1 + Math.max(0, ...Object.values(x).map((v) => real(v)))
            : 0;
        return depth(text, most) === real(JSON.parse(text)) <= most;
      }),
    ),
  );
});

test('a body that is too large or too deep is refused, with and without its length', async (t) => {
  const path = await served(t, {}, { body: small });
  const large = `{"commands":[${' '.repeat(5000)}]}`;
  t.is((await ask(path, { body: [large] })).status, 413);
  t.is((await ask(path, { body: [large.slice(0, 3000), large.slice(3000)] })).status, 413);
  const type = 'application/x-ndjson';
  t.is((await ask(path, { type, body: [`{"op":"${'x'.repeat(600)}"}\n`] })).status, 413);
  t.is((await ask(path, { type, body: ['{"op":"service.clear"}\n'.repeat(400)] })).status, 413);
  const deep = await ask(path, { body: [`{"commands":${'['.repeat(20)}${']'.repeat(20)}}`] });
  t.is(deep.status, 400);
  t.regex(deep.text, /nests deeper than 8 levels/);
});

/** Begins a request with a body and leaves it unfinished. */
const unfinished = async (path: string, bytes: number) => {
  const socket = connect(path);
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (c: Buffer) => {
    answer += c.toString();
  });
  socket.write(
    `POST /v1/runtime HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes + 1}\r\n\r\n${' '.repeat(bytes)}`,
  );
  return { socket, answer: () => answer };
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((r) => setTimeout(r, 5));
};

test('the bodies of all requests together have a limit, and what ended counts no more', async (t) => {
  const path = await served(t, { change: async () => ({ generation: 1 }) }, { body: small });
  const open = await Promise.all([1, 2, 3, 4].map(() => unfinished(path, 4000)));
  await until(() => open.some((o) => o.answer() !== ''));
  t.regex(open.map((o) => o.answer()).join(''), /503 .*KS_API_BUSY/s);
  for (const o of open) o.socket.destroy();
  let last: Answered = { status: 0, text: '' };
  while (last.status !== 200) last = await ask(path, { body: ['{"commands":[]}'] });
  t.pass('room again');
});

test('a client that does not finish its request is cut off', async (t) => {
  const path = await served(t, {}, { headMs: 50, requestMs: 100 });
  const ended = (begun: string): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(path, () => socket.write(begun));
      socket.on('data', () => undefined);
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
  await ended('GET /v1/links HTTP/1.1\r\nhost: a\r\nx');
  await ended('POST /v1/runtime HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{');
  t.pass();
});

test('connections above the limit are closed, the others are served', async (t) => {
  const path = await served(t, { links: () => [] }, { connections: 2 });
  const idle = [1, 2].map(() => connect(path));
  await Promise.all(idle.map((s) => new Promise<void>((r) => s.once('connect', () => r()))));
  await t.throwsAsync(ask(path, { method: 'GET', path: '/v1/links' }));
  idle[0]?.destroy();
  const served2 = async (): Promise<number> => {
    try {
      return (await ask(path, { method: 'GET', path: '/v1/links' })).status;
    } catch {
      return 0;
    }
  };
  let status = 0;
  while (status !== 200) status = await served2();
  for (const s of idle) s.destroy();
  t.is(status, 200);
});

const json = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.string({ maxLength: 200 }),
  fc.nat(3000).map((n) => '['.repeat(n)),
  fc.nat(6000).map((n) => `{"commands":[${' '.repeat(n)}]}`),
  fc.constantFrom(
    '{"service":null}',
    '{"service":1}',
    '{"commands":[{"op":"service.clear"}]}',
    '{"commands":[{"op":"constructor"}]}',
  ),
);
const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  path: fc.oneof(
    fc
      .tuple(
        fc.constantFrom(
          ...'status sessions drops counters reload services services/zero links tables runtime'
            .split(' ')
            .map((name) => `/v1/${name}`),
        ),
        fc.constantFrom(
          '',
          '?limit=1',
          '?use=1',
          '?limit=x',
          '?name=routes',
          '?a=%ff',
          '?first=wrong',
        ),
      )
      .map((parts) => parts.join('')),
    fc.webPath().map((p) => `/${p}`),
  ),
  type: fc.constantFrom('application/json', 'application/x-ndjson', 'text/plain', ''),
  body: fc.oneof(
    json.map((text) => [text]),
    fc.tuple(json, json),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => [bytes]),
  ),
});

test('whatever is sent: an answer in JSON with a status that fits, and only checked values reach the backend', async (t) => {
  const seen: { body: string; ok: boolean }[] = [];
  const note = (body: unknown, read: () => unknown): void => {
    let ok = true;
    try {
      read();
    } catch {
      ok = false;
    }
    seen.push({ body: JSON.stringify(body), ok });
  };
  const path = await served(
    t,
    {
      status: () => rowsOf([]),
      sessions: () => rowsOf([]),
      drops: () => ({ drops: [] }),
      counters: () => ({ workers: [], ports: {} }),
      reload: () => ({ ok: true, text: '', changes: [] }),
      services: () => rowsOf([]),
      zero: (service) => {
        note(service, () => readZero({ service }));
        return rowsOf([]);
      },
      links: () => [],
      table: () => rowsOf([]),
      runtime: () => rowsOf([]),
      change: async (commands) => {
        note(commands, () => readTransaction({ commands }));
        return { generation: 1 };
      },
    },
    { body: small },
  );
  await fc.assert(
    fc.asyncProperty(requests, async (r) => {
      const { status, text } = await ask(path, r);
      JSON.parse(text);
      return [200, 400, 404, 405, 413, 503].includes(status);
    }),
    { numRuns: 400 },
  );
  t.deepEqual(
    seen.filter((s) => !s.ok),
    [],
  );
  t.is((await ask(path, { method: 'GET', path: '/v1/links' })).status, 200);
});

test('lines are counted as the commands of a list are', (t) => {
  const command = { op: 'service.clear' };
  t.deepEqual(readCommand(command, mostCommands - 1), command);
  const error = t.throws(() => readCommand(command, mostCommands), { instanceOf: RequestError });
  t.regex(error?.message ?? '', /more than 500000 commands/);
});
