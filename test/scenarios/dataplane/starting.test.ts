/** A start that must fail says why in one line, and leaves nothing behind. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { argumentsOf, binary, cableUp, startDataplane } from '../../support/dataplane/process.js';
import { createLab, type Lab } from '../../support/lab/lab.js';
import { until } from '../../support/lab/programs.js';

const port = ['--port', 'dpdk0', '--devargs', 'net_af_packet0,iface=lan'];
const worker = ['--worker', 'cpu1', '--lcore', '1'];

const needsTooMuch = ['--huge', 'no', '--pool-size', '16777216'];

interface Failure {
  readonly what: string;
  readonly args: (socket: string) => readonly string[];
  readonly says: RegExp;
}

const failures: readonly Failure[] = [
  {
    what: 'an interface that is not there',
    args: (s) => [
      '--socket',
      s,
      '--port',
      'dpdk0',
      '--devargs',
      'net_af_packet0,iface=nope',
      ...worker,
    ],
    says: /port dpdk0: no such device: there is no interface nope/,
  },
  {
    what: 'a PCI device that is not there',
    args: (s) => ['--socket', s, '--port', 'dpdk0', '--devargs', 'ffff:1f:1f.7', ...worker],
    says: /port dpdk0: no such device: there is no PCI device ffff:1f:1f.7/,
  },
  {
    what: 'a driver that is not there',
    args: (s) => ['--socket', s, '--port', 'dpdk0', '--devargs', 'net_nope0', ...worker],
    says: /port dpdk0: no such device: net_nope0/,
  },
  {
    what: 'a file that is not there',
    args: (s) => [
      '--socket',
      s,
      '--port',
      'dpdk0',
      '--devargs',
      'net_pcap0,rx_pcap=/nope.pcap',
      ...worker,
    ],
    says: /port dpdk0: cannot read \/nope.pcap: No such file or directory/,
  },
  {
    what: 'the same interface twice',
    args: (s) => [
      '--socket',
      s,
      ...port,
      '--port',
      'dpdk1',
      '--devargs',
      'net_af_packet1,iface=lan',
      ...worker,
    ],
    says: /port dpdk1: port in use: another port or data plane has lan/,
  },
  {
    what: 'more queues than the device has',
    args: (s) => ['--socket', s, ...port, '--rxq', '4', ...worker],
    says: /port dpdk0: 4 receive and 1 transmit queues wanted, the device has 1 and 1/,
  },
  {
    what: 'a worker on the main lcore',
    args: (s) => ['--socket', s, ...port, '--worker', 'cpu1', '--lcore', '0'],
    says: /worker cpu1 is on lcore 0, which is the main lcore/,
  },
  {
    what: 'an lcore the EAL arguments do not enable',
    args: (s) => ['--socket', s, ...port, ...worker, '--', '--lcores', '(0,7)@0'],
    says: /bad lcore: worker cpu1 wants lcore 1, which the EAL arguments \(-l, --lcores\) do not enable/,
  },
  {
    what: 'a CPU that is not there',
    args: (s) => ['--socket', s, ...port, ...worker, '--', '-l', '0,127'],
    says: /bad lcore: DPDK does not start: .*127/,
  },
  {
    what: 'an EAL argument there is not',
    args: (s) => ['--socket', s, ...port, ...worker, '--', '--nonsense'],
    says: /EAL arguments: unrecognized option '--nonsense'/,
  },
  {
    what: 'huge pages where none are that many',
    args: (s) => ['--socket', s, ...port, ...worker, '--huge', 'yes', '--pool-size', '16000000'],
    says: /no hugepages: reserve some|not enough memory: \d+ MB of hugepages are free/,
  },
  {
    what: 'more packet buffers than memory',
    args: (s) => ['--socket', s, ...port, '--mtu', '9000', ...worker, ...needsTooMuch],
    says: /not enough memory: \d+ MB are needed for packet buffers, \d+ MB are free/,
  },
  {
    what: 'a socket in a directory that is not there',
    args: () => ['--socket', '/nope/dp.sock', ...port, ...worker],
    says: /--socket: directory \/nope: No such file or directory/,
  },
  {
    what: 'an unknown option',
    args: () => ['--nope', '1'],
    says: /unknown option --nope; see --help/,
  },
  {
    what: 'a value that is none',
    args: (s) => ['--socket', s, ...port, '--rxd', 'many', ...worker],
    says: /--rxd: 'many' is not a value for it/,
  },
];

const withLab = async (body: (lab: Lab, socket: string) => Promise<void>): Promise<void> => {
  const lab = createLab(`ds-${process.pid}-`);
  try {
    cableUp(lab);
    await body(lab, path.join(lab.directory, 'dp.sock'));
  } finally {
    await lab.close();
  }
};

test.serial('every failing start says why in one line', async (t) => {
  await withLab(async (lab, socket) => {
    for (const { what, args, says } of failures) {
      const program = await startDataplane(lab, args(socket));
      await program.ended;
      t.regex(program.output(), /^keelson-dataplane: [^\n]+\n$/, what);
      t.regex(program.output(), says, what);
      t.true((program.child.exitCode ?? 0) > 0, what);
      t.false(existsSync(socket), what);
    }
  });
});

test.serial('a second data plane does not disturb the first', async (t) => {
  await withLab(async (lab, socket) => {
    const first = await startDataplane(lab, argumentsOf(socket, 1));
    const nulls = ['--port', 'other0', '--devargs', 'net_null0', '--no-kni', ...worker];
    const sameSocket = await startDataplane(lab, ['--socket', socket, ...nulls]);
    await sameSocket.ended;
    t.regex(sameSocket.output(), /another data plane is running: it listens on .*dp.sock/);
    const samePort = await startDataplane(lab, ['--socket', `${socket}2`, ...port, ...worker]);
    await samePort.ended;
    t.regex(samePort.output(), /port dpdk0: port in use: another port or data plane has lan/);
    const sameKni = await startDataplane(lab, [
      ...['--socket', `${socket}2`, '--port', 'dpdk0', '--devargs', 'net_null0'],
      ...worker,
    ]);
    await sameKni.ended;
    t.regex(
      sameKni.output(),
      /cannot make the interface dpdk0.kni: one of that name exists already/,
    );
    t.true(first.isRunning());
  });
});

test.serial('a file that is no socket is left alone', async (t) => {
  await withLab(async (lab, socket) => {
    writeFileSync(socket, 'mine');
    const program = await startDataplane(lab, argumentsOf(socket, 1));
    await program.ended;
    t.regex(program.output(), /dp.sock exists and is not a socket/);
    t.true(existsSync(socket));
  });
});

test.serial('--check says what it found; paths are relative to where it was typed', async (t) => {
  await withLab(async (lab) => {
    const said = lab.exec(
      'lb',
      'sh',
      '-c',
      `cd ${lab.directory} && ${binary} --check --log-json ${argumentsOf('dp.sock', 2).join(' ')} 2>&1`,
    );
    const lines = said.trim().split('\n');
    for (const line of lines) t.notThrows(() => JSON.parse(line));
    t.regex(lines[0] ?? '', /"msg":"port dpdk0: net_af_packet, .* link up, wakes its worker"/);
    t.regex(lines[2] ?? '', /"msg":"2 workers, 65536 sessions each, 16384 packet buffers/);
    const program = lab.start('lb', 'dataplane', [
      'sh',
      '-c',
      `cd ${lab.directory} && exec ${binary} ${argumentsOf('dp.sock', 1).join(' ')}`,
    ]);
    while (!program.output().includes('packet buffers') && program.isRunning())
      await new Promise((r) => setTimeout(r, 20));
    await until('the socket', () => existsSync(path.join(lab.directory, 'dp.sock')), 5000);
    t.pass();
  });
});

test.serial('a port that says how it spreads packets over its queues is followed', async (t) => {
  await withLab(async (lab) => {
    const args = [
      ...['--socket', 'dp.sock', '--huge', 'no', '--pool-size', '4096', '--max-sessions', '4096'],
      ...['--port', 'dpdk0', '--devargs', 'net_null0', '--rxq', '2', '--txq', '2', '--no-kni'],
      ...['--worker', 'cpu1', '--lcore', '1', '--poll', 'dpdk0:0'],
      ...['--worker', 'cpu2', '--lcore', '2', '--poll', 'dpdk0:1'],
    ];
    const command = `cd ${lab.directory} && ${binary} --check ${args.join(' ')} 2>&1`;
    const said = lab.exec('lb', 'sh', '-c', command);
    t.regex(said, /dpdk0: net_null, .*, its hash of addresses and ports is followed/);
  });
});
