/**
 * The HTTP API on a unix socket that only its owner may open. It holds no state of its own: each request is a question to
 * the backend, which the controller is.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type {
  CountersView,
  DropsView,
  ErrorView,
  ReloadView,
  SessionView,
  StatusView,
} from './views.js';

export interface ApiBackend {
  status(): StatusView;
  sessions(limit: number): Promise<readonly SessionView[]>;
  drops(all: boolean): DropsView;
  counters(): CountersView;
  reload(): Promise<ReloadView>;
}

type Handler = (b: ApiBackend, query: URLSearchParams) => unknown;

const intParam = (q: URLSearchParams, name: string, fallback: number): number => {
  const n = Number(q.get(name) ?? fallback);
  return Number.isInteger(n) && n > 0 ? n : fallback;
};

const routes: Readonly<Record<string, Handler>> = {
  'GET /v1/status': (b) => b.status(),
  'GET /v1/sessions': (b, q) => b.sessions(intParam(q, 'limit', 1000)),
  'GET /v1/drops': (b, q) => b.drops(q.get('all') === '1'),
  'GET /v1/counters': (b) => b.counters(),
  'POST /v1/reload': (b) => b.reload(),
};

const send = (res: ServerResponse, status: number, body: unknown): void => {
  const text = `${JSON.stringify(body)}\n`;
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  res.end(text);
};

const failure = (code: string, message: string): ErrorView => ({ error: { code, message } });

const answer = async (
  backend: ApiBackend,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> => {
  const target = req.url ?? '/';
  const url = URL.canParse(target, 'http://keelson') ? new URL(target, 'http://keelson') : null;
  if (url === null) {
    send(res, 400, failure('KS_API_BAD_TARGET', `${req.url} is no request target`));
    return;
  }
  const handler = routes[`${req.method ?? 'GET'} ${url.pathname}`];
  if (handler === undefined) {
    const known = Object.keys(routes).join(', ');
    send(
      res,
      404,
      failure('KS_API_NO_ROUTE', `no ${req.method} ${url.pathname}; there is ${known}`),
    );
    return;
  }
  try {
    send(res, 200, await handler(backend, url.searchParams));
  } catch (e) {
    send(res, 500, failure('KS_API_FAILED', e instanceof Error ? e.message : String(e)));
  }
};

/** Listens on `path`, mode 0600. A socket file left by a dead controller is removed. Rejects with the errno otherwise. */
export const serveApi = (path: string, backend: ApiBackend): Promise<Server> =>
  new Promise((resolve, reject) => {
    rmSync(path, { force: true });
    const server = createServer((req, res) => void answer(backend, req, res));
    server.once('error', reject);
    const before = process.umask(0o177);
    server.listen(path, () => {
      process.umask(before);
      chmodSync(path, 0o600);
      server.off('error', reject);
      resolve(server);
    });
  });
