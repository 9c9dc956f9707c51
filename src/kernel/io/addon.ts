/**
 * The native addon: its types, in the order of native/addon/addon.cc, and how it is loaded. Every
 * function throws an Error with a `code` (EPERM, ENODEV ...) when Linux refuses, a TypeError when an
 * argument is missing or has the wrong type, and HandleClosedError (`code` ERR_CLOSED) when a closed
 * handle is used. Handles keep the process running until they are closed.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SeqpacketHandle {
  /** One message of at most 64 KiB. Never blocks: messages wait in order until the peer has room. */
  readonly send: (bytes: Uint8Array) => void;
  /** Drops what is still waiting to be sent; no listener is called afterwards. */
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
  /** Starts receiving packets, with their IP header. May be called once. */
  readonly onMessage: (listener: (packet: Uint8Array) => void) => void;
  readonly close: () => void;
}

export interface LinkEntry {
  readonly type: 'link' | 'linkGone';
  readonly index: number;
  readonly name: string;
  /** Administrative state. */
  readonly up: boolean;
  /** Up and with carrier. */
  readonly running: boolean;
  /** Empty when the link has none. */
  readonly mac: string;
  readonly mtu: number;
}

export interface AddressEntry {
  readonly type: 'address' | 'addressGone';
  /** Of the link. */
  readonly index: number;
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefixLength: number;
}

export interface DeviceAddress {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
}

export interface DeviceRoute {
  readonly device: string;
  readonly destination: string;
  readonly prefixLength: number;
  /** null: on-link. */
  readonly gateway: string | null;
  readonly source: string | null;
  /** 0: the kernel's. */
  readonly metric: number;
}

/** What a search may cost; a subject may be written by a stranger. */
export interface PatternBounds {
  /** Backtracking, nesting and memory from each place where a match may begin. */
  readonly matchLimit: number;
  readonly depthLimit: number;
  readonly heapKib: number;
  /** CPU time of the whole search. */
  readonly cpuMs: number;
}

export interface PatternError {
  /** Bytes into the pattern. */
  readonly offset: number;
  readonly message: string;
}

/**
 * Where the first match begins, between `from` and `to` (null: the end). null: there is none. A
 * text: why it could not be searched, a bound that was exceeded for example.
 */
export type CompiledPattern = (
  subject: Uint8Array,
  from: number,
  to: number | null,
) => number | null | string;

export interface Addon {
  /**
   * `onClose` receives null at end of file, or the name of the error. `fd` arrives by SCM_RIGHTS; the
   * listener must close it.
   */
  readonly seqpacketConnect: (
    path: string,
    onMessage: (bytes: Uint8Array, fd: number | null) => void,
    onClose: (code: string | null) => void,
  ) => SeqpacketHandle;
  /**
   * Takes ownership of the descriptor, also when it fails. The memory stays mapped while the buffer is
   * referenced; writing to it is a fault.
   */
  readonly mapReadOnly: (fd: number, size: number) => ArrayBuffer;
  readonly rawSocketOpen: (o: RawSocketOptions) => RawSocketHandle;
  /**
   * Reports links and addresses when they change. `onClose` with ENOBUFS: changes were lost, so open
   * another monitor and dump.
   */
  readonly netlinkMonitor: (
    onChange: (change: LinkEntry | AddressEntry) => void,
    onClose: (code: string | null) => void,
  ) => { readonly close: () => void };
  readonly linkDump: () => readonly LinkEntry[];
  readonly addressDump: () => readonly AddressEntry[];
  /** IPv4; EEXIST when the address exists. */
  readonly addressAdd: (a: DeviceAddress) => void;
  readonly addressDel: (a: DeviceAddress) => void;
  /** IPv4, main table; EEXIST when the route exists. */
  readonly routeAdd: (r: DeviceRoute) => void;
  readonly routeDel: (r: DeviceRoute) => void;
  readonly linkSetUp: (device: string) => void;
  /** PCRE2; `options` by keepalived's names of them, TypeError for an unknown one. */
  readonly patternCompile: (
    source: string,
    options: readonly string[],
    bounds: PatternBounds,
  ) => CompiledPattern | PatternError;
  /**
   * For good, in all threads: no other program, no other process, no privilege, no socket but of
   * UNIX, INET and INET6, none of them raw; such system calls fail with EPERM.
   */
  readonly restrictSystemCalls: () => void;
  /** Sets SCHED_RR for the JavaScript thread and the threads it starts later. */
  readonly setRealtime: (priority: number) => void;
  /** The signal that this process receives when the thread that started it ends; 0: none. */
  readonly setParentDeathSignal: (signal: number) => void;
  /** Timer slack of the JavaScript thread; 0 restores the default. */
  readonly setTimerSlack: (nanoseconds: number) => void;
}

/** From dist/src/kernel/io to the root of the tree. */
const builtHere = join(
  dirname(fileURLToPath(import.meta.url)),
  '../../../../build/native/addon/keelson.node',
);

/** The addon, or a text that lists the paths tried, the error of each, and what to do. */
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
  const machine = `${process.platform}-${process.arch}, Node ${process.version}`;
  return `the native addon cannot be loaded (${machine}). Tried ${failures.join('; ')}. Build it by scripts/setup, or name it in KEELSON_ADDON.`;
};

/** Of every pattern of a configuration: a bad body costs one check, not the process. */
const patternBounds: PatternBounds = {
  matchLimit: 200_000,
  depthLimit: 20_000,
  heapKib: 8192,
  cpuMs: 50,
};

/** For health checks. */
export const patternOf = (
  addon: Addon,
  source: string,
  options: readonly string[],
): CompiledPattern | PatternError => {
  try {
    return addon.patternCompile(source, options, patternBounds);
  } catch (e) {
    return { offset: 0, message: e instanceof Error ? e.message : String(e) };
  }
};

/** Whether a pattern of a configuration can be used: null, or what is wrong and where. */
export const patternCheck =
  (addon: Addon) =>
  (source: string, options: readonly string[]): PatternError | null => {
    const compiled = patternOf(addon, source, options);
    return typeof compiled === 'function' ? null : compiled;
  };
