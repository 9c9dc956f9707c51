/**
 * Reads the body of a request within limits: its size, the sum over all requests at one time, and its depth, which is
 * measured before anything is parsed. A body of `application/x-ndjson` is one JSON value a line and is parsed as it
 * arrives, so that a large transaction never blocks the event loop.
 */
import type { IncomingMessage } from 'node:http';
import { RequestError } from './errors.js';

export interface BodyLimits {
  /** Bytes of one JSON body. */
  readonly json: number;
  /** Bytes of one body of lines. */
  readonly lines: number;
  /** Bytes of one line. */
  readonly line: number;
  /** Bytes of all bodies that are held at one time. */
  readonly total: number;
  /** Nested objects and lists. */
  readonly depth: number;
}

export const bodyLimits: BodyLimits = {
  json: 1 << 20,
  lines: 32 << 20,
  line: 64 << 10,
  total: 40 << 20,
  depth: 16,
};

/** Bytes of bodies that are held now, over all requests. */
export interface Budget {
  /** False when there is no room for so many more. */
  readonly take: (bytes: number) => boolean;
  readonly give: (bytes: number) => void;
  readonly held: () => number;
}

export const budget = (total: number): Budget => {
  let held = 0;
  return {
    take: (bytes) => {
      if (held + bytes > total) return false;
      held += bytes;
      return true;
    },
    give: (bytes) => {
      held -= bytes;
    },
    held: () => held,
  };
};

const quote = 0x22;
const backslash = 0x5c;
const opening: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const closing: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** The place behind the quote that ends the text which begins at `from`. */
const endOfText = (bytes: Uint8Array, from: number): number => {
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] === backslash) i += 1;
    else if (bytes[i] === quote) return i + 1;
  }
  return bytes.length;
};

/** Whether JSON nests at most so deep. What is not JSON may pass: the parser refuses it. */
export const isWithinDepth = (bytes: Uint8Array, most: number): boolean => {
  let depth = 0;
  for (let i = 0; i < bytes.length; ) {
    const c = bytes[i] ?? 0;
    if (opening.has(c)) depth += 1;
    else if (closing.has(c)) depth -= 1;
    if (depth > most) return false;
    i = c === quote ? endOfText(bytes, i + 1) : i + 1;
  }
  return true;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws a RequestError. `what` names the text in it. */
export const parseJson = (bytes: Uint8Array, depth: number, what: string): unknown => {
  if (!isWithinDepth(bytes, depth))
    throw new RequestError('KS_API_BODY', `${what} nests deeper than ${depth} levels`);
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new RequestError('KS_API_BODY', `${what} is not JSON in UTF-8`);
  }
};

const newline = 0x0a;

/** Splits chunks into lines and parses each; keeps only the unfinished line. */
const lineReader = (limits: BodyLimits, onValue: (value: unknown, index: number) => void) => {
  let kept: Buffer = Buffer.alloc(0);
  let index = 0;
  const one = (line: Buffer): void => {
    if (line.length > limits.line)
      throw new RequestError('KS_API_BODY_TOO_LARGE', `a line is longer than ${limits.line} bytes`);
    if (line.toString('latin1').trim() === '') return;
    onValue(parseJson(line, limits.depth, `line ${index + 1}`), index);
    index += 1;
  };
  return {
    push: (chunk: Buffer): void => {
      const all = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
      let from = 0;
      for (let at = all.indexOf(newline); at >= 0; at = all.indexOf(newline, from)) {
        one(all.subarray(from, at));
        from = at + 1;
      }
      kept = Buffer.from(all.subarray(from));
      if (kept.length > limits.line) one(kept);
    },
    end: (): void => one(kept),
  };
};

/** How the bytes of a body become a value. */
interface Sink {
  readonly most: number;
  readonly push: (chunk: Buffer) => void;
  readonly end: () => unknown;
}

const jsonSink = (limits: BodyLimits): Sink => {
  const chunks: Buffer[] = [];
  return {
    most: limits.json,
    push: (chunk) => void chunks.push(chunk),
    end: () => {
      const all = Buffer.concat(chunks);
      return all.length === 0 ? undefined : parseJson(all, limits.depth, 'the body');
    },
  };
};

/** Values of a body of lines, each already read. */
export interface Lines {
  readonly lines: readonly object[];
}

const linesSink = (limits: BodyLimits, read: (value: unknown, index: number) => object): Sink => {
  const lines: object[] = [];
  const reader = lineReader(limits, (value, index) => void lines.push(read(value, index)));
  return {
    most: limits.lines,
    push: reader.push,
    end: (): Lines => {
      reader.end();
      return { lines };
    },
  };
};

const typeOf = (req: IncomingMessage): string =>
  (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

export interface BodyReader {
  readonly limits: BodyLimits;
  readonly budget: Budget;
  /** Reads one line of a body of lines; null: this request takes none. */
  readonly line: ((value: unknown, index: number) => object) | null;
}

/**
 * Resolves with the parsed body, with Lines, or with undefined when there is none; rejects with a RequestError as soon
 * as a limit is passed. What it took from the budget is given back when `release` is called.
 */
export const readBody = (
  req: IncomingMessage,
  o: BodyReader,
): { readonly body: Promise<unknown>; readonly release: () => void } => {
  let taken = 0;
  const release = (): void => {
    o.budget.give(taken);
    taken = 0;
  };
  const body = new Promise<unknown>((resolve, reject) => {
    const sink =
      o.line !== null && typeOf(req) === 'application/x-ndjson'
        ? linesSink(o.limits, o.line)
        : jsonSink(o.limits);
    const tooLarge = (): RequestError =>
      new RequestError('KS_API_BODY_TOO_LARGE', `the body is larger than ${sink.most} bytes`);
    const fail = (e: unknown): void => {
      req.off('data', onData);
      req.pause();
      reject(e);
    };
    const guarded = (work: () => void): void => {
      try {
        work();
      } catch (e) {
        fail(e);
      }
    };
    const onData = (chunk: Buffer): void =>
      guarded(() => {
        if (taken + chunk.length > sink.most) throw tooLarge();
        if (!o.budget.take(chunk.length))
          throw new RequestError(
            'KS_API_BUSY',
            'the bodies of all requests together are too large now; ask again',
          );
        taken += chunk.length;
        sink.push(chunk);
      });
    if (Number(req.headers['content-length'] ?? 0) > sink.most) {
      fail(tooLarge());
      return;
    }
    req.on('data', onData);
    req.on('end', () => guarded(() => resolve(sink.end())));
    req.on('error', fail);
    req.on('close', () => fail(new RequestError('KS_API_BODY', 'the client went away')));
  });
  return { body, release };
};
