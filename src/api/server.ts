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
  LinkView,
  ReloadView,
  RuntimeView,
  ServicesView,
  SessionView,
  StatusView,
  TableRowView,
  TransactionView,
} from './views.js';

/** Sessions are asked for by what identifies one; what is missing is not asked. */
export interface SessionQuery {
  readonly limit: number;
  readonly client: string | null;
  readonly vip: string | null;
}

export type TableName = 'addresses' | 'routes' | 'neighbours';

/** A request that cannot be carried out, for a reason that lies in the request or in the state of the node. */
export class RequestError extends Error {
  readonly code: string;
  readonly index: number | null;
  constructor(code: string, message: string, index: number | null = null) {
    super(message);
    this.code = code;
    this.index = index;
    this.name = 'RequestError';
  }
}

export interface ApiBackend {
  status(): StatusView;
  sessions(query: SessionQuery): Promise<readonly SessionView[]>;
  drops(all: boolean): DropsView;
  counters(): CountersView;
  reload(): Promise<ReloadView>;
  /** `use`: count the sessions of local addresses, too. */
  services(use: boolean): Promise<ServicesView>;
  /** Counters begin at 0 again, of one service (by its name) or of all. */
  zero(service: string | null): ServicesView;
  links(): readonly LinkView[];
  /** `use`: count the ports of local addresses, too. */
  table(name: TableName, use: boolean): Promise<readonly TableRowView[]>;
  runtime(): RuntimeView;
  /** All of it or nothing; rejects with a RequestError. */
  change(commands: readonly unknown[]): Promise<TransactionView>;
}

type Handler = (b: ApiBackend, query: URLSearchParams, body: unknown) => unknown;

const largestBody = 64 << 20;

const intParam = (q: URLSearchParams, name: string, fallback: number): number => {
  const n = Number(q.get(name) ?? fallback);
  return Number.isInteger(n) && n > 0 ? n : fallback;
};

const tableNames: readonly TableName[] = ['addresses', 'routes', 'neighbours'];

const tableOf = (q: URLSearchParams): TableName => {
  const name = tableNames.find((n) => n === q.get('name'));
  if (name !== undefined) return name;
  throw new RequestError('KS_API_NO_TABLE', `there is ${tableNames.join(', ')}`);
};

const member = (body: unknown, name: string): unknown =>
  typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;

const commandsOf = (body: unknown): readonly unknown[] => {
  const commands = member(body, 'commands');
  if (Array.isArray(commands)) return commands;
  throw new RequestError('KS_API_BODY', 'the body is no JSON object with a list `commands`');
};

const serviceOf = (body: unknown): string | null => {
  const service = member(body, 'service');
  return typeof service === 'string' ? service : null;
};

const routes: Readonly<Record<string, Handler>> = {
  'GET /v1/status': (b) => b.status(),
  'GET /v1/sessions': (b, q) =>
    b.sessions({
      limit: intParam(q, 'limit', 1000),
      client: q.get('client'),
      vip: q.get('vip'),
    }),
  'GET /v1/drops': (b, q) => b.drops(q.get('all') === '1'),
  'GET /v1/counters': (b) => b.counters(),
  'POST /v1/reload': (b) => b.reload(),
  'GET /v1/services': (b, q) => b.services(q.get('use') === '1'),
  'POST /v1/services/zero': (b, _, body) => b.zero(serviceOf(body)),
  'GET /v1/links': (b) => b.links(),
  'GET /v1/tables': (b, q) => b.table(tableOf(q), q.get('use') === '1'),
  'GET /v1/runtime': (b) => b.runtime(),
  'POST /v1/runtime': (b, _, body) => b.change(commandsOf(body)),
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

/** The JSON that came with the request; undefined when nothing came. */
const bodyOf = async (req: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > largestBody)
      throw new RequestError('KS_API_BODY', `the body is larger than ${largestBody} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new RequestError('KS_API_BODY', 'the body is no JSON');
  }
};

const refusal = (e: RequestError): ErrorView => ({
  error: {
    code: e.code,
    message: e.message,
    ...(e.index === null ? {} : { index: e.index }),
  },
});

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
    send(res, 200, await handler(backend, url.searchParams, await bodyOf(req)));
  } catch (e) {
    if (e instanceof RequestError) send(res, 409, refusal(e));
    else send(res, 500, failure('KS_API_FAILED', e instanceof Error ? e.message : String(e)));
  }
};

/** Answers wherever it is made to listen. */
export const apiServer = (backend: ApiBackend): Server =>
  createServer((req, res) => void answer(backend, req, res));

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
