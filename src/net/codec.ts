/** A field has a width, a reader and a writer; TypeScript types are inferred from the description. */
import { err, ok, type Result } from '../kernel/result.js';

export interface Codec<T> {
  readonly size: number;
  /** The caller has checked that `size` bytes are there; `decode` below does. */
  readonly read: (view: DataView, at: number) => T;
  readonly write: (view: DataView, at: number, value: T) => void;
}

export const u8: Codec<number> = {
  size: 1,
  read: (v, at) => v.getUint8(at),
  write: (v, at, x) => v.setUint8(at, x),
};

/** In network byte order, like every field here. */
export const u16: Codec<number> = {
  size: 2,
  read: (v, at) => v.getUint16(at),
  write: (v, at, x) => v.setUint16(at, x),
};

export const u32: Codec<number> = {
  size: 4,
  read: (v, at) => v.getUint32(at),
  write: (v, at, x) => v.setUint32(at, x),
};

/** Reads a copy. Writes zero-padded and truncates what does not fit. */
export const bytes = (size: number): Codec<Uint8Array> => ({
  size,
  read: (v, at) => new Uint8Array(v.buffer, v.byteOffset + at, size).slice(),
  write: (v, at, x) => {
    const out = new Uint8Array(v.buffer, v.byteOffset + at, size);
    out.fill(0);
    out.set(x.subarray(0, size));
  },
});

// biome-ignore lint/suspicious/noExplicitAny: the field types are recovered by Value<F>
export type Fields = Readonly<Record<string, Codec<any>>>;
type Value<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Codec<infer T> ? T : never;
};

/** Fields one after the other, in the order written. */
export function struct<const F extends Fields>(fields: F): Codec<Value<F>> {
  const list = Object.entries(fields);
  return {
    size: list.reduce((n, [, c]) => n + c.size, 0),
    read: (v, at) => {
      const out: Record<string, unknown> = {};
      let offset = at;
      for (const [name, codec] of list) {
        out[name] = codec.read(v, offset);
        offset += codec.size;
      }
      return out as Value<F>;
    },
    write: (v, at, x) => {
      let offset = at;
      for (const [name, codec] of list) {
        codec.write(v, offset, x[name]);
        offset += codec.size;
      }
    },
  };
}

export interface Truncated {
  readonly kind: 'truncated';
  readonly offset: number;
  readonly needed: number;
  readonly available: number;
}

export const viewOf = (b: Uint8Array): DataView =>
  new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Reads `codec` at `at`, or returns how many bytes are missing. */
export function decode<T>(codec: Codec<T>, b: Uint8Array, at = 0): Result<T, Truncated> {
  const available = b.byteLength - at;
  if (at < 0 || available < codec.size)
    return err({ kind: 'truncated', offset: at, needed: codec.size, available });
  return ok(codec.read(viewOf(b), at));
}

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const out = new Uint8Array(codec.size);
  codec.write(viewOf(out), 0, value);
  return out;
}
