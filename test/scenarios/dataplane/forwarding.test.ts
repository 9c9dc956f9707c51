/** keelson-dataplane alone, told what to do over its socket: FNAT between two kernel interfaces with a single queue each. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  argumentsOf,
  cableUp,
  serve as connectAndServe,
  drops,
  realServers,
  type Session,
  startDataplane,
  total,
  vip,
} from '../../support/dataplane/process.js';
import { summarise } from '../../support/lab/answers.js';
import { capture } from '../../support/lab/capture.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { startLoad } from '../../support/lab/load.js';
import { realServer } from '../../support/lab/nginx.js';
import { type Program, until } from '../../support/lab/programs.js';
import { patience } from '../../support/patience.js';

/** `KS_EV_LINK` */
const linkEvent = 1;

interface Place {
  readonly lab: Lab;
  readonly socket: string;
  readonly serve: () => Promise<Session>;
}

const withLab = async (body: (p: Place) => Promise<void>): Promise<void> => {
  const lab = createLab(`dp-${process.pid}-`);
  const sessions: Session[] = [];
  try {
    cableUp(lab);
    for (const [i, address] of realServers.entries())
      await realServer(lab, `rs${i + 1}`, address).start();
    const socket = path.join(lab.directory, 'dp.sock');
    await body({
      lab,
      socket,
      serve: async () => {
        const session = await connectAndServe(socket);
        sessions.push(session);
        return session;
      },
    });
  } finally {
    for (const session of sessions) session.close();
    await lab.close();
  }
};

const request = async (lab: Lab, count: number): Promise<ReturnType<typeof summarise>> => {
  const load = startLoad(lab, 'client', {
    address: vip,
    port: 80,
    everyMs: 2,
    timeoutMs: 2000,
    count,
  });
  await load.done;
  return summarise(load.answers());
};

/** How long it took to end, and how. */
const terminate = async (t: ExecutionContext, p: Program, socket: string): Promise<void> => {
  const before = performance.now();
  await p.end('SIGTERM');
  t.true(performance.now() - before < 1000 * patience(), 'within a second');
  t.is(p.child.exitCode, 0);
  t.false(existsSync(socket), 'the socket file is gone');
};

for (const workers of [1, 2, 3, 4]) {
  test.serial(`${workers} workers share ports of one queue, and end in order`, async (t) => {
    await withLab(async ({ lab, socket, serve }) => {
      const program = await startDataplane(lab, argumentsOf(socket, workers));
      t.true(program.isRunning(), program.output());
      const session = await serve();
      const { dataplane } = session;
      const inspect = await capture(lab, 'wan');
      const seen = await request(lab, 200);
      t.like(seen, { requests: 200, good: 200, wrong: 0, errors: 0 });
      // Each worker takes the real servers in turn by itself.
      for (const n of Object.values(seen.perServer)) t.true(Math.abs(n - 100) <= workers, `${n}`);
      await inspect.stop();
      t.deepEqual(inspect.judge().complaints, []);
      t.deepEqual(drops(dataplane), {});
      t.is(total(dataplane, 'sessions_created'), 200);
      // Sessions are everybody's, packets come to one or two: the others are handed theirs.
      t.is(total(dataplane, 'handed_out'), total(dataplane, 'handed_in'));
      t.is(total(dataplane, 'handed_in') > 0, workers > 1);
      for (const w of dataplane.counters()?.workers ?? []) t.true((w['sessions_created'] ?? 0) > 0);
      session.close();
      await terminate(t, program, socket);
    });
  });
}

/** Root of the machine, not of a user namespace: only there the kernel lets an XDP program in. */
const isRealRoot = (): boolean =>
  /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));

test.serial('AF_XDP sockets serve as well, or one line says that the kernel refuses', async (t) => {
  await withLab(async ({ lab, socket, serve }) => {
    const program = await startDataplane(lab, argumentsOf(socket, 2, 'net_af_xdp'));
    if (!isRealRoot()) {
      await program.ended;
      t.regex(program.output(), /^keelson-dataplane: error: cannot start: port dpdk0: .+\n$/);
      return;
    }
    t.true(program.isRunning(), program.output());
    const session = await serve();
    t.like(await request(lab, 100), { requests: 100, good: 100, wrong: 0 });
    session.close();
    await terminate(t, program, socket);
  });
});

test.serial('killed and started again it finds nothing in its way', async (t) => {
  await withLab(async ({ lab, socket, serve }) => {
    const first = await startDataplane(lab, argumentsOf(socket, 2));
    const before = await serve();
    t.like(await request(lab, 10), { good: 10 });
    before.close();
    await first.end('SIGKILL');
    t.true(existsSync(socket), 'what it left behind');
    const second = await startDataplane(lab, argumentsOf(socket, 2));
    t.true(second.isRunning(), second.output());
    const after = await serve();
    t.like(await request(lab, 10), { good: 10 });
    after.close();
    await terminate(t, second, socket);
  });
});

/** CPU time of a process, in ticks of 10 ms. */
const ticks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

test.serial('idle it takes next to no CPU, and wakes for the first packet (law 8)', async (t) => {
  await withLab(async ({ lab, socket, serve }) => {
    const program = await startDataplane(lab, argumentsOf(socket, 2));
    const session = await serve();
    t.like(await request(lab, 10), { good: 10 });
    await pause(200);
    const pid = lab
      .processes('lb')
      .find((p) => readFileSync(`/proc/${p}/comm`, 'utf8').startsWith('keelson-datap'));
    if (pid === undefined) throw new Error('where is it?');
    const before = ticks(pid);
    await pause(3000);
    t.true(ticks(pid) - before <= 6, `${ticks(pid) - before} of 300 ticks`);
    const ping = lab.exec('client', 'ping', '-c', '5', '-i', '0.3', '-q', vip);
    t.regex(ping, /5 received/);
    t.true(Number(/= ([\d.]+)\//.exec(ping)?.[1]) < 2, ping);
    session.close();
    await terminate(t, program, socket);
  });
});

test.serial('without a lease the VIP is not answered for (law 4)', async (t) => {
  await withLab(async ({ lab, socket, serve }) => {
    const program = await startDataplane(lab, argumentsOf(socket, 1));
    const session = await serve();
    const reachable = (): boolean => {
      try {
        return lab
          .exec('client', 'arping', '-c', '1', '-w', '1', '-I', 'eth0', vip)
          .includes('reply from');
      } catch {
        return false;
      }
    };
    t.true(reachable());
    await session.hold(0);
    t.false(reachable());
    await session.hold(60_000);
    t.true(reachable());
    session.close();
    await terminate(t, program, socket);
  });
});

test.serial(
  'an address the kernel has on the KNI is reached, and reaches out (law 9)',
  async (t) => {
    await withLab(async ({ lab, socket }) => {
      const program = await startDataplane(lab, argumentsOf(socket, 2));
      lab.exec('lb', 'ip', 'address', 'add', '10.1.0.2/24', 'dev', 'dpdk0.kni');
      await pause(200); // the mirror takes the changes of 20 ms together
      for (const [from, to] of [
        ['lb', realServers[0]],
        ['rs2', '10.1.0.2'],
      ] as const) {
        const answers = lab.exec(from, 'ping', '-c', '3', '-i', '0.2', '-w', '5', to);
        t.regex(answers, / 0% packet loss/);
        t.notRegex(answers, /duplicates/, 'the kernel answers for the port');
      }
      const web = lab.exec('lb', 'curl', '-s', '-m', '3', `http://${realServers[1]}/?token=t`);
      t.is(web, 'rs2 t\n');
      t.regex(lab.exec('lb', '/usr/sbin/nft', 'list', 'tables'), /netdev keelson-port-/);
      await terminate(t, program, socket);
      t.is(lab.exec('lb', '/usr/sbin/nft', 'list', 'tables'), '');
    });
  },
);

test.serial('a link that goes down and up is told, and the KNI follows it', async (t) => {
  await withLab(async ({ lab, socket, serve }) => {
    const program = await startDataplane(lab, argumentsOf(socket, 2));
    const session = await serve();
    const carrier = (): string => lab.exec('lb', 'cat', '/sys/class/net/dpdk0.kni/carrier').trim();
    const becomes = (state: string): Promise<boolean> =>
      until(`carrier ${state}`, () => carrier() === state, 3000);
    const told = (): readonly number[] =>
      session.events.flatMap((e) => (e.type === linkEvent && e.dev === 'dpdk0' ? [e.a] : []));
    await becomes('1'); // a cable just laid takes a moment
    await pause(300);
    const before = told().length;
    lab.exec('lb', 'ip', 'link', 'set', 'lan', 'down');
    await becomes('0');
    lab.exec('lb', 'ip', 'link', 'set', 'lan', 'up');
    await becomes('1');
    await until('both events', () => told().length === before + 2, 3000);
    t.deepEqual(told().slice(before), [0, 1]);
    t.like(await request(lab, 20), { good: 20, wrong: 0 });
    await terminate(t, program, socket);
  });
});
