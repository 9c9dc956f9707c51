/**
 * A data plane for tests of the vrrp process alone: it speaks the lease contract and holds leased
 * addresses on kernel interfaces, where keepalived and `ip` see them. Leases are kept in a file, so
 * they outlive the process like those of a real data plane.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { ConnectSocket } from '../../../src/vrrp/io/dataplane.js';
import { checkedProgram, spawnProgram } from '../programs/programs.js';

interface Lease {
  readonly until: number;
  readonly renewedAt: number;
}

interface Requested {
  readonly device: string;
  readonly address: string;
}

const type = { hello: 1, helloAck: 2, ack: 7, lease: 8, garp: 9, ping: 14, leaseAck: 17 } as const;
const queryMs = 0xffffffff;

/** Comparable between processes. */
const now = (): number => Number(process.hrtime.bigint() / 1_000_000n);

const answer = (kind: number, seq: number, body: Buffer): Uint8Array => {
  const head = Buffer.alloc(16);
  head.writeUInt16LE(0x534b, 0);
  head.writeUInt8(2, 2);
  head.writeUInt8(kind, 3);
  head.writeUInt32LE(seq, 4);
  head.writeUInt32LE(body.length, 8);
  return new Uint8Array(Buffer.concat([head, body]));
};

const text = (b: Buffer): string => b.toString('latin1').replace(/\0.*$/, '');

const requested = (b: Buffer, count: number): readonly Requested[] =>
  Array.from({ length: count }, (_, i) => {
    const entry = b.subarray(8 + 36 * i, 44 + 36 * i);
    return { device: text(entry.subarray(0, 16)), address: entry.subarray(20, 24).join('.') };
  });

export interface FakeDataplaneOptions {
  readonly file: string;
  /** false: nothing holds the addresses, and that is acknowledged. */
  readonly withAddresses: boolean;
  readonly onGarp: (address: string, repeat: number) => void;
}

export function fakeDataplane(o: FakeDataplaneOptions): ConnectSocket {
  // Now rather than when the first address is taken: it blocks.
  if (o.withAddresses) checkedProgram('ip');
  let leases = new Map<string, Lease>();
  try {
    leases = new Map(JSON.parse(readFileSync(o.file, 'utf8')) as [string, Lease][]);
  } catch {
    // The first start.
  }
  const expiries = new Map<string, NodeJS.Timeout>();
  const held = new Set<string>();

  /** One `ip` for all addresses. */
  const apply = (verb: 'replace' | 'del', list: readonly Requested[], done: () => void): void => {
    const changed = list.filter(
      (r) => held.has(`${r.device} ${r.address}`) !== (verb === 'replace'),
    );
    for (const r of changed) {
      if (verb === 'replace') held.add(`${r.device} ${r.address}`);
      else held.delete(`${r.device} ${r.address}`);
    }
    if (!o.withAddresses || changed.length === 0) {
      done();
      return;
    }
    const lines = changed.map((r) => `addr ${verb} ${r.address}/32 dev ${r.device}\n`);
    const argv = ['ip', '-force', '-batch', '-'];
    const ip = spawnProgram(argv, { stdio: ['pipe', 'ignore', 'ignore'] });
    ip.once('exit', () => done());
    ip.stdin?.end(lines.join(''));
  };
  const save = (): void => writeFileSync(o.file, JSON.stringify([...leases]));

  const change = (r: Requested, ms: number): void => {
    const key = `${r.device} ${r.address}`;
    clearTimeout(expiries.get(key));
    if (ms === 0) leases.delete(key);
    else {
      leases.set(key, { until: now() + ms, renewedAt: now() });
      expiries.set(
        key,
        setTimeout(() => apply('del', [r], () => undefined), ms),
      );
    }
  };
  const lease = (b: Buffer, done: (body: Buffer) => void): void => {
    const ms = b.readUInt32LE(0);
    const list = requested(b, b.readUInt32LE(4));
    const body = Buffer.alloc(8 + 12 * list.length);
    body.writeUInt32LE(list.length, 0);
    for (const [i, r] of list.entries()) {
      const found = leases.get(`${r.device} ${r.address}`);
      const ago = found === undefined ? queryMs : now() - found.renewedAt;
      body.writeUInt32LE(ago, 16 + 12 * i);
      if (ms !== queryMs) change(r, ms);
    }
    if (ms === queryMs) {
      done(body);
      return;
    }
    save();
    apply(ms === 0 ? 'del' : 'replace', list, () => done(body));
  };

  return (onMessage) => ({
    close: () => undefined,
    send: (bytes) => {
      const b = Buffer.from(bytes);
      const seq = b.readUInt32LE(4);
      const body = b.subarray(16);
      const reply = (kind: number, out: Buffer): void =>
        void setImmediate(() => onMessage(answer(kind, seq, out)));
      switch (b.readUInt8(3)) {
        case type.hello: {
          const ack = Buffer.alloc(80);
          ack.writeBigUInt64LE(1n, 8);
          reply(type.helloAck, ack);
          break;
        }
        case type.lease:
          lease(body, (out) => reply(type.leaseAck, out));
          break;
        case type.garp:
          o.onGarp(body.subarray(20, 24).join('.'), body.readUInt8(17));
          reply(type.ack, Buffer.alloc(176));
          break;
        default:
          reply(type.ack, Buffer.alloc(176));
      }
    },
  });
}
