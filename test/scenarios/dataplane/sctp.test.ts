/** SCTP between real ends (usrsctp over raw sockets) through each forwarding mode that both directions pass. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  argumentsOf,
  cableUp,
  clientAddress,
  drops,
  ownAddress,
  serve,
  startDataplane,
  total,
  vip,
  wanted,
} from '../../support/dataplane/process.js';
import { capture } from '../../support/lab/capture.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { run, until } from '../../support/lab/programs.js';

const source = fileURLToPath(new URL('../../../../test/support/lab/sctp/peer.c', import.meta.url));

const buildPeer = (lab: Lab): string => {
  const peer = path.join(lab.directory, 'peer');
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  run(
    'gcc',
    '-std=c11',
    '-D_GNU_SOURCE',
    ...warnings,
    '-o',
    peer,
    source,
    '-lusrsctp',
    '-lpthread',
  );
  return peer;
};

const associations = 20;

for (const mode of ['FNAT', 'NAT'] as const)
  for (const workers of [1, 3])
    test.serial(`SCTP by ${mode} with ${workers} workers`, async (t) => {
      const lab = createLab(`sctp-${process.pid}-`);
      try {
        cableUp(lab);
        const peer = buildPeer(lab);
        for (const host of ['rs1', 'rs2']) {
          if (mode === 'NAT')
            lab.exec(host, 'ip', 'route', 'add', `${clientAddress}/32`, 'via', ownAddress);
          const server = lab.start(host, 'sctp', [peer, 'serve', '80', host]);
          await until('the server', () => server.output().includes('ready'), 5000);
        }
        const socket = path.join(lab.directory, 'dp.sock');
        const program = await startDataplane(lab, argumentsOf(socket, workers));
        const wish = wanted(mode);
        const session = await serve(socket, {
          ...wish,
          services: wish.services.map((s) => ({ ...s, protocol: 'SCTP' })),
        });
        const inspect = await capture(lab, 'lan');
        const ask = [peer, 'ask', vip, '80', String(associations), '1000'];
        const client = lab.start('client', 'sctp', ask);
        await client.ended;
        const answers = client.output().trim().split('\n');
        t.is(answers.length, associations);
        for (const host of ['rs1', 'rs2']) {
          const n = answers.filter((a) => a === host).length;
          t.true(
            Math.abs(n - associations / 2) <= workers,
            `${n} by ${host}: ${answers.join(' ')}`,
          );
        }
        await inspect.stop();
        t.deepEqual(inspect.judge().complaints, []);
        // INIT and its answers, the cookie, data: all of them, and each with a checksum tshark has verified.
        t.true(
          inspect.fields('sctp.checksum.status == 1', 'frame.number').length >= associations * 8,
        );
        t.deepEqual(drops(session.dataplane), {});
        t.is(total(session.dataplane, 'sessions_created'), associations);
        const rows = await session.dataplane.sessions(100);
        t.is(rows.filter((r) => r.proto === 132).length, associations);
        session.close();
        await program.end('SIGTERM');
      } finally {
        await lab.close();
      }
    });
