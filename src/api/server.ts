/**
 * The HTTP API on a unix socket that only its owner may open. It holds no state of its own: each request is a question
 * to the backend, which the controller is. Sizes, times and numbers of everything a client sends are limited.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type BodyLimits, type BodyReader, bodyLimits, budget, readBody } from './body.js';
import { failureOf, RequestError } from './errors.js';
import {
  choice,
  count,
  or,
  query,
  readCommand,
  readEmpty,
  readTransaction,
  readZero,
  switched,
  word,
} from './requests.js';
import { type Streamed, stalledMs, writeStream } from './stream.js';
import type {
  CountersView,
  DropsView,
  LinkView,
  ReloadView,
  RuntimeCommand,
  ServiceView,
  SessionView,
  TableRowView,
  TransactionView,
  VirtualServerView,
} from './views.js';

export interface SessionQuery {
  /** 0: all. */
  readonly limit: number;
  /** ADDRESS:PORT of one session; null: any. */
  readonly client: string | null;
  readonly vip: string | null;
}

export interface StatusQuery {
  /** Virtual servers in the answer; 0: all, in the order of the configuration. */
  readonly services: number;
  /** With a number: those with something wrong come first. */
  readonly first: 'all' | 'wrong';
}

export type TableName = 'addresses' | 'routes' | 'neighbours';

/** A plain answer, now or later; what rejects or throws becomes an error answer. */
type Answer<T> = T | Promise<T>;

export interface ApiBackend {
  /** A StatusView whose virtual servers are made in pieces. */
  status(query: StatusQuery): Answer<Streamed<VirtualServerView>>;
  sessions(query: SessionQuery): Answer<Streamed<SessionView>>;
  drops(all: boolean): Answer<DropsView>;
  counters(): Answer<CountersView>;
  reload(): Answer<ReloadView>;
  /** A ServicesView. `use`: count the sessions of local addresses, too. */
  services(use: boolean): Answer<Streamed<ServiceView>>;
  /** Counters begin at 0 again, of one service (by its name) or of all; the answer has them as they were. */
  zero(service: string | null): Answer<Streamed<ServiceView>>;
  links(): Answer<readonly LinkView[]>;
  /** `use`: count the ports of local addresses, too. */
  table(name: TableName, use: boolean): Answer<Streamed<TableRowView>>;
  /** A RuntimeView. */
  runtime(): Answer<Streamed<RuntimeCommand>>;
  /** All of it or nothing; rejects with a RequestError. */
  change(commands: readonly unknown[]): Promise<TransactionView>;
}

type Handler<T> = (b: ApiBackend, query: URLSearchParams, body: unknown) => Answer<T>;

type Route =
  | { readonly plain: Handler<unknown>; readonly line?: BodyReader['line'] }
  | { readonly streamed: Handler<Streamed<unknown>> };

const isLines = (body: unknown): body is { readonly lines: readonly object[] } =>
  typeof body === 'object' && body !== null && Object.hasOwn(body, 'lines');

const get = <T>(read: (b: ApiBackend, q: URLSearchParams) => Answer<T>): Handler<T> => {
  return (b, q, body) => {
    readEmpty(body);
    return read(b, q);
  };
};

const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/v1/status': {
    GET: {
      streamed: get((b, q) =>
        b.status(query(q, { services: count(0), first: or('all', choice('all', 'wrong')) })),
      ),
    },
  },
  '/v1/sessions': {
    GET: {
      streamed: get((b, q) =>
        b.sessions(query(q, { limit: count(1000), client: word, vip: word })),
      ),
    },
  },
  '/v1/drops': { GET: { plain: get((b, q) => b.drops(query(q, { all: switched }).all)) } },
  '/v1/counters': {
    GET: {
      plain: get((b, q) => {
        query(q, {});
        return b.counters();
      }),
    },
  },
  '/v1/reload': {
    POST: {
      plain: (b, q, body) => {
        query(q, {});
        readEmpty(body);
        return b.reload();
      },
    },
  },
  '/v1/services': {
    GET: { streamed: get((b, q) => b.services(query(q, { use: switched }).use)) },
  },
  '/v1/services/zero': {
    POST: {
      streamed: (b, q, body) => {
        query(q, {});
        return b.zero(readZero(body));
      },
    },
  },
  '/v1/links': {
    GET: {
      plain: get((b, q) => {
        query(q, {});
        return b.links();
      }),
    },
  },
  '/v1/tables': {
    GET: {
      streamed: get((b, q) => {
        const { name, use } = query(q, {
          name: choice('addresses', 'routes', 'neighbours'),
          use: switched,
        });
        return b.table(name, use);
      }),
    },
  },
  '/v1/runtime': {
    GET: {
      streamed: get((b, q) => {
        query(q, {});
        return b.runtime();
      }),
    },
    POST: {
      plain: (b, q, body) => {
        query(q, {});
        return b.change(isLines(body) ? body.lines : readTransaction(body));
      },
      line: readCommand,
    },
  },
};

export interface ApiLimits {
  readonly body: BodyLimits;
  /** Connections at one time; more are closed at once. */
  readonly connections: number;
  /** Milliseconds for the head of a request, and for the whole of it. */
  readonly headMs: number;
  readonly requestMs: number;
  /** A client that takes nothing of its answer for so long is cut off. */
  readonly stalledMs: number;
}

export const apiLimits: ApiLimits = {
  body: bodyLimits,
  connections: 128,
  headMs: 5000,
  requestMs: 30_000,
  stalledMs,
};

const send = (
  res: ServerResponse,
  status: number,
  body: unknown,
  more: Readonly<Record<string, string>> = {},
): void => {
  const text = `${JSON.stringify(body)}\n`;
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...more,
  });
  res.end(text);
};

const discardMs = 1000;

const fail = (req: IncomingMessage, res: ServerResponse, e: unknown): void => {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const { status, body } = failureOf(e);
  if (req.complete) {
    send(res, status, body);
    return;
  }
  // The rest of the body is thrown away for a while, so that the client comes to read the answer.
  req.resume();
  res.once('finish', () => setTimeout(() => req.destroy(), discardMs).unref());
  send(res, status, body, { connection: 'close' });
};

/** Throws a RequestError. */
const routeOf = (req: IncomingMessage): { readonly route: Route; readonly url: URL } => {
  const target = req.url ?? '/';
  const url = URL.canParse(target, 'http://keelson') ? new URL(target, 'http://keelson') : null;
  const short = target.length > 100 ? `${target.slice(0, 100)}...` : target;
  if (url === null || !target.startsWith('/'))
    throw new RequestError('KS_API_BAD_TARGET', `${short} is not a request target`);
  const methods = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (methods === undefined) {
    const known = Object.keys(routes).join(', ');
    throw new RequestError('KS_API_NO_ROUTE', `there is no ${short}; there is ${known}`);
  }
  const method = req.method ?? 'GET';
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (route === undefined)
    throw new RequestError(
      'KS_API_METHOD',
      `${url.pathname} does not take ${method}; it takes ${Object.keys(methods).join(', ')}`,
    );
  return { route, url };
};

const answering =
  (backend: ApiBackend, limits: ApiLimits) =>
  async (
    req: IncomingMessage,
    res: ServerResponse,
    reader: Omit<BodyReader, 'line'>,
  ): Promise<void> => {
    let release = (): void => undefined;
    try {
      const { route, url } = routeOf(req);
      const line = 'line' in route ? (route.line ?? null) : null;
      const reading = readBody(req, { ...reader, line });
      release = reading.release;
      const body = await reading.body;
      if ('plain' in route) {
        send(res, 200, await route.plain(backend, url.searchParams, body));
        return;
      }
      const asked = req.headers.accept === 'application/x-ndjson' ? 'lines' : 'json';
      const streamed = await route.streamed(backend, url.searchParams, body);
      await writeStream(res, streamed, asked, limits.stalledMs);
    } catch (e) {
      fail(req, res, e);
    } finally {
      release();
    }
  };

/** Answers wherever it is made to listen. */
export const apiServer = (backend: ApiBackend, limits: ApiLimits = apiLimits): Server => {
  const reader = { limits: limits.body, budget: budget(limits.body.total) };
  const answer = answering(backend, limits);
  const server = createServer(
    {
      maxHeaderSize: 8192,
      headersTimeout: limits.headMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: Math.min(1000, limits.headMs),
    },
    (req, res) => void answer(req, res, reader),
  );
  server.maxConnections = limits.connections;
  server.maxRequestsPerSocket = 1000;
  return server;
};

/** Listens on `path`, mode 0600. A socket file left by a dead controller is removed. Rejects with the errno otherwise. */
export const serveApi = (path: string, backend: ApiBackend): Promise<Server> =>
  new Promise((resolve, reject) => {
    rmSync(path, { force: true });
    const server = apiServer(backend);
    server.once('error', reject);
    const before = process.umask(0o177);
    server.listen(path, () => {
      process.umask(before);
      chmodSync(path, 0o600);
      server.off('error', reject);
      resolve(server);
    });
  });
