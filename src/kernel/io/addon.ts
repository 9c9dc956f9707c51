/** The native addon: its shape, in the order of native/addon/addon.cc, and where it is found. */
import { createRequire } from 'node:module';

export interface SeqpacketHandle {
  /** One message of at most 64 KiB; throws an Error with a `code`. */
  readonly send: (bytes: Uint8Array) => void;
  readonly close: () => void;
}

export interface RawSocketOptions {
  readonly protocol: number;
  readonly device: string;
  readonly mcastGroup: string | null;
  readonly source: string | null;
  readonly ttl: number;
  readonly tos: number;
}

export interface RawSocketHandle {
  readonly send: (destination: string, payload: Uint8Array) => void;
  /** Packets with their IP header. Once only. */
  readonly onMessage: (listener: (packet: Uint8Array) => void) => void;
  readonly close: () => void;
}

export interface Addon {
  /** `onClose` gets null at end of file, or the name of the error. `fd` comes with SCM_RIGHTS and is the listener's to close. */
  readonly seqpacketConnect: (
    path: string,
    onMessage: (bytes: Uint8Array, fd: number | null) => void,
    onClose: (code: string | null) => void,
  ) => SeqpacketHandle;
  /** Takes the descriptor. */
  readonly mapReadOnly: (fd: number, size: number) => ArrayBuffer;
  readonly rawSocketOpen: (o: RawSocketOptions) => RawSocketHandle;
  readonly setRealtime: (priority: number) => void;
}

/** From dist/src/kernel/io to the root of the tree. */
const builtHere = '../../../../build/native/addon/keelson.node';

/** The addon, or one text that says where it was looked for, why each place failed, and what to do. */
export const loadAddon = (): Addon | string => {
  const require = createRequire(import.meta.url);
  const named = process.env['KEELSON_ADDON'];
  const failures: string[] = [];
  for (const place of named === undefined ? [builtHere] : [named, builtHere]) {
    try {
      return require(place) as Addon;
    } catch (e) {
      failures.push(`${place}: ${e instanceof Error ? e.message.split('\n')[0] : String(e)}`);
    }
  }
  return `the native addon is not there for ${process.platform}-${process.arch} (${failures.join('; ')}); build it by scripts/setup`;
};
