/** The API's client: one request, one answer, errors as a person needs them. */
import { request } from 'node:http';

export class ApiError extends Error {
  readonly code: string;
  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
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

/** Sends `method path`, resolves with the parsed JSON body; rejects with ApiError. */
export const callApi = (socketPath: string, method: string, path: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const req = request({ socketPath, method, path, timeout: 30_000 }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (c: Buffer) => chunks.push(c));
      res.on('error', (e) => reject(explain(socketPath, e)));
      res.on('end', () => {
        try {
          const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
            error?: { code: string; message: string };
          };
          if (res.statusCode === 200) resolve(body);
          else reject(new ApiError(body.error?.code ?? 'KS_API_FAILED', body.error?.message ?? ''));
        } catch (e) {
          reject(new ApiError('KS_CLI_ANSWER', `${socketPath}: the answer is not JSON`, e));
        }
      });
    });
    req.on('timeout', () => req.destroy(new Error('no answer within 30 s')));
    req.on('error', (e) => reject(explain(socketPath, e)));
    req.end();
  });
