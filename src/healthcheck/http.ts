/**
 * HTTP/1.x as a health check needs it: the request, a reader for the response, and the judgement. In flow bytes as they
 * arrive, out flows the part of them that is body; nothing is kept but a bounded head.
 *
 * keepalived reads until the server closes. Content-Length and the end of a chunked body are honoured here as well, so
 * a server that keeps the connection open does not look dead. Chunks are not decoded: a digest is one over the bytes
 * as they came, which is what existing configurations hold.
 */
import { unreachable } from '../kernel/machine.js';
import { type Chunk, firstChunk, scanChunks } from './chunked.js';
import type { BodyPattern, Endpoint, HttpProbe, HttpUrl, ProbeFailure } from './types.js';

export const maxHeadBytes = 16 * 1024;
export const maxBodyBytes = 16 * 1024 * 1024;
/** How much of a body a regular expression is shown. */
export const maxPatternBytes = 256 * 1024;

type Framing =
  | { readonly type: 'untilClose' }
  | { readonly type: 'length'; readonly left: number }
  | { readonly type: 'chunked'; readonly chunk: Chunk };

export type Reading =
  | { readonly tag: 'head'; readonly seen: Uint8Array }
  | {
      readonly tag: 'body';
      readonly status: number;
      readonly received: number;
      readonly framing: Framing;
    }
  | { readonly tag: 'done'; readonly status: number }
  | { readonly tag: 'bad'; readonly what: string };

const nothing = new Uint8Array(0);
export const startReading: Reading = { tag: 'head', seen: nothing };

const bad = (what: string): Reading => ({ tag: 'bad', what });

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

const CR = 13;
const LF = 10;

/** Index after the empty line that ends the head, or -1; a bare LF ends a line too (RFC 9112 §2.2). */
function headEnd(b: Uint8Array): number {
  for (let i = b.indexOf(LF); i >= 0; i = b.indexOf(LF, i + 1)) {
    if (b[i + 1] === LF) return i + 2;
    if (b[i + 1] === CR && b[i + 2] === LF) return i + 3;
  }
  return -1;
}

function latin1(b: Uint8Array): string {
  let s = '';
  for (const byte of b) s += String.fromCharCode(byte);
  return s;
}

interface Head {
  readonly status: number;
  readonly framing: Framing;
}

/** RFC 9112 §6.3, without the parts that need the request to have been anything but GET. */
function framingOf(status: number, lines: readonly string[]): Framing | null {
  if (status === 204 || status === 304) return { type: 'length', left: 0 };
  let length: number | null = null;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'transfer-encoding' && /(?:^|,)\s*chunked$/i.test(value))
      return { type: 'chunked', chunk: firstChunk };
    if (name !== 'content-length') continue;
    if (!/^\d{1,15}$/.test(value) || (length !== null && length !== Number(value))) return null;
    length = Number(value);
  }
  return length === null ? { type: 'untilClose' } : { type: 'length', left: length };
}

function parseHead(text: string): Head | string {
  const [first = '', ...lines] = text.split(/\r?\n/);
  const status = /^HTTP\/\d\.\d +(\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) return 'the answer is not HTTP';
  const framing = framingOf(Number(status), lines);
  return framing === null ? 'Content-Length cannot be read' : { status: Number(status), framing };
}

type Fed = readonly [Reading, body: Uint8Array];

function feedHead(seen: Uint8Array, bytes: Uint8Array): Fed {
  const all = concat(seen, bytes);
  const end = headEnd(all.subarray(0, maxHeadBytes));
  if (end < 0)
    return all.length >= maxHeadBytes
      ? [bad(`the head exceeds ${maxHeadBytes} bytes`), nothing]
      : [{ tag: 'head', seen: all }, nothing];
  const head = parseHead(latin1(all.subarray(0, end)));
  if (typeof head === 'string') return [bad(head), nothing];
  const rest = all.subarray(end);
  // An interim response comes before the real one (RFC 9110 §15.2).
  if (head.status < 200 && head.status !== 101) return feed(startReading, rest);
  return feedBody({ tag: 'body', status: head.status, received: 0, framing: head.framing }, rest);
}

function feedBody(r: Extract<Reading, { tag: 'body' }>, bytes: Uint8Array): Fed {
  const { status, framing } = r;
  const received = r.received + bytes.length;
  if (received > maxBodyBytes) return [bad(`the body exceeds ${maxBodyBytes} bytes`), nothing];
  switch (framing.type) {
    case 'untilClose':
      return [{ ...r, received }, bytes];
    case 'length': {
      const part = bytes.subarray(0, framing.left);
      const left = framing.left - part.length;
      if (left === 0) return [{ tag: 'done', status }, part];
      return [{ ...r, received, framing: { type: 'length', left } }, part];
    }
    case 'chunked': {
      const [chunk, used] = scanChunks(framing.chunk, bytes);
      if (chunk === null) return [bad('the chunks cannot be read'), nothing];
      const part = bytes.subarray(0, used);
      if (chunk === 'end') return [{ tag: 'done', status }, part];
      return [{ ...r, received, framing: { type: 'chunked', chunk } }, part];
    }
    default:
      return unreachable(framing);
  }
}

/** Takes bytes as they come; answers the part of them that is body. */
export function feed(r: Reading, bytes: Uint8Array): Fed {
  switch (r.tag) {
    case 'head':
      return feedHead(r.seen, bytes);
    case 'body':
      return feedBody(r, bytes);
    case 'done':
    case 'bad':
      return [r, nothing];
    default:
      return unreachable(r);
  }
}

/** The server has closed: that ends a body, however it was framed (the digest tells a short one). */
export function close(r: Reading): Reading {
  if (r.tag === 'body') return { tag: 'done', status: r.status };
  if (r.tag !== 'head') return r;
  return bad(r.seen.length === 0 ? 'closed without an answer' : 'closed inside the head');
}

const printed = (e: Endpoint, defaultPort: number): string => {
  const address = e.address.includes(':') ? `[${e.address}]` : e.address;
  return e.port === defaultPort ? address : `${address}:${e.port}`;
};

/** What would end the line or the word early is sent percent-encoded. */
const encoded = (text: string): string =>
  [...text]
    .map((c) =>
      c <= ' ' || c === '\x7f' ? `%${c.charCodeAt(0).toString(16).padStart(2, '0')}` : c,
    )
    .join('');

export function request(p: HttpProbe, url: HttpUrl): string {
  const host = url.host ?? printed(p.endpoint, p.kind === 'SSL_GET' ? 443 : 80);
  const lines = [
    `GET ${encoded(url.path)} HTTP/${p.protocol === '1.1' ? '1.1' : '1.0'}`,
    'User-Agent: KeepAliveClient',
    ...(p.protocol === '1.0' ? [] : ['Connection: close']),
    `Host: ${encoded(host)}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const defaultStatus = [{ from: 200, to: 299 }] as const;

export function statusFits(url: HttpUrl, status: number): boolean {
  const ranges = url.status.length === 0 ? defaultStatus : url.status;
  return ranges.some((r) => r.from <= status && status <= r.to);
}

/** What a pattern found in a body; a pattern that is not valid, or costs too much, is a fault. */
export type PatternResult =
  | { readonly type: 'match'; readonly start: number }
  | { readonly type: 'noMatch' }
  | { readonly type: 'fault'; readonly what: string };

/** Searches the body from `minOffset` on. */
export type MatchPattern = (p: BodyPattern, body: Uint8Array) => PatternResult;

/** keepalived: a match must begin inside [regex_min_offset, regex_max_offset]. */
const isInside = (p: BodyPattern, start: number): boolean =>
  start >= p.minOffset && (p.maxOffset === null || start <= p.maxOffset);

function judgePattern(p: BodyPattern, body: Uint8Array, match: MatchPattern): ProbeFailure | null {
  const r = match(p, body);
  if (r.type === 'fault') return { type: 'protocol', what: `the regular expression ${r.what}` };
  const found = r.type === 'match' && isInside(p, r.start);
  return found === p.mustMatch ? null : { type: 'pattern', mustMatch: p.mustMatch };
}

export interface Answer {
  readonly status: number;
  /** MD5 of the body in lower-case hex; only looked at when the url has a digest. */
  readonly digest: string;
  /** The body's first bytes; only looked at when the url has a pattern. */
  readonly body: Uint8Array;
}

/** Status, digest and pattern all have to hold; null: they do. */
export function judge(url: HttpUrl, a: Answer, match: MatchPattern): ProbeFailure | null {
  if (!statusFits(url, a.status)) return { type: 'status', status: a.status };
  if (url.digest !== null && url.digest.toLowerCase() !== a.digest)
    return { type: 'digest', found: a.digest };
  return url.pattern === null ? null : judgePattern(url.pattern, a.body, match);
}
