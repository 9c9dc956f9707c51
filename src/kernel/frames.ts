/**
 * Frames of the links between processes: 4 bytes of length (big endian), then that many bytes of
 * JSON in UTF-8. Pure: bytes in, messages out.
 */
import { err, ok, type Result } from './result.js';

export interface FrameError {
  readonly kind: 'tooLong' | 'notJson';
  readonly why: string;
}

export interface FrameReader {
  /** The messages that are complete after `chunk`; after an error the stream is of no more use. */
  readonly push: (chunk: Uint8Array) => Result<readonly unknown[], FrameError>;
}

const headerBytes = 4;

export const encodeFrame = (message: unknown): Uint8Array => {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const frame = new Uint8Array(headerBytes + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, headerBytes);
  return frame;
};

const concat = (chunks: readonly Uint8Array[], length: number): Uint8Array => {
  const out = new Uint8Array(length);
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
};

/** `maxBytes` bounds one message: a peer cannot make us hold more than that. */
export const frameReader = (maxBytes: number): FrameReader => {
  let chunks: Uint8Array[] = [];
  let held = 0;
  /** Length of the body that is awaited; null: the header is not complete. */
  let wanted: number | null = null;

  const take = (length: number): Uint8Array => {
    const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : concat(chunks, held);
    held -= length;
    chunks = held === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  };

  /** Takes the header once it is complete; a length beyond the bound is the error. */
  const readHeader = (): FrameError | null => {
    if (wanted !== null || held < headerBytes) return null;
    const header = take(headerBytes);
    wanted = new DataView(header.buffer, header.byteOffset, headerBytes).getUint32(0);
    if (wanted <= maxBytes) return null;
    return { kind: 'tooLong', why: `a message of ${wanted} bytes, at most ${maxBytes} allowed` };
  };

  /** The next whole message, null when it is not complete yet. */
  const next = (): Result<{ readonly message: unknown } | null, FrameError> => {
    const wrong = readHeader();
    if (wrong !== null) return err(wrong);
    if (wanted === null || held < wanted) return ok(null);
    const body = take(wanted);
    wanted = null;
    try {
      return ok({ message: JSON.parse(new TextDecoder().decode(body)) });
    } catch (e) {
      return err({ kind: 'notJson', why: e instanceof Error ? e.message : String(e) });
    }
  };

  return {
    push: (chunk) => {
      chunks.push(chunk);
      held += chunk.length;
      const messages: unknown[] = [];
      for (;;) {
        const read = next();
        if (!read.ok) return read;
        if (read.value === null) return ok(messages);
        messages.push(read.value.message);
      }
    },
  };
};
