import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { encodeFrame } from '../../../src/kernel/frames.js';
import { connectLink, type LinkEnd, listenLink } from '../../../src/kernel/io/link.js';

interface Word {
  readonly type: 'word';
  readonly word: string;
}
const word = (text: string): Word => ({ type: 'word', word: text });

test('a client that lost its server connects to the next one and learns whole levels', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'link-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 's.sock');
  const heard: string[] = [];
  let wake: () => void = () => undefined;
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo())
      await new Promise<void>((r) => {
        wake = r;
      });
  };
  const serve = (level: string) => {
    const peers: LinkEnd<Word>[] = [];
    return listenLink<Word, Word>({
      path,
      onError: (reason) => t.log(reason),
      onPeer: (peer) => {
        peers.push(peer);
        peer.send(word(level));
        return { onMessage: (m) => peer.send(word(`${m.word}!`)), onClose: () => undefined };
      },
    }).then((server) => ({
      end: () =>
        new Promise<void>((r) => {
          server.close(() => r());
          for (const p of peers) p.close();
        }),
    }));
  };
  let closes = 0;
  // First nobody listens.
  const client = connectLink<Word, Word>({
    path,
    onOpen: (link) => void link.send(word('hello')),
    onMessage: (m) => {
      heard.push(m.word);
      wake();
    },
    onClose: () => {
      closes++;
      wake();
    },
  });
  const first = await serve('one');
  await until(() => heard.length === 2);
  t.deepEqual(heard, ['one', 'hello!']);
  await first.end();
  await until(() => closes === 1);
  t.false(client.send(word('lost')));
  const second = await serve('two');
  await until(() => heard.length === 4);
  t.deepEqual(heard.slice(2), ['two', 'hello!']);
  client.close();
  await second.end();
});

test('what is no message, or cannot be taken, ends the connection and nothing else', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'link-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 's.sock');
  const reasons: (string | null)[] = [];
  const taken: string[] = [];
  const server = await listenLink<Word, Word>({
    path,
    onError: (reason) => t.log(reason),
    onPeer: () => ({
      onMessage: (m) => {
        if (m.word === 'throw') throw new Error('of the receiver');
        taken.push(m.word);
      },
      onClose: (reason) => void reasons.push(reason),
    }),
  });
  const sends = (body: unknown): Promise<void> =>
    new Promise((resolve) => {
      const socket = createConnection(path, () => socket.write(encodeFrame(body)));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
  for (const body of [null, 1, 'x', true, [], {}, { type: 1 }, word('throw')]) await sends(body);
  t.is(reasons.length, 8);
  for (const reason of reasons.slice(0, 7)) t.regex(reason ?? '', /no message/);
  t.regex(reasons[7] ?? '', /cannot be taken: Error: of the receiver/);
  const client = connectLink<Word, Word>({
    path,
    onOpen: (link) => void link.send(word('still here')),
    onMessage: () => undefined,
    onClose: () => undefined,
  });
  while (taken.length === 0) await new Promise((r) => setTimeout(r, 10));
  t.deepEqual(taken, ['still here']);
  client.close();
  server.close();
});
