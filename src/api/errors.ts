/** Errors of the API: a stable code, its HTTP status, and a sentence that says what to do. */
import type { ErrorView } from './views.js';

/** Each code has one HTTP status. */
const statusOf = {
  KS_API_BAD_TARGET: 400,
  KS_API_QUERY: 400,
  KS_API_BODY: 400,
  KS_API_NO_ROUTE: 404,
  KS_API_METHOD: 405,
  KS_API_BODY_TOO_LARGE: 413,
  KS_API_FAILED: 500,
  KS_API_BUSY: 503,
  KS_RUNTIME_REFUSED: 409,
  KS_RUNTIME_NO_SERVICE: 404,
  KS_NODE_STOPPING: 503,
  KS_DATAPLANE_DOWN: 503,
} as const;

export type ErrorCode = keyof typeof statusOf;

/** A request that cannot be carried out, because of the request or of the state of the node. */
export class RequestError extends Error {
  readonly code: ErrorCode;
  /** Of the command at fault in a transaction; null: no single command is. */
  readonly index: number | null;
  constructor(code: ErrorCode, message: string, index: number | null = null) {
    super(message);
    this.code = code;
    this.index = index;
    this.name = 'RequestError';
  }
}

export interface Failure {
  readonly status: number;
  readonly body: ErrorView;
}

/** What the client receives for anything thrown while its request was handled. */
export const failureOf = (e: unknown): Failure => {
  const known =
    e instanceof RequestError
      ? e
      : new RequestError('KS_API_FAILED', e instanceof Error ? e.message : String(e));
  const { code, message, index } = known;
  return {
    status: statusOf[code],
    body: { error: { code, message, ...(index === null ? {} : { index }) } },
  };
};
