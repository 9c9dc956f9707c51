/**
 * Finds the end of a chunked body without decoding it (RFC 9112 §7.1). In flow bytes as they arrive, out flows where
 * the scan stands and how many of the bytes belong to the body.
 */
import { unreachable } from '../kernel/machine.js';

export type Chunk =
  | { readonly at: 'size'; readonly line: string }
  | { readonly at: 'data'; readonly left: number }
  | { readonly at: 'dataEnd' }
  /** `blank`: nothing but CR since the last LF. */
  | { readonly at: 'trailer'; readonly blank: boolean };

/** null: these are no chunks. */
export type Scanned = Chunk | 'end' | null;

export const firstChunk: Chunk = { at: 'size', line: '' };

const CR = 13;
const LF = 10;
/** Chunk extensions are allowed and ignored, up to here. */
const maxSizeLine = 256;

function sizeLine(line: string, byte: number): Scanned {
  if (byte !== LF)
    return line.length < maxSizeLine
      ? { at: 'size', line: line + String.fromCharCode(byte) }
      : null;
  const digits = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?\r?$/i.exec(line)?.[1];
  if (digits === undefined) return null;
  const left = Number.parseInt(digits, 16);
  return left === 0 ? { at: 'trailer', blank: true } : { at: 'data', left };
}

function dataEnd(c: Chunk, byte: number): Scanned {
  if (byte === CR) return c;
  return byte === LF ? firstChunk : null;
}

function trailer(blank: boolean, byte: number): Scanned {
  if (byte === LF) return blank ? 'end' : { at: 'trailer', blank: true };
  return { at: 'trailer', blank: blank && byte === CR };
}

function scanByte(c: Exclude<Chunk, { at: 'data' }>, byte: number): Scanned {
  switch (c.at) {
    case 'size':
      return sizeLine(c.line, byte);
    case 'dataEnd':
      return dataEnd(c, byte);
    case 'trailer':
      return trailer(c.blank, byte);
    default:
      return unreachable(c);
  }
}

export function scanChunks(from: Chunk, bytes: Uint8Array): readonly [Scanned, used: number] {
  let chunk = from;
  let i = 0;
  while (i < bytes.length) {
    if (chunk.at === 'data') {
      const used = Math.min(chunk.left, bytes.length - i);
      i += used;
      chunk = used === chunk.left ? { at: 'dataEnd' } : { at: 'data', left: chunk.left - used };
      continue;
    }
    const next = scanByte(chunk, bytes[i] ?? 0);
    i++;
    if (next === 'end' || next === null) return [next, i];
    chunk = next;
  }
  return [chunk, i];
}
