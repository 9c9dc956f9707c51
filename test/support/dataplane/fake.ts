/** A data plane that only speaks: it takes every generation it is told to take, counts operations, and shows what it was sent. */
import {
  ack,
  begin,
  commit,
  event,
  garp,
  header,
  helloAck,
  ipcEndian,
  ipcVersion,
  type ListRow,
  lease,
  leaseAck,
  leaseAddress,
  leaseQuery,
  leaseState,
  list,
  listAck,
  listRow,
  messageType,
  neverRenewed,
  noOp,
  type SessionRow,
  sessionRow,
  sessions,
  sessionsAck,
  status,
} from '../../../src/dataplane/codec.js';
import { type Codec, decode, encode, viewOf } from '../../../src/net/codec.js';
import { type Relay, startRelay } from './relay.js';

export interface Behaviour {
  generation: bigint;
  digest: bigint;
  /** The next generations are refused with these. */
  refusals: { readonly status: number; readonly reason: string }[];
  /** Answers nothing at all. */
  silent: boolean;
  /** Answers to hello with a refusal. */
  unfriendly: boolean;
  counters: Uint8Array;
  /** By worker. */
  sessions: readonly (readonly SessionRow[])[];
  /** By `enum ks_list_kind`; another kind is refused. */
  tables: ReadonlyMap<number, readonly ListRow[]>;
  /** Milliseconds left, by leased address of the generation. */
  leases: Map<string, number>;
  /** So many questions for sessions find the worker busy. */
  busy: number;
}

export interface Fake {
  readonly relay: Relay;
  readonly behaviour: Behaviour;
  /** One word for each message that came: 'hello', 'begin 0', 'ops 3', 'commit 1', 'lease 3000' ... */
  readonly heard: readonly string[];
  readonly happen: (type: number, text: string) => void;
  /** Sends bytes as they are. */
  readonly say: (bytes: Uint8Array) => void;
}

const take = <T>(codec: Codec<T>, body: Uint8Array): T => {
  const d = decode(codec, body);
  if (!d.ok) throw new Error('the client sent a message that is cut off');
  return d.value;
};

export const answerOf = (type: number, seq: number, body: Uint8Array): Uint8Array => {
  const head = {
    magic: 0x534b,
    version: ipcVersion,
    type,
    seq,
    len: body.byteLength,
    reserved: null,
  };
  const out = new Uint8Array(header.size + body.byteLength);
  out.set(encode(header, head));
  out.set(body, header.size);
  return out;
};

const countOps = (body: Uint8Array): number => {
  const view = viewOf(body);
  let n = 0;
  for (let at = 0; at < body.byteLength; at += view.getUint16(at + 2, true)) n++;
  return n;
};

export const startFake = async (path?: string): Promise<Fake> => {
  const b: Behaviour = {
    generation: 0n,
    digest: 0n,
    refusals: [],
    silent: false,
    unfriendly: false,
    counters: new Uint8Array(64),
    sessions: [[]],
    tables: new Map(),
    leases: new Map(),
    busy: 0,
  };
  const heard: string[] = [];
  let ops = 0;

  const acknowledge = (
    seq: number,
    refused?: { readonly status: number; readonly reason: string },
  ) =>
    relay.send(
      answerOf(
        messageType.ack,
        seq,
        encode(ack, {
          generation: b.generation,
          status: refused?.status ?? status.ok,
          opIndex: noOp,
          reason: refused?.reason ?? '',
        }),
      ),
    );

  const onHello = (seq: number): void => {
    if (b.unfriendly) {
      acknowledge(seq, { status: status.malformed, reason: 'we do not know you' });
      return;
    }
    const body = encode(helloAck, {
      endian: ipcEndian,
      pid: 4711,
      bootId: 1n,
      generation: b.generation,
      digest: b.digest,
      workers: b.sessions.length,
      ports: 1,
      shmSize: b.counters.byteLength,
      reserved: null,
      version: 'fake',
    });
    relay.sendWithMemory(answerOf(messageType.helloAck, seq, body), b.counters);
  };
  const onCommit = (seq: number, body: Uint8Array): void => {
    const c = take(commit, body);
    heard.push(`commit ${c.generation}`);
    const refused =
      c.ops === ops ? b.refusals.shift() : { status: status.malformed, reason: `${ops} ops came` };
    if (refused === undefined) {
      b.generation = c.generation;
      b.digest = c.digest;
    }
    acknowledge(seq, refused);
  };
  const onSessions = (seq: number, body: Uint8Array): void => {
    const { worker, cursor, max } = take(sessions, body);
    heard.push(`sessions ${worker} ${cursor}`);
    const all = b.sessions[worker] ?? [];
    const isBusy = b.busy > 0;
    if (isBusy) b.busy--;
    const rows = isBusy ? [] : all.slice(cursor, cursor + max);
    const end = cursor + rows.length;
    const head = {
      worker,
      next: isBusy ? cursor : end < all.length ? end : noOp,
      count: rows.length,
      status: isBusy ? status.busy : status.ok,
    };
    const out = new Uint8Array(sessionsAck.size + rows.length * sessionRow.size);
    sessionsAck.write(viewOf(out), 0, head);
    rows.forEach((r, i) => {
      sessionRow.write(viewOf(out), sessionsAck.size + i * sessionRow.size, r);
    });
    relay.send(answerOf(messageType.sessionsAck, seq, out));
  };
  const onList = (seq: number, body: Uint8Array): void => {
    const { kind, cursor, max } = take(list, body);
    heard.push(`list ${kind} ${cursor}`);
    const all = b.tables.get(kind);
    const rows = (all ?? []).slice(cursor, cursor + max);
    const end = cursor + rows.length;
    const head = {
      kind,
      next: end < (all ?? []).length ? end : noOp,
      count: rows.length,
      status: all === undefined ? status.notFound : status.ok,
    };
    const bytes = rows.flatMap((r) => [...encode(listRow, r)]);
    relay.send(
      answerOf(messageType.listAck, seq, new Uint8Array([...encode(listAck, head), ...bytes])),
    );
  };
  const onLease = (seq: number, body: Uint8Array): void => {
    const { ms, count } = take(lease, body);
    heard.push(`lease ${ms}`);
    const states = Array.from({ length: count }, (_, i) => {
      const { addr } = take(leaseAddress, body.subarray(lease.size + i * leaseAddress.size));
      const left = b.leases.get(addr);
      if (left !== undefined && ms !== leaseQuery) b.leases.set(addr, ms);
      return {
        status: left === undefined ? status.notFound : status.ok,
        leftMs: b.leases.get(addr) ?? 0,
        renewedMsAgo: left === undefined || left === 0 ? neverRenewed : 0,
      };
    });
    const bytes = states.flatMap((x) => [...encode(leaseState, x)]);
    const head = encode(leaseAck, { count, status: status.ok });
    relay.send(answerOf(messageType.leaseAck, seq, new Uint8Array([...head, ...bytes])));
  };
  const onMessage = (m: Uint8Array): void => {
    const { type, seq } = take(header, m);
    const body = m.subarray(header.size);
    if (b.silent) {
      heard.push('unanswered');
      return;
    }
    switch (type) {
      case messageType.hello:
        heard.push('hello');
        onHello(seq);
        break;
      case messageType.begin:
        heard.push(`begin ${take(begin, body).base}`);
        ops = 0;
        break;
      case messageType.ops:
        ops += countOps(body);
        heard.push(`ops ${countOps(body)}`);
        break;
      case messageType.commit:
        onCommit(seq, body);
        break;
      case messageType.lease:
        onLease(seq, body);
        break;
      case messageType.garp: {
        const g = take(garp, body);
        heard.push(`garp ${g.dev} ${g.addr} ${g.repeat}`);
        acknowledge(seq);
        break;
      }
      case messageType.sessions:
        onSessions(seq, body);
        break;
      case messageType.list:
        onList(seq, body);
        break;
      default:
        heard.push(`type ${type}`);
        acknowledge(seq);
    }
  };
  const ignore = (): void => {};
  const relay: Relay = await startRelay({ onClient: ignore, onGone: ignore, onMessage }, path);
  return {
    relay,
    behaviour: b,
    heard,
    happen: (type, text) =>
      relay.send(
        answerOf(
          messageType.event,
          0,
          encode(event, { type, a: 0, dev: 'dpdk0', af: 0, reserved: null, addr: '0.0.0.0', text }),
        ),
      ),
    say: (bytes) => relay.send(bytes),
  };
};
