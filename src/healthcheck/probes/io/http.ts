/**
 * HTTP_GET and SSL_GET: each url in turn over a connection of its own. The bytes go to the reader,
 * the body to MD5 and, up to a bound, to the pattern.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import {
  close,
  feed,
  judge,
  maxPatternBytes,
  type Reading,
  request,
  startReading,
} from '../../http.js';
import type { HttpProbe, HttpUrl, ProbeFailure, ProbeResult } from '../../types.js';
import type { ProbeEnvironment, RunProbe } from '../run.js';
import { type Connection, exchange } from './connection.js';
import { success } from './faults.js';

type Ended = Extract<Reading, { tag: 'done' | 'bad' }>;

/** Connect, first byte, and the rest may each be silent for connect_timeout; more than all three is too long. */
const silencesPerExchange = 3;

let context: SecureContext | null = null;
/** Made at first use and shared: it costs more than a handshake. */
function secureContext(): SecureContext {
  context ??= createSecureContext();
  return context;
}

/** keepalived's SSL_GET asks whether the service answers, not who it is: certificates are not verified. */
const overTls = (c: Connection, serverName: string | null): Duplex =>
  connectTls({
    socket: c.socket,
    secureContext: secureContext(),
    rejectUnauthorized: false,
    ...(serverName === null ? {} : { servername: serverName }),
  });

function converse(p: HttpProbe, url: HttpUrl, c: Connection, env: ProbeEnvironment): void {
  const stream = p.kind === 'SSL_GET' ? overTls(c, url.serverName) : c.socket;
  const md5 = url.digest === null ? null : createHash('md5');
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let reading: Reading = startReading;

  const keep = (body: Uint8Array): void => {
    md5?.update(body);
    if (url.pattern === null || keptBytes >= maxPatternBytes) return;
    const part = Buffer.from(body.subarray(0, maxPatternBytes - keptBytes));
    keptBytes += part.length;
    kept.push(part);
  };
  const blame = (failure: ProbeFailure): ProbeResult => ({
    type: 'failed',
    failure,
    where: url.path,
  });
  const verdict = (r: Ended): ProbeResult => {
    if (r.tag === 'bad') return blame({ type: 'protocol', what: r.what });
    const answer = {
      status: r.status,
      digest: md5?.digest('hex') ?? '',
      body: Buffer.concat(kept),
    };
    const failure = judge(url, answer, env.match);
    return failure === null ? success : blame(failure);
  };
  /** Runs at most once: the stream's listeners are removed before the verdict. */
  const conclude = (): void => {
    if (reading.tag !== 'bad' && reading.tag !== 'done') return;
    stream.off('data', received).off('end', closed);
    c.settle(verdict(reading));
  };
  const received = (bytes: Buffer): void => {
    c.alive();
    const [next, body] = feed(reading, bytes);
    reading = next;
    keep(body);
    conclude();
  };
  const closed = (): void => {
    reading = close(reading);
    conclude();
  };
  stream.on('error', c.fail);
  stream.on('data', received);
  stream.once('end', closed);
  stream.write(request(p, url));
}

export const probeHttp: RunProbe<HttpProbe> = (p, env, ended) => {
  let cancel: () => void = () => undefined;
  const ask = (at: number): void => {
    const url = p.urls[at];
    if (url === undefined) {
      ended(success);
      return;
    }
    cancel = exchange(
      {
        endpoint: p.endpoint,
        timeoutMs: p.timeoutMs,
        totalMs: p.timeoutMs * silencesPerExchange,
        where: url.path,
        clock: env.clock,
      },
      (c) => converse(p, url, c, env),
      (r) => (r.type === 'ok' ? ask(at + 1) : ended(r)),
    );
  };
  ask(0);
  return () => cancel();
};
