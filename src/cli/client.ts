/** The API's client: one request, one answer, errors as a person needs them. */
import { request } from 'node:http';

export class ApiError extends Error {
  readonly code: string;
  /** Of the command at fault in a transaction; null: none is. */
  readonly index: number | null;
  constructor(code: string, message: string, cause?: unknown, index: number | null = null) {
    super(message, { cause });
    this.code = code;
    this.index = index;
    this.name = 'ApiError';
  }
}

const explain = (socketPath: string, e: NodeJS.ErrnoException): ApiError => {
  if (e.code === 'ENOENT' || e.code === 'ECONNREFUSED')
    return new ApiError(
      'KS_CLI_NOT_RUNNING',
      `no node is running at ${socketPath}; start one with \`keelson start\`, or name its --run-dir`,
      e,
    );
  if (e.code === 'EACCES' || e.code === 'EPERM')
    return new ApiError('KS_CLI_PERMISSION', `may not open ${socketPath}: run as root`, e);
  return new ApiError('KS_CLI_IO', `${socketPath}: ${e.message}`, e);
};

/** Sends `method path` with `body` as JSON, resolves with the parsed JSON body of the answer; rejects with ApiError. */
export const callApi = (
  socketPath: string,
  method: string,
  path: string,
  sent?: unknown,
): Promise<unknown> =>
  new Promise((resolve, reject) => {
    // A connection that is kept would be used again at the moment the node closes it.
    const how = { socketPath, method, path, timeout: 30_000, agent: false } as const;
    const req = request(how, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (c: Buffer) => chunks.push(c));
      res.on('error', (e) => reject(explain(socketPath, e)));
      res.on('end', () => {
        try {
          const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
            error?: { code: string; message: string; index?: number };
          };
          if (res.statusCode === 200) resolve(body);
          else {
            const { code = 'KS_API_FAILED', message = '', index = null } = body.error ?? {};
            reject(new ApiError(code, message, undefined, index));
          }
        } catch (e) {
          reject(new ApiError('KS_CLI_ANSWER', `${socketPath}: the answer is not JSON`, e));
        }
      });
    });
    req.on('timeout', () => req.destroy(new Error('no answer within 30 s')));
    req.on('error', (e) => reject(explain(socketPath, e)));
    req.end(sent === undefined ? undefined : JSON.stringify(sent));
  });
