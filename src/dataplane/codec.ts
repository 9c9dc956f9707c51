/**
 * The control contract in TypeScript: each message of native/ipc/ks_ipc.h with the same fields in the same order (a test compares every
 * place with the compiler's). Encoders make whole messages; `decodeMessage` never throws on what comes from the socket. Operations are
 * in ops.ts.
 */
import { err, ok, type Result } from '../kernel/result.js';
import { type Codec, decode, encode, u8, viewOf } from '../net/codec.js';
import type { Op } from './diff.js';
import {
  address,
  afOf,
  be16,
  le16,
  le32,
  le64,
  macAddress,
  reserved,
  text,
  wireStruct,
} from './fields.js';
import { writingOf } from './ops.js';

export const ipcMagic = 0x534b;
export const ipcVersion = 2;
export const ipcEndian = 0x01020304;
export const maxMessage = 65_536;
export const reasonLength = 160;
/** As cursor: there is no next page. */
const none = 0xffffffff;

export const messageType = {
  hello: 1,
  helloAck: 2,
  begin: 3,
  ops: 4,
  commit: 5,
  abort: 6,
  ack: 7,
  lease: 8,
  garp: 9,
  sessions: 10,
  sessionsAck: 11,
  event: 12,
  shutdown: 13,
  ping: 14,
  list: 15,
  listAck: 16,
  leaseAck: 17,
} as const;

/** `enum ks_status` */
export const statusNames = [
  'ok',
  'malformed',
  'busy',
  'base',
  'invalid',
  'no memory',
  'not found',
  'state',
  'unsupported',
] as const;

export const header = wireStruct('ks_msg', {
  magic: le16,
  version: u8,
  type: u8,
  seq: le32,
  len: le32,
  reserved: reserved(4),
});
export const hello = wireStruct('ks_hello', { endian: le32, pid: le32, name: text(32) });
export const helloAck = wireStruct('ks_hello_ack', {
  endian: le32,
  pid: le32,
  bootId: le64,
  generation: le64,
  digest: le64,
  workers: le32,
  ports: le32,
  shmSize: le32,
  reserved: reserved(4),
  version: text(32),
});
export type HelloAck = ReturnType<typeof helloAck.read>;
export const begin = wireStruct('ks_begin', { base: le64 });
export const commit = wireStruct('ks_commit', {
  generation: le64,
  digest: le64,
  ops: le32,
  reserved: reserved(4),
});
export const ack = wireStruct('ks_ack', {
  generation: le64,
  status: le32,
  opIndex: le32,
  reason: text(reasonLength),
});
export const status = {
  ok: 0,
  malformed: 1,
  busy: 2,
  base: 3,
  invalid: 4,
  notFound: 6,
  state: 7,
} as const;
/** In an acknowledgement: no operation was at fault. */
export const noOp = 0xffffffff;
export type Ack = ReturnType<typeof ack.read>;
export const lease = wireStruct('ks_lease', { ms: le32, count: le32 });
export const leaseAddress = wireStruct('ks_lease_addr', {
  dev: text(16),
  af: u8,
  reserved: reserved(3),
  addr: address(),
});
export const leaseAck = wireStruct('ks_lease_ack', { count: le32, status: le32 });
export const leaseState = wireStruct('ks_lease_state', {
  status: le32,
  leftMs: le32,
  renewedMsAgo: le32,
});
export type LeaseState = ReturnType<typeof leaseState.read>;
/** As `ms` of a lease request: report the leases, change none. */
export const leaseQuery = 0xffffffff;
/** As `renewedMsAgo`: the lease was never renewed. */
export const neverRenewed = 0xffffffff;
export const garp = wireStruct('ks_garp', {
  dev: text(16),
  af: u8,
  repeat: u8,
  reserved: reserved(2),
  addr: address(),
});
export const shutdown = wireStruct('ks_shutdown', { drainMs: le32, reserved: reserved(4) });
export const sessions = wireStruct('ks_sessions', {
  worker: le32,
  cursor: le32,
  max: le32,
  reserved: reserved(4),
});
export const sessionsAck = wireStruct('ks_sessions_ack', {
  worker: le32,
  next: le32,
  count: le32,
  status: le32,
});
export const sessionRow = wireStruct('ks_session_row', {
  afIn: u8,
  afOut: u8,
  proto: u8,
  state: u8,
  worker: le16,
  fwd: le16,
  expiresMs: le32,
  flags: le32,
  cport: be16,
  vport: be16,
  lport: be16,
  rport: be16,
  client: address(24),
  vip: address(40),
  lip: address(55),
  rs: address(71),
});
export type SessionRow = ReturnType<typeof sessionRow.read>;
/** `enum ks_list_kind` */
export const listKind = { addresses: 1, routes: 2, neighbours: 3 } as const;
export type ListKind = keyof typeof listKind;
export const list = wireStruct('ks_list', {
  kind: le32,
  cursor: le32,
  max: le32,
  reserved: reserved(4),
});
export const listAck = wireStruct('ks_list_ack', {
  kind: le32,
  next: le32,
  count: le32,
  status: le32,
});
export const listFlags = {
  op: 1,
  kernel: 2,
  connected: 4,
  leased: 8,
  local: 0x10,
  static: 0x20,
  held: 0x40,
} as const;
export const listRow = wireStruct('ks_list_row', {
  dev: text(16),
  af: u8,
  plen: u8,
  flags: le16,
  mtu: le32,
  metric: le32,
  ageMs: le32,
  mac: macAddress,
  state: u8,
  reserved: reserved(1),
  addr: address(24),
  gw: address(40),
  src: address(56),
});
export type ListRow = ReturnType<typeof listRow.read>;
/** By `enum ks_neigh_state`. */
export const neighbourStates = [
  'NONE',
  'INCOMPLETE',
  'REACHABLE',
  'STALE',
  'PROBE',
  'FAILED',
  'STATIC',
] as const;

export const event = wireStruct('ks_event', {
  type: le32,
  a: le32,
  dev: text(16),
  af: u8,
  reserved: reserved(3),
  addr: address(),
  text: text(reasonLength),
});
export type Event = ReturnType<typeof event.read>;
/** `enum ks_event_type` */
export const eventNames: Readonly<Record<number, string>> = {
  1: 'link',
  2: 'lease expired',
  3: 'address conflict',
  4: 'local ports exhausted',
  5: 'session table full',
  6: 'stopping',
  7: 'log',
  8: 'address not held',
};

/** What it says, for a person. */
export const eventText = (e: Pick<Event, 'type' | 'a' | 'text'>): string => {
  const name = eventNames[e.type] ?? `event ${e.type}`;
  return [name, e.type === 1 ? (e.a === 0 ? 'down' : 'up') : '', e.text]
    .filter((w) => w !== '')
    .join(' ');
};

/** The names DPVS prints, by `enum ks_state`. */
export const stateNames = [
  'NONE',
  'TCP_EST',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
  'UDP_ONEWAY',
  'UDP_NORM',
  'ICMP_NORM',
  'SCTP_INIT1',
  'SCTP_INIT',
  'SCTP_EST',
  'SCTP_SHUTDOWN',
  'SCTP_REJECTED',
  'SCTP_CLOSED',
] as const;

const message = (type: number, seq: number, parts: readonly Uint8Array[]): Uint8Array => {
  const len = parts.reduce((n, p) => n + p.byteLength, 0);
  const out = new Uint8Array(header.size + len);
  header.write(viewOf(out), 0, {
    magic: ipcMagic,
    version: ipcVersion,
    type,
    seq,
    len,
    reserved: null,
  });
  let at = header.size;
  for (const p of parts) {
    out.set(p, at);
    at += p.byteLength;
  }
  return out;
};

const simple = <T>(type: number, seq: number, codec: Codec<T>, value: T): Uint8Array =>
  message(type, seq, [encode(codec, value)]);

export const encodeHello = (seq: number, pid: number, name: string): Uint8Array =>
  simple(messageType.hello, seq, hello, { endian: ipcEndian, pid, name });

export interface Generation {
  /** 0n starts from an empty state. */
  readonly base: bigint;
  readonly generation: bigint;
  readonly digest: bigint;
}

/**
 * BEGIN, OPS as full as they may be, COMMIT. Each message is made when it is asked for, so that a
 * caller can send a large generation in pieces. Throws on an op that cannot be written.
 */
export function* generationMessages(
  seq: number,
  { base, generation, digest }: Generation,
  ops: Iterable<Op>,
): Generator<Uint8Array> {
  yield simple(messageType.begin, seq, begin, { base });
  const room = new Uint8Array(maxMessage - header.size);
  const view = viewOf(room);
  let used = 0;
  let count = 0;
  for (const op of ops) {
    const w = writingOf(op);
    if (used + w.size > room.byteLength) {
      yield message(messageType.ops, seq, [room.subarray(0, used)]);
      used = 0;
    }
    w.write(view, used);
    used += w.size;
    count += 1;
  }
  if (used > 0) yield message(messageType.ops, seq, [room.subarray(0, used)]);
  yield simple(messageType.commit, seq, commit, { generation, digest, ops: count, reserved: null });
}

/** Takes back what was sent of a generation. */
export const encodeAbort = (seq: number): Uint8Array => message(messageType.abort, seq, []);

/** An address whose lease is requested. */
export interface LeaseAddress {
  readonly device: string;
  readonly address: string;
}

/** `ms` 0 ends the leases (of all addresses when none is named), `leaseQuery` changes none. */
export const encodeLease = (
  seq: number,
  ms: number,
  addresses: readonly LeaseAddress[],
): Uint8Array =>
  message(messageType.lease, seq, [
    encode(lease, { ms, count: addresses.length }),
    ...addresses.map((a) =>
      encode(leaseAddress, { dev: a.device, af: afOf(a.address), reserved: null, addr: a.address }),
    ),
  ]);

export const encodeGarp = (seq: number, dev: string, addr: string, repeat: number): Uint8Array =>
  simple(messageType.garp, seq, garp, { dev, af: afOf(addr), repeat, reserved: null, addr });

export const encodeSessions = (
  seq: number,
  worker: number,
  cursor: number,
  max: number,
): Uint8Array =>
  simple(messageType.sessions, seq, sessions, { worker, cursor, max, reserved: null });

export const encodeList = (seq: number, kind: ListKind, cursor: number, max: number): Uint8Array =>
  simple(messageType.list, seq, list, { kind: listKind[kind], cursor, max, reserved: null });

export const encodePing = (seq: number): Uint8Array => message(messageType.ping, seq, []);

export type Message =
  | { readonly type: 'helloAck'; readonly seq: number; readonly body: HelloAck }
  | { readonly type: 'ack'; readonly seq: number; readonly body: Ack }
  | {
      readonly type: 'sessions';
      readonly seq: number;
      readonly status: number;
      /** null: that was all. */
      readonly next: number | null;
      readonly rows: readonly SessionRow[];
    }
  | {
      readonly type: 'list';
      readonly seq: number;
      readonly status: number;
      /** null: that was all. */
      readonly next: number | null;
      readonly rows: readonly ListRow[];
    }
  | {
      readonly type: 'lease';
      readonly seq: number;
      readonly status: number;
      /** In the order of the request. */
      readonly states: readonly LeaseState[];
    }
  | { readonly type: 'event'; readonly seq: number; readonly body: Event };

export interface DecodeError {
  readonly reason: string;
}

const bad = (reason: string): Result<never, DecodeError> => err({ reason });

/** The rows behind a head of `size` bytes, or why they cannot be there. */
const rowsOf = <T>(
  what: string,
  body: Uint8Array,
  size: number,
  count: number,
  row: Codec<T>,
): Result<readonly T[], DecodeError> => {
  if (body.byteLength < size + count * row.size) return bad(`${what}: ${count} rows do not fit`);
  const view = viewOf(body);
  return ok(Array.from({ length: count }, (_, i) => row.read(view, size + i * row.size)));
};

const decodeSessions = (seq: number, body: Uint8Array): Result<Message, DecodeError> => {
  const head = decode(sessionsAck, body);
  if (!head.ok) return bad('sessions: truncated');
  const { count, next, status } = head.value;
  const rows = rowsOf('sessions', body, sessionsAck.size, count, sessionRow);
  if (!rows.ok) return rows;
  return ok({ type: 'sessions', seq, status, next: next === none ? null : next, rows: rows.value });
};

const decodeList = (seq: number, body: Uint8Array): Result<Message, DecodeError> => {
  const head = decode(listAck, body);
  if (!head.ok) return bad('list: truncated');
  const { count, next, status } = head.value;
  const rows = rowsOf('list', body, listAck.size, count, listRow);
  if (!rows.ok) return rows;
  return ok({ type: 'list', seq, status, next: next === none ? null : next, rows: rows.value });
};

const decodeLease = (seq: number, body: Uint8Array): Result<Message, DecodeError> => {
  const head = decode(leaseAck, body);
  if (!head.ok) return bad('lease: truncated');
  const { count, status } = head.value;
  const states = rowsOf('lease', body, leaseAck.size, count, leaseState);
  return states.ok ? ok({ type: 'lease', seq, status, states: states.value }) : states;
};

export const decodeMessage = (bytes: Uint8Array): Result<Message, DecodeError> => {
  const head = decode(header, bytes);
  if (!head.ok) return bad('shorter than a header');
  const { magic, version, type, seq, len } = head.value;
  if (magic !== ipcMagic) return bad(`magic ${magic}, expected ${ipcMagic}`);
  if (version !== ipcVersion)
    return bad(`the data plane speaks version ${version} of the contract, we speak ${ipcVersion}`);
  if (len !== bytes.byteLength - header.size) return bad(`length ${len} does not fit`);
  const body = bytes.subarray(header.size);
  const as = <T, K extends 'helloAck' | 'ack' | 'event'>(codec: Codec<T>, name: K) => {
    const d = decode(codec, body);
    return d.ok ? ok({ type: name, seq, body: d.value }) : bad(`${name}: truncated`);
  };
  switch (type) {
    case messageType.helloAck: {
      const m = as(helloAck, 'helloAck');
      return m.ok && m.value.body.endian !== ipcEndian ? bad('helloAck: another byte order') : m;
    }
    case messageType.ack:
      return as(ack, 'ack');
    case messageType.sessionsAck:
      return decodeSessions(seq, body);
    case messageType.listAck:
      return decodeList(seq, body);
    case messageType.leaseAck:
      return decodeLease(seq, body);
    case messageType.event:
      return as(event, 'event');
    default:
      return bad(`unknown type ${type}`);
  }
};
