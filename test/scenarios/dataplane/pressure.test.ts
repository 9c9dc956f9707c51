/** A full session table and used-up local ports: established connections go on, and it is said, once a second at most. */
import path from 'node:path';
import test from 'ava';
import type { Snapshot } from '../../../src/dataplane/snapshot.js';
import {
  argumentsOf,
  cableUp,
  drops,
  realServers,
  serve,
  startDataplane,
  total,
  vip,
  wanted,
} from '../../support/dataplane/process.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { realServer } from '../../support/lab/nginx.js';
import { until } from '../../support/lab/programs.js';

/** A request in two halves, the second when it is told to: only the same connection gets an answer. */
const halves = `
import socket, sys
s = socket.create_connection(("${vip}", 80), 3)
s.sendall(b"GET /?token=t HTTP/1.0\\r\\n")
print("half", flush=True)
sys.stdin.readline()
s.sendall(b"\\r\\n")
print(s.makefile().read().split("\\n")[-2])
`;

/** Datagrams from N ports, a few hundred a second, to a port where nobody answers. */
const strangers = (n: number): string => `
import socket, time
for i in range(${n}):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 10000 + i))
    s.sendto(b"x", ("${vip}", 80))
    s.close()
    if i % 20 == 0:
        time.sleep(0.01)
`;

const withUdp = (s: Snapshot): Snapshot => ({
  ...s,
  services: s.services.flatMap((v) => [v, { ...v, protocol: 'UDP' as const }]),
});

const build = async (lab: Lab): Promise<void> => {
  cableUp(lab);
  for (const [i, address] of realServers.entries())
    await realServer(lab, `rs${i + 1}`, address).start();
};

test.serial(
  'a full table: what never came to be makes room, and what is established goes on',
  async (t) => {
    const lab = createLab(`full-${process.pid}-`);
    try {
      await build(lab);
      const socket = path.join(lab.directory, 'dp.sock');
      const args = argumentsOf(socket, 1).map((a) => (a === '65536' ? '1024' : a));
      const program = await startDataplane(lab, args);
      const session = await serve(socket, withUdp(wanted('FNAT')));
      const client = lab.start('client', 'halves', ['python3', '-c', halves], 'pipe');
      await until('the first half', () => client.output().includes('half'), 5000);
      const before = session.events.length;
      const begun = performance.now();
      const flood = lab.start('client', 'flood', ['python3', '-c', strangers(4000)]);
      await flood.ended;
      const seconds = (performance.now() - begun) / 1000;
      client.child.stdin?.write('\n');
      await client.ended;
      t.regex(client.output(), /rs[12] t/, 'the same connection, answered');
      t.is(total(session.dataplane, 'sessions'), 1024);
      t.true(total(session.dataplane, 'sessions_evicted') > 2000);
      const told = () => session.events.slice(before).filter((e) => e.type === 5);
      await until('the line', () => told().length > 0, 3000);
      t.true(told().length <= seconds + 2, `${told().length} lines in ${seconds} s`);
      t.regex(told()[0]?.text ?? '', /half-open sessions have made room/);
      session.close();
      await program.end('SIGTERM');
    } finally {
      await lab.close();
    }
  },
);

test.serial('local ports used up: counted, said, and the rest is served', async (t) => {
  const lab = createLab(`ports-${process.pid}-`);
  try {
    await build(lab);
    const socket = path.join(lab.directory, 'dp.sock');
    const program = await startDataplane(lab, argumentsOf(socket, 1));
    const few = { localPortMin: 2000, localPortMax: 2009 };
    const session = await serve(socket, { ...withUdp(wanted('FNAT')), params: few });
    const flood = lab.start('client', 'flood', ['python3', '-c', strangers(100)]);
    await flood.ended;
    // 2 local addresses x 10 ports to each of 2 real servers
    await until('the sessions', () => total(session.dataplane, 'sessions') === 40, 3000);
    t.is(drops(session.dataplane)['drop.lport-exhausted'], 60);
    const told = () => session.events.filter((e) => e.type === 4);
    await until('the line', () => told().length > 0, 3000);
    t.regex(told()[0]?.text ?? '', /needs more local addresses/);
    session.close();
    await program.end('SIGTERM');
  } finally {
    await lab.close();
  }
});
