/**
 * The client's side of the load, a process of its own inside the client's namespace. Each request is a new connection
 * with a token of its own, which the right answer repeats. Requests begin every `everyMs` whether earlier ones are
 * answered or not, so that an outage is seen from the first moment to the last.
 *
 *   client.js ADDRESS PORT EVERY_MS TIMEOUT_MS COUNT     COUNT 0: until SIGTERM
 *
 * Prints one JSON line, an Answer, for each.
 */
import { connect } from 'node:net';
import type { Answer } from './answers.js';

const [address = '', port = '80', everyMs = '20', timeoutMs = '500', count = '0'] =
  process.argv.slice(2);

const now = (): number => performance.timeOrigin + performance.now();

const readAnswer = (text: string, token: string): Pick<Answer, 'server' | 'error' | 'wrong'> => {
  const found = /^HTTP\/1\.[01] 200 [\s\S]*?\r\n\r\n(\S+) (\S+)\n$/.exec(text);
  if (found === null) return { server: null, error: null, wrong: text.slice(0, 200) };
  if (found[2] !== token)
    return { server: found[1] ?? null, error: null, wrong: `token ${found[2]} for ${token}` };
  return { server: found[1] ?? null, error: null, wrong: null };
};

const request = (token: string): Promise<Answer> =>
  new Promise((resolve) => {
    const begun = now();
    let text = '';
    const socket = connect(Number(port), address);
    const finish = (r: Pick<Answer, 'server' | 'error' | 'wrong'>): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ begun, ended: now(), ...r });
    };
    const fail = (error: string): void => finish({ server: null, error, wrong: null });
    const timer = setTimeout(() => fail('timeout'), Number(timeoutMs));
    socket.setEncoding('utf8');
    socket.on('connect', () =>
      socket.write(
        `GET /?token=${token} HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`,
      ),
    );
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', (e: NodeJS.ErrnoException) => fail(e.code ?? e.message));
    socket.on('end', () => (text === '' ? fail('closed') : finish(readAnswer(text, token))));
  });

const open = new Set<Promise<void>>();
let begun = 0;

const begin = (): void => {
  const token = `${process.pid}-${begun++}`;
  const work = request(token).then((a) => {
    process.stdout.write(`${JSON.stringify(a)}\n`);
    open.delete(work);
  });
  open.add(work);
};

const pace = setInterval(() => {
  begin();
  if (Number(count) > 0 && begun >= Number(count)) clearInterval(pace);
}, Number(everyMs));
begin();

process.on('SIGTERM', () => {
  clearInterval(pace);
  void Promise.all(open);
});
