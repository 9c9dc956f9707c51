/**
 * The control contract in TypeScript: each structure of native/ipc/ks_ipc.h with the same fields in the same order (a test compares sizes
 * with the header). Encoders make whole messages; `decodeMessage` never throws on what comes from the socket.
 */
import { err, ok, type Result } from '../kernel/result.js';
import { type Codec, decode, encode, struct, u8, viewOf } from '../net/codec.js';
import type { Op, ServiceId } from './diff.js';
import { address, be16, le16, le32, le64, reserved, text } from './fields.js';
import { type Forwarding, paramNames, type Scheduler } from './snapshot.js';

export const ipcMagic = 0x534b;
export const ipcVersion = 1;
export const ipcEndian = 0x01020304;
export const maxMessage = 65_536;
export const reasonLength = 160;
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
} as const;

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

const schedulers: readonly Scheduler[] = [
  'rr',
  'wrr',
  'wlc',
  'lc',
  'sed',
  'nq',
  'sh',
  'dh',
  'fo',
  'ovf',
  'conhash',
  'mh',
];
const forwardings: readonly Forwarding[] = ['FNAT', 'NAT', 'DR', 'TUN', 'SNAT'];
const protocols = { TCP: 6, UDP: 17 } as const;
const addressLeased = 1;
const addressLocal = 2;
const expireQuiescent = 1;

/** ks_msg */
export const header = struct({
  magic: le16,
  version: u8,
  type: u8,
  seq: le32,
  len: le32,
  reserved: reserved(4),
});
/** ks_hello */
export const hello = struct({ endian: le32, pid: le32, name: text(32) });
/** ks_hello_ack */
export const helloAck = struct({
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
/** ks_begin */
export const begin = struct({ base: le64 });
/** ks_commit */
export const commit = struct({ generation: le64, digest: le64, ops: le32, reserved: reserved(4) });
/** ks_ack */
export const ack = struct({
  generation: le64,
  status: le32,
  opIndex: le32,
  reason: text(reasonLength),
});
export type Ack = ReturnType<typeof ack.read>;
/** ks_lease */
export const lease = struct({ ms: le32, reserved: reserved(4) });
/** ks_garp */
export const garp = struct({
  dev: text(16),
  af: u8,
  repeat: u8,
  reserved: reserved(2),
  addr: address,
});
/** ks_shutdown */
export const shutdown = struct({ drainMs: le32, reserved: reserved(4) });
/** ks_sessions */
export const sessions = struct({ worker: le32, cursor: le32, max: le32, reserved: reserved(4) });
/** ks_sessions_ack */
export const sessionsAck = struct({ worker: le32, next: le32, count: le32, status: le32 });
/** ks_session_row */
export const sessionRow = struct({
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
  client: address,
  vip: address,
  lip: address,
  rs: address,
});
export type SessionRow = ReturnType<typeof sessionRow.read>;
/** ks_event */
export const event = struct({
  type: le32,
  a: le32,
  dev: text(16),
  af: u8,
  reserved: reserved(3),
  addr: address,
  text: text(reasonLength),
});
export type Event = ReturnType<typeof event.read>;
export const eventNames: Readonly<Record<number, string>> = {
  1: 'link',
  2: 'lease expired',
  3: 'address conflict',
  4: 'local ports exhausted',
  5: 'session table full',
  6: 'stopping',
  7: 'log',
};

/** Names DPVS prints, by `enum ks_state`. */
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
] as const;

/** ks_op, at the head of each operation */
const opHead = struct({ opType: le16, opLen: le16 });
/** ks_svc_key */
const svcKey = struct({ af: u8, proto: u8, port: be16, addr: address });
/** ks_op_addr */
export const opAddr = struct({
  op: opHead,
  dev: text(16),
  af: u8,
  plen: u8,
  flags: le16,
  addr: address,
});
/** ks_op_svc */
export const opSvc = struct({
  op: opHead,
  key: svcKey,
  sched: u8,
  reserved: reserved(3),
  flags: le32,
  estTimeoutMs: le32,
  persistMs: le32,
  persistPlen: u8,
  reserved2: reserved(3),
});
/** ks_op_rs */
export const opRs = struct({
  op: opHead,
  svc: svcKey,
  af: u8,
  fwd: u8,
  port: be16,
  addr: address,
  weight: le32,
  flags: le32,
});
/** ks_op_lip */
export const opLip = struct({
  op: opHead,
  svc: svcKey,
  dev: text(16),
  af: u8,
  reserved: reserved(3),
  addr: address,
});
/** ks_op_param */
export const opParam = struct({ op: opHead, param: le32, value: le32, reserved: reserved(4) });

/** Sizes by the name of the C structure, for the test that compares them. */
export const structSizes: Readonly<Record<string, number>> = {
  ks_msg: header.size,
  ks_hello: hello.size,
  ks_hello_ack: helloAck.size,
  ks_begin: begin.size,
  ks_commit: commit.size,
  ks_ack: ack.size,
  ks_lease: lease.size,
  ks_garp: garp.size,
  ks_shutdown: shutdown.size,
  ks_sessions: sessions.size,
  ks_sessions_ack: sessionsAck.size,
  ks_session_row: sessionRow.size,
  ks_event: event.size,
  ks_op_addr: opAddr.size,
  ks_op_svc: opSvc.size,
  ks_op_rs: opRs.size,
  ks_op_lip: opLip.size,
  ks_op_param: opParam.size,
};

const opCode = {
  addressSet: 1,
  addressDel: 2,
  serviceSet: 7,
  serviceDel: 8,
  realServerSet: 9,
  realServerDel: 10,
  localSet: 11,
  localDel: 12,
  paramSet: 13,
} as const satisfies Record<Op['type'], number>;

const key = (s: ServiceId) => ({
  af: 4,
  proto: protocols[s.protocol],
  port: s.port,
  addr: s.address,
});

const nameOf = (type: Op['type'], size: number) => ({ opType: opCode[type], opLen: size });

export const encodeOp = (op: Op): Uint8Array => {
  switch (op.type) {
    case 'addressSet':
    case 'addressDel': {
      const a = op.address;
      const flags = (a.leased ? addressLeased : 0) | (a.local ? addressLocal : 0);
      return encode(opAddr, {
        op: nameOf(op.type, opAddr.size),
        dev: a.device,
        af: 4,
        plen: a.prefixLength,
        flags,
        addr: a.address,
      });
    }
    case 'serviceSet': {
      const s = op.service;
      return encode(opSvc, {
        op: nameOf(op.type, opSvc.size),
        key: key(s),
        sched: schedulers.indexOf(s.scheduler) + 1,
        reserved: null,
        flags: s.expireQuiescent ? expireQuiescent : 0,
        estTimeoutMs: s.establishedTimeoutMs,
        persistMs: 0,
        persistPlen: 0,
        reserved2: null,
      });
    }
    case 'serviceDel':
      return encode(opSvc, {
        op: nameOf(op.type, opSvc.size),
        key: key(op.service),
        sched: 0,
        reserved: null,
        flags: 0,
        estTimeoutMs: 0,
        persistMs: 0,
        persistPlen: 0,
        reserved2: null,
      });
    case 'realServerSet':
    case 'realServerDel': {
      const r = op.realServer;
      return encode(opRs, {
        op: nameOf(op.type, opRs.size),
        svc: key(op.service),
        af: 4,
        fwd: forwardings.indexOf(r.forwarding) + 1,
        port: r.port,
        addr: r.address,
        weight: r.weight,
        flags: 0,
      });
    }
    case 'localSet':
    case 'localDel':
      return encode(opLip, {
        op: nameOf(op.type, opLip.size),
        svc: key(op.service),
        dev: op.local.device,
        af: 4,
        reserved: null,
        addr: op.local.address,
      });
    case 'paramSet':
      return encode(opParam, {
        op: nameOf(op.type, opParam.size),
        param: paramNames.indexOf(op.param),
        value: op.value,
        reserved: null,
      });
  }
};

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

/** BEGIN, OPS as full as they may be, COMMIT. `base` 0n starts from an empty state. */
export const encodeGeneration = (
  seq: number,
  g: {
    readonly base: bigint;
    readonly generation: bigint;
    readonly digest: bigint;
    readonly ops: readonly Op[];
  },
): readonly Uint8Array[] => {
  const out = [simple(messageType.begin, seq, begin, { base: g.base })];
  let batch: Uint8Array[] = [];
  let size = header.size;
  const flush = (): void => {
    if (batch.length > 0) out.push(message(messageType.ops, seq, batch));
    batch = [];
    size = header.size;
  };
  for (const op of g.ops) {
    const bytes = encodeOp(op);
    if (size + bytes.byteLength > maxMessage) flush();
    batch.push(bytes);
    size += bytes.byteLength;
  }
  flush();
  const { generation, digest } = g;
  out.push(
    simple(messageType.commit, seq, commit, {
      generation,
      digest,
      ops: g.ops.length,
      reserved: null,
    }),
  );
  return out;
};

export const encodeLease = (seq: number, ms: number): Uint8Array =>
  simple(messageType.lease, seq, lease, { ms, reserved: null });

export const encodeGarp = (seq: number, dev: string, addr: string, repeat: number): Uint8Array =>
  simple(messageType.garp, seq, garp, { dev, af: 4, repeat, reserved: null, addr });

export const encodeSessions = (
  seq: number,
  worker: number,
  cursor: number,
  max: number,
): Uint8Array =>
  simple(messageType.sessions, seq, sessions, { worker, cursor, max, reserved: null });

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
  | { readonly type: 'event'; readonly seq: number; readonly body: Event };

export interface DecodeError {
  readonly reason: string;
}

const bad = (reason: string): Result<never, DecodeError> => err({ reason });

const decodeSessions = (seq: number, body: Uint8Array): Result<Message, DecodeError> => {
  const head = decode(sessionsAck, body);
  if (!head.ok) return bad('sessions: truncated');
  const { count, next, status } = head.value;
  if (body.byteLength < sessionsAck.size + count * sessionRow.size)
    return bad(`sessions: ${count} rows do not fit`);
  const view = viewOf(body);
  const rows = Array.from({ length: count }, (_, i) =>
    sessionRow.read(view, sessionsAck.size + i * sessionRow.size),
  );
  return ok({ type: 'sessions', seq, status, next: next === none ? null : next, rows });
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
    case messageType.helloAck:
      return as(helloAck, 'helloAck');
    case messageType.ack:
      return as(ack, 'ack');
    case messageType.sessionsAck:
      return decodeSessions(seq, body);
    case messageType.event:
      return as(event, 'event');
    default:
      return bad(`unknown type ${type}`);
  }
};
