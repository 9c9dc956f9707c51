/** The API's client: one request, one answer, errors as a person needs them. Long answers are read line by line. */
import { type IncomingMessage, request } from 'node:http';

/** Codes that begin with KS_CLI_ come from the client, all others from the node. */
export class ApiError extends Error {
  readonly code: string;
  /** Of the command at fault in a transaction; null: no single command is. */
  readonly index: number | null;
  constructor(code: string, message: string, cause?: unknown, index: number | null = null) {
    super(message, { cause });
    this.code = code;
    this.index = index;
    this.name = 'ApiError';
  }
}

const notRunning = 'KS_CLI_NOT_RUNNING';

/** Whether the node, or its controller, is gone or has just ended: it may come back. */
export const hasEnded = (e: ApiError): boolean =>
  [notRunning, 'KS_CLI_ENDED', 'KS_NODE_STOPPING', 'KS_DATAPLANE_DOWN'].includes(e.code);

const explain = (socketPath: string, e: NodeJS.ErrnoException): ApiError => {
  if (e.code === 'ENOENT' || e.code === 'ECONNREFUSED')
    return new ApiError(
      notRunning,
      `no node is running at ${socketPath}; start one with \`keelson start\`, or name its --run-dir`,
      e,
    );
  if (e.code === 'EACCES' || e.code === 'EPERM')
    return new ApiError('KS_CLI_PERMISSION', `no permission to open ${socketPath}: run as root`, e);
  if (e.code === 'ECONNRESET' || e.code === 'EPIPE')
    return new ApiError('KS_CLI_ENDED', `${socketPath}: the node ended the connection`, e);
  return new ApiError('KS_CLI_IO', `${socketPath}: ${e.message}`, e);
};

/** Nothing arrives for so long: the node hangs. A reload of many files takes its time. */
const silenceMs = 120_000;

interface Sent {
  readonly type: string;
  readonly text: string;
}

/** Resolves when the head of the answer has arrived. */
const open = (
  socketPath: string,
  method: string,
  path: string,
  accept: string,
  sent: Sent | null,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const headers = { accept, ...(sent === null ? {} : { 'content-type': sent.type }) };
    // A connection that is kept would be used again at the moment the node closes it.
    const how = { socketPath, method, path, headers, timeout: silenceMs, agent: false } as const;
    const req = request(how, resolve);
    req.on('timeout', () => req.destroy(new Error(`no answer within ${silenceMs / 1000} s`)));
    req.on('error', (e) => reject(explain(socketPath, e)));
    req.end(sent?.text);
  });

/** Chunks of an answer; an answer without its end throws. */
const chunksOf = async function* (
  socketPath: string,
  res: IncomingMessage,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of res as AsyncIterable<Buffer>) yield chunk;
  } catch (e) {
    throw explain(socketPath, e as NodeJS.ErrnoException);
  }
};

const parsed = (socketPath: string, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new ApiError('KS_CLI_ANSWER', `${socketPath}: the answer is not JSON`, e);
  }
};

const whole = async (socketPath: string, res: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(socketPath, res)) chunks.push(chunk);
  return parsed(socketPath, Buffer.concat(chunks).toString('utf8'));
};

const refusalOf = (body: unknown): ApiError => {
  const { error } = body as {
    error?: { code: string; message: string; index?: number };
  };
  const { code = 'KS_API_FAILED', message = 'no reason was given', index = null } = error ?? {};
  return new ApiError(code, message, undefined, index);
};

const call = async (
  socketPath: string,
  method: string,
  path: string,
  sent: Sent | null,
): Promise<unknown> => {
  const res = await open(socketPath, method, path, 'application/json', sent);
  const body = await whole(socketPath, res);
  if (res.statusCode !== 200) throw refusalOf(body);
  return body;
};

/** Sends `method path` with `body` as JSON; resolves with the parsed answer, rejects with ApiError. */
export const callApi = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> =>
  call(
    socketPath,
    method,
    path,
    body === undefined ? null : { type: 'application/json', text: JSON.stringify(body) },
  );

/** Sends a transaction as one value a line, which the node reads as it arrives. */
export const sendLines = (
  socketPath: string,
  path: string,
  values: readonly unknown[],
): Promise<unknown> =>
  call(socketPath, 'POST', path, {
    type: 'application/x-ndjson',
    text: values.map((v) => `${JSON.stringify(v)}\n`).join(''),
  });

/** The values of a long answer, one a line, in the batches in which they arrive. Throws ApiError. */
export const readLines = async function* (
  socketPath: string,
  path: string,
): AsyncGenerator<readonly unknown[]> {
  const res = await open(socketPath, 'GET', path, 'application/x-ndjson', null);
  if (res.statusCode !== 200) throw refusalOf(await whole(socketPath, res));
  let kept = '';
  res.setEncoding('utf8');
  for await (const chunk of chunksOf(socketPath, res)) {
    const lines = `${kept}${String(chunk)}`.split('\n');
    kept = lines.pop() ?? '';
    if (lines.length > 0) yield lines.map((l) => parsed(socketPath, l));
  }
  if (kept !== '') yield [parsed(socketPath, kept)];
};
