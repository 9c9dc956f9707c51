/** The connection to the data plane: what it reports when the other side is silent, gone or back. */
import test from 'ava';
import * as codec from '../../../src/dataplane/codec.js';
import { encode, viewOf } from '../../../src/net/codec.js';
import { type ConnectSocket, dataplaneLink } from '../../../src/vrrp/io/dataplane.js';
import { manualClock } from '../../support/kernel/clock.js';

interface Peer {
  readonly sent: { readonly kind: number; readonly seq: number }[];
  readonly say: (bytes: Uint8Array) => void;
  readonly hangUp: (code: string | null) => void;
}

const message = (kind: number, seq: number, body: Uint8Array): Uint8Array => {
  const out = new Uint8Array(codec.header.size + body.length);
  codec.header.write(viewOf(out), 0, {
    magic: codec.ipcMagic,
    version: codec.ipcVersion,
    type: kind,
    seq,
    len: body.length,
    reserved: null,
  });
  out.set(body, codec.header.size);
  return out;
};
const helloAck = (seq: number, bootId: bigint): Uint8Array =>
  message(
    codec.messageType.helloAck,
    seq,
    encode(codec.helloAck, {
      endian: codec.ipcEndian,
      pid: 1,
      bootId,
      generation: 1n,
      digest: 1n,
      workers: 1,
      ports: 1,
      shmSize: 0,
      reserved: null,
      version: 'x',
    }),
  );
const granted = (seq: number): Uint8Array => {
  const body = new Uint8Array(20);
  viewOf(body).setUint32(0, 1, true);
  return message(codec.messageType.leaseAck, seq, body);
};

const setUp = (answering = true) => {
  const clock = manualClock();
  const peers: Peer[] = [];
  const reports: string[] = [];
  let listening = true;
  const connect: ConnectSocket = (onMessage, onClose) => {
    if (!listening) throw new Error('ENOENT');
    const sent: { readonly kind: number; readonly seq: number }[] = [];
    peers.push({ sent, say: onMessage, hangUp: onClose });
    return {
      send: (bytes) =>
        void sent.push({ kind: bytes[3] ?? 0, seq: viewOf(bytes).getUint32(4, true) }),
      close: () => undefined,
    };
  };
  const link = dataplaneLink({
    connect,
    clock,
    pid: 1,
    patienceMs: () => 100,
    onUp: (bootId) => reports.push(`up ${bootId}`),
    onAway: (reason) => reports.push(`away: ${reason}`),
    onTrouble: (reason) => reports.push(`trouble: ${reason}`),
    onAnswer: ({ id, input }) => reports.push(`${id} ${input.type}`),
    onEvent: () => undefined,
  });
  const last = (): Peer => {
    const found = peers.at(-1);
    if (found === undefined) throw new Error('not connected');
    return found;
  };
  const lastSeq = (): number => last().sent.at(-1)?.seq ?? 0;
  if (answering) last().say(helloAck(lastSeq(), 7n));
  const renew = (): void =>
    link.leases([
      { kind: 'renew', id: 'r', ms: 2000, vips: [{ device: 'dpdk0', address: '10.0.0.1' }] },
    ]);
  return {
    clock,
    link,
    last,
    lastSeq,
    reports,
    renew,
    peers,
    listen: (now: boolean): void => {
      listening = now;
    },
  };
};

test('an answer in time is passed on, and nothing is reported', (t) => {
  const { renew, last, lastSeq, reports } = setUp();
  renew();
  last().say(granted(lastSeq()));
  t.deepEqual(reports, ['up 7', 'r leaseAnswer']);
});

test('no answer within the patience: away; the late answer brings it back', (t) => {
  const { clock, renew, last, lastSeq, reports, link } = setUp();
  renew();
  clock.moveTo(clock.now() + 160);
  t.is(reports.length, 2);
  t.regex(reports[1] ?? '', /away: the data plane has not answered for 1\d\d ms/);
  t.is(link.timeouts(), 1);
  clock.moveTo(clock.now() + 10_000);
  t.is(reports.length, 2);
  last().say(granted(lastSeq()));
  t.deepEqual(reports.slice(2), ['up 7', 'r leaseAnswer']);
});

test('a silent data plane is noticed without any renewal', (t) => {
  const { clock, reports } = setUp();
  clock.moveTo(clock.now() + 2000);
  t.regex(reports.at(-1) ?? '', /away/);
});

test('a data plane that is gone is tried again within 200 ms, for ever', (t) => {
  const { clock, last, lastSeq, reports, listen, peers } = setUp();
  listen(false);
  last().hangUp(null);
  t.is(reports.at(-1), 'away: the data plane is gone');
  clock.moveTo(clock.now() + 60_000);
  t.is(reports.length, 2);
  listen(true);
  clock.moveTo(clock.now() + 200);
  t.is(peers.length, 2);
  last().say(helloAck(lastSeq(), 8n));
  t.is(reports.at(-1), 'up 8');
});

test('a data plane of another version is reported once', (t) => {
  const { clock, peers, last, reports } = setUp(false);
  for (let i = 0; i < 5; i++) {
    const bytes = helloAck(1, 1n);
    bytes[2] = 9;
    last().say(bytes);
    clock.moveTo(clock.now() + 250);
  }
  t.true(peers.length >= 5);
  t.is(reports.length, 1);
  t.regex(reports[0] ?? '', /trouble: .*version 9 .*use programs of one build/);
});
