/** A flood of packets nobody knows does not take what keeps the node alive: VRRP and a TCP session of the node itself. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  argumentsOf,
  cableUp,
  drops,
  type Session,
  serve,
  startDataplane,
} from '../../support/dataplane/process.js';
import { createLab } from '../../support/lab/lab.js';
import { until } from '../../support/lab/programs.js';

const script = fileURLToPath(
  new URL('../../../../test/support/dataplane/control.py', import.meta.url),
);
const nodeAddress = '10.2.0.5';
const seconds = 3;
const everyMs = 20;
const count = (seconds * 1000) / everyMs;

/** The most numbers in a row that are not there. */
const longestGap = (seen: readonly number[]): number =>
  [...seen, count].reduce(
    ({ last, most }, n) => ({ last: n, most: Math.max(most, n - last - 1) }),
    { last: -1, most: 0 },
  ).most;

for (const workers of [1, 2])
  test.serial(`adverts and BGP go on beside a flood, ${workers} workers`, async (t) => {
    const lab = createLab(`flood-${process.pid}-`);
    let session: Session | null = null;
    try {
      cableUp(lab);
      const socket = path.join(lab.directory, 'dp.sock');
      const program = await startDataplane(lab, argumentsOf(socket, workers));
      t.true(program.isRunning(), program.output());
      session = await serve(socket);
      lab.exec('lb', 'ip', 'addr', 'add', `${nodeAddress}/24`, 'dev', 'dpdk1.kni');
      const part = (host: string, ...args: readonly string[]) =>
        lab.start(host, args[0] ?? '', ['python3', script, ...args]);
      const heard = part('lb', 'hear', 'dpdk1.kni');
      const server = part('lb', 'serve', nodeAddress, '179');
      await until(
        'who listens',
        () => [heard, server].every((p) => p.output().includes('ready')),
        10_000,
      );
      const flood = part('client', 'flood', nodeAddress, '80000', String(seconds));
      const adverts = part('client', 'adverts', 'eth0', String(everyMs), String(count));
      const talk = part('client', 'talk', nodeAddress, '179', String(everyMs), String(count / 2));
      await Promise.all([flood.ended, adverts.ended, talk.ended]);
      const sent = Number(flood.output().split(' ')[1]);
      t.true(sent > 40_000 * seconds, `a flood of ${sent} packets`);

      const lines = (text: string): readonly number[] =>
        text
          .split('\n')
          .filter((l) => /^[\d.]+$/.test(l))
          .map(Number);
      const seen = lines(heard.output());
      t.true(seen.length > count * 0.9, `${seen.length} of ${count} adverts`);
      t.true(longestGap(seen) < 3, 'never three adverts in a row');
      const times = lines(talk.output());
      t.true(talk.output().includes('done'), talk.output());
      t.is(times.length, count / 2);
      // Policed, and under its name: the kernel gets what its share is, not the flood.
      t.true((drops(session.dataplane)['drop.kni-policed'] ?? 0) > sent / 4);
      t.is(drops(session.dataplane)['drop.ring-full'] ?? 0, 0);
      const port = session.dataplane.counters()?.ports['dpdk1'];
      t.true((port?.['kni_policed'] ?? 0) > sent / 4);
      t.log(`${sent} sent, ${seen.length}/${count} adverts, echo max ${Math.max(...times)} ms`);
    } finally {
      session?.close();
      await lab.close();
    }
  });
