/** Who gets whom, and until when, between real hosts (spec SC19, SC20): persistence, one packet at a time, QUIC ids, the end of a server. */
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import type { ServiceEntry, Snapshot } from '../../../src/dataplane/snapshot.js';
import {
  argumentsOf,
  cableUp,
  realServers,
  type Session,
  serve,
  startDataplane,
  vip,
  wanted,
} from '../../support/dataplane/process.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { realServer } from '../../support/lab/nginx.js';
import { until } from '../../support/lab/programs.js';

/** Says its name to every datagram. */
const names = (name: string): string => `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 80))
print("ready", flush=True)
while True:
    _, peer = s.recvfrom(2048)
    s.sendto(b"${name}", peer)
`;

/** N datagrams, from one port or each from another; prints who answered. */
const ask = (n: number, data: string, ports: 'one' | 'many'): string => `
import socket
s = None
for i in range(${n}):
    if s is None or "${ports}" == "many":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
    s.sendto(bytes.fromhex("${data}"), ("${vip}", 80))
    try:
        print(s.recv(64).decode())
    except OSError:
        print("-")
`;

const withService = (part: Partial<ServiceEntry>): Snapshot => {
  const s = wanted('FNAT');
  return { ...s, services: s.services.map((v) => ({ ...v, ...part })) };
};

const weights = (one: number, two: number): ServiceEntry['realServers'] =>
  realServers.map((address, i) => ({
    address,
    port: 80,
    forwarding: 'FNAT',
    weight: i === 0 ? one : two,
  }));

interface World {
  readonly lab: Lab;
  readonly session: Session;
  /** Commits another wish and waits until it is in force. */
  readonly change: (s: Snapshot) => Promise<void>;
}

const inLab = async (first: Snapshot, body: (w: World) => Promise<void>): Promise<void> => {
  const lab = createLab(`sess-${process.pid}-`);
  try {
    cableUp(lab);
    for (const [i, address] of realServers.entries()) {
      await realServer(lab, `rs${i + 1}`, address).start();
      const udp = lab.start(`rs${i + 1}`, 'names', ['python3', '-c', names(`rs${i + 1}`)]);
      await until('the server', () => udp.output().includes('ready'), 5000);
    }
    const socket = path.join(lab.directory, 'dp.sock');
    const program = await startDataplane(lab, argumentsOf(socket, 3));
    const session = await serve(socket, first);
    const change = async (s: Snapshot): Promise<void> => {
      const before = session.dataplane.counters()?.generation ?? 0;
      session.dataplane.setDesired(s);
      const generation = (): number => session.dataplane.counters()?.generation ?? 0;
      await until('the generation', () => generation() > before, 5000);
    };
    await body({ lab, session, change });
    session.close();
    await program.end('SIGTERM');
  } finally {
    await lab.close();
  }
};

const python = async (lab: Lab, host: string, code: string): Promise<readonly string[]> => {
  const program = lab.start(host, 'python', ['python3', '-c', code]);
  await program.ended;
  return program.output().trim().split('\n');
};

const get = (lab: Lab): string =>
  lab.exec('client', 'curl', '-s', '-m', '3', `http://${vip}/?token=t`).trim();

test.serial(
  'a client stays with its server, by persistence, until that has weight 0',
  async (t) => {
    const sticky = { persistenceMs: 60_000, persistencePrefixLength: 24, expireTemplate: true };
    await inLab(withService(sticky), async ({ lab, change }) => {
      const first = get(lab);
      t.deepEqual(
        Array.from({ length: 12 }, () => get(lab)),
        Array.from({ length: 12 }, () => first),
      );
      const away = first === 'rs1 t' ? weights(0, 1) : weights(1, 0);
      await change(withService({ ...sticky, realServers: away }));
      const second = get(lab);
      t.not(second, first);
      await change(withService(sticky));
      t.is(get(lab), second, 'and now it stays there');
    });
  },
);

test.serial(
  'one packet at a time: a client of one port is served by both, and hears both',
  async (t) => {
    const udp = { protocol: 'UDP', onePacket: true } as const;
    await inLab(withService(udp), async ({ lab }) => {
      const heard = await python(lab, 'client', ask(40, '00', 'one'));
      t.deepEqual([heard.filter((h) => h === 'rs1').length, heard.length], [20, 40]);
      t.deepEqual([...new Set(heard)].sort(), ['rs1', 'rs2']);
    });
  },
);

test.serial(
  'QUIC: a client that changes its port stays with the server its connection id names',
  async (t) => {
    const quic = { protocol: 'UDP', quic: 'dpvs' } as const;
    // 10.1.0.12 in DPVS's format: anything, four bytes and no port, the address, a nonce
    const id = '40aa60a01000c99999999999';
    await inLab(withService(quic), async ({ lab, change }) => {
      t.deepEqual([...new Set(await python(lab, 'client', ask(24, id, 'many')))], ['rs2']);
      const others = new Set(await python(lab, 'client', ask(24, '4000000000000000', 'many')));
      t.deepEqual([...others].sort(), ['rs1', 'rs2'], 'an id that names nobody is scheduled');
      await change(withService({ protocol: 'UDP', quic: { configId: 5, serverIdLength: 2 } }));
      // config 5, server id 0.11, nonce
      const lb = '40aa000b0102030405';
      t.deepEqual([...new Set(await python(lab, 'client', ask(24, lb, 'many')))], ['rs1']);
    });
  },
);

/** Holds a connection, asks on it when told to, and says what became of it. */
const hold = `
import socket, sys
s = socket.create_connection(("${vip}", 80), 3)
def ask():
    try:
        s.sendall(b"GET /?token=t HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        return "answered" if b"200 OK" in s.recv(4096) else "closed"
    except ConnectionResetError:
        return "reset"
print("open", flush=True)
for _ in sys.stdin:
    print(ask(), flush=True)
`;

for (const quiescent of [false, true])
  test.serial(
    `a server of weight 0 with a live connection: ${quiescent ? 'reset at once' : 'goes on'}`,
    async (t) => {
      const part = { expireQuiescent: quiescent };
      await inLab(withService(part), async ({ lab, change }) => {
        const client = lab.start('client', 'hold', ['python3', '-c', hold], 'pipe');
        const said = async (n: number): Promise<string> => {
          const lines = (): readonly string[] => client.output().trim().split('\n');
          await until(`line ${n}`, () => lines().length > n || !client.isRunning(), 5000);
          return lines()[n] ?? '';
        };
        await until('the connection', () => client.output().includes('open'), 5000);
        await pause(100);
        await change(withService({ ...part, realServers: weights(0, 0) }));
        client.child.stdin?.write('\n');
        t.is(await said(1), quiescent ? 'reset' : 'answered');
        client.child.stdin?.end();
        await client.ended;
        await change(withService({ ...part, realServers: weights(0, 1) }));
        t.is(get(lab), 'rs2 t', 'new ones go elsewhere');
      });
    },
  );
