import test from 'ava';
import fc from 'fast-check';
import {
  type Answer,
  close,
  feed,
  judge,
  type MatchPattern,
  maxBodyBytes,
  maxHeadBytes,
  type Reading,
  request,
  startReading,
} from '../../../src/healthcheck/http.js';
import type { BodyPattern, HttpUrl } from '../../../src/healthcheck/types.js';
import { endpoint, http, url } from './samples.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (b: Uint8Array): string => String.fromCharCode(...b);

/** Feeds the parts one by one; answers where the reader stands and the body it handed out. */
function read(parts: readonly Uint8Array[]): { readonly reading: Reading; readonly body: string } {
  let reading = startReading;
  let body = '';
  for (const part of parts) {
    const [next, some] = feed(reading, part);
    reading = next;
    body += text(some);
  }
  return { reading, body };
}

const answer = (head: string, body = ''): string =>
  `${head.replaceAll('\n', '\r\n')}\r\n\r\n${body}`;

test('a body with Content-Length ends there, on a connection that stays open', (t) => {
  const r = read([bytes(answer('HTTP/1.1 200 OK\nContent-Length: 5', 'helloEXTRA'))]);
  t.deepEqual(r, { reading: { tag: 'done', status: 200 }, body: 'hello' });
});

test('a body without a length ends when the server closes', (t) => {
  const r = read([bytes(answer('HTTP/1.0 404 Not Found', 'gone'))]);
  t.is(r.reading.tag, 'body');
  t.deepEqual(close(r.reading), { tag: 'done', status: 404 });
  t.is(r.body, 'gone');
});

test('a chunked body ends after its trailer and is handed out as it came (RFC 9112 §7.1)', (t) => {
  const raw = '5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n';
  const r = read([bytes(answer('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', `${raw}EXTRA`))]);
  t.deepEqual(r, { reading: { tag: 'done', status: 200 }, body: raw });
});

test('interim responses are passed over (RFC 9110 §15.2)', (t) => {
  const r = read([
    bytes(`${answer('HTTP/1.1 103 Early Hints\nLink: x')}${answer('HTTP/1.1 204 No Content')}`),
  ]);
  t.deepEqual(r.reading, { tag: 'done', status: 204 });
});

test('bare line feeds end lines too (RFC 9112 §2.2)', (t) => {
  const r = read([bytes('HTTP/1.0 200\ncontent-length: 2\n\nok')]);
  t.deepEqual(r, { reading: { tag: 'done', status: 200 }, body: 'ok' });
});

for (const [what, sent] of [
  ['is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ['is not HTTP', answer('HTTP/1.1 20 OK')],
  ['Content-Length', answer('HTTP/1.1 200 OK\nContent-Length: -1')],
  ['Content-Length', answer('HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2')],
  ['chunks', answer('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', 'xyz\r\n')],
  ['chunks', answer('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', '1\r\nabc')],
  ['head exceeds', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(maxHeadBytes)}`],
] as const)
  test(`an answer is refused: ${what}: ${JSON.stringify(sent.slice(0, 60))}`, (t) => {
    const { reading } = read([bytes(sent)]);
    t.is(reading.tag, 'bad');
    t.true(reading.tag === 'bad' && reading.what.includes(what));
  });

test('a body that never ends is cut off', (t) => {
  let [reading] = feed(startReading, bytes(answer('HTTP/1.0 200 OK')));
  const part = new Uint8Array(64 * 1024);
  let fed = 0;
  for (; reading.tag === 'body' && fed <= 2 * maxBodyBytes; fed += part.length)
    [reading] = feed(reading, part);
  t.is(reading.tag, 'bad');
  t.true(fed <= maxBodyBytes + part.length);
});

test('closing early is told apart: before the answer, inside the head', (t) => {
  t.deepEqual(close(startReading), { tag: 'bad', what: 'closed without an answer' });
  const [half] = feed(startReading, bytes('HTTP/1.1 2'));
  t.deepEqual(close(half), { tag: 'bad', what: 'closed inside the head' });
});

test('law: how the bytes are cut does not matter', (t) => {
  const whole = fc.constantFrom(
    answer('HTTP/1.1 200 OK\nContent-Length: 11', 'hello world'),
    answer('HTTP/1.1 200 OK\nTransfer-Encoding: chunked', 'b\r\nhello world\r\n0\r\n\r\n'),
    answer('HTTP/1.0 500 Oops', 'hello world'),
    `${answer('HTTP/1.1 100 Continue')}${answer('HTTP/1.1 200 OK\nContent-Length: 2', 'ok')}`,
  );
  fc.assert(
    fc.property(
      whole,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (sent, sizes) => {
        const parts: Uint8Array[] = [];
        for (let at = 0, i = 0; at < sent.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          parts.push(bytes(sent.slice(at, at + size)));
          at += size;
        }
        const cut = read(parts);
        const uncut = read([bytes(sent)]);
        t.deepEqual(close(cut.reading), close(uncut.reading));
        t.is(cut.body, uncut.body);
      },
    ),
  );
});

test('law: random bytes never throw, and nothing but a bounded head is kept', (t) => {
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .constantFrom(
          'HTTP/1.1 200 OK\r\n',
          'Transfer-Encoding: chunked\r\n',
          'Content-Length: 7\r\n',
          '\r\n',
          'ffffffff\r\n',
          '0\r\n',
          'HTTP/1.1 100 \n\n',
        )
        .map(bytes),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(noise, (parts) => {
      let reading = startReading;
      for (const part of parts) {
        const [next, body] = feed(reading, part);
        if (body.length > part.length && reading.tag !== 'head') return false;
        reading = next;
        if (reading.tag === 'head' && reading.seen.length > maxHeadBytes) return false;
      }
      return ['done', 'bad'].includes(close(reading).tag);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('the request asks to close with 1.0C and 1.1 and names the host', (t) => {
  t.is(
    request(http, url),
    'GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 192.0.2.1\r\n\r\n',
  );
  t.is(
    request({ ...http, protocol: '1.1' }, { ...url, path: '/a?b', host: 'www.example' }),
    'GET /a?b HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example\r\n\r\n',
  );
  const v6 = { ...endpoint, address: '2001:db8::1', port: 8080 };
  t.true(request({ ...http, endpoint: v6 }, url).includes('Host: [2001:db8::1]:8080\r\n'));
  t.true(request({ ...http, kind: 'SSL_GET' }, url).includes('Host: 192.0.2.1:80\r\n'));
});

test('law: whatever a path holds, the request stays one request', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (path, host) => {
      const lines = request(http, { ...url, path, host }).split('\r\n');
      t.is(lines.length, 5);
      t.is(lines[0]?.split(' ').length, 3);
    }),
  );
});

const pattern: BodyPattern = {
  source: 'b+',
  options: [],
  mustMatch: true,
  minOffset: 0,
  maxOffset: null,
};

/** A matcher of the test's own; the real one is the addon's (test/unit/addon/pattern.test.ts). */
const match: MatchPattern = (p, body) => {
  const re = new RegExp(p.source, 'g');
  re.lastIndex = p.minOffset;
  const found = re.exec(Buffer.from(body).toString('latin1'));
  return found === null ? { type: 'noMatch' } : { type: 'match', start: found.index };
};
const body = (text: string): Uint8Array => Buffer.from(text, 'latin1');

test('status, digest and pattern all have to hold', (t) => {
  const a = { status: 200, digest: 'abc', body: body('aabb') };
  const judged = (u: HttpUrl, more: Partial<Answer> = {}) => judge(u, { ...a, ...more }, match);
  t.is(judged(url), null);
  t.deepEqual(judged(url, { status: 302 }), { type: 'status', status: 302 });
  t.is(judged({ ...url, status: [{ from: 300, to: 303 }] }, { status: 302 }), null);
  t.is(judged({ ...url, digest: 'ABC' }), null);
  t.deepEqual(judged({ ...url, digest: 'def' }), { type: 'digest', found: 'abc' });
  t.is(judged({ ...url, pattern }), null);
  t.deepEqual(judged({ ...url, pattern: { ...pattern, mustMatch: false } }), {
    type: 'pattern',
    mustMatch: false,
  });
  t.deepEqual(judged({ ...url, pattern: { ...pattern, source: 'c' } }), {
    type: 'pattern',
    mustMatch: true,
  });
});

test('a match must begin inside the offset window', (t) => {
  const fits = (minOffset: number, maxOffset: number | null): boolean =>
    judge(
      { ...url, pattern: { ...pattern, minOffset, maxOffset } },
      { status: 200, digest: '', body: body('aabb') },
      match,
    ) === null;
  t.deepEqual([fits(2, 2), fits(0, 1), fits(3, null), fits(4, null)], [true, false, true, false]);
});

test('a pattern that cannot be searched fails the check, whatever it must do', (t) => {
  for (const mustMatch of [true, false]) {
    const f = judge(
      { ...url, pattern: { ...pattern, mustMatch } },
      { status: 200, digest: '', body: body('') },
      () => ({ type: 'fault', what: 'takes too long' }),
    );
    t.deepEqual(f, { type: 'protocol', what: 'the regular expression takes too long' });
  }
});
