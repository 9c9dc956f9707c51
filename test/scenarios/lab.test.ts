/** The lab on trial: what it reports must be so, or every scenario that stands on it says nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { runToEnd } from '../../scripts/runner/run.js';
import { summarise } from '../support/lab/answers.js';
import { capture } from '../support/lab/capture.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { startLoad } from '../support/lab/load.js';
import { realServer } from '../support/lab/nginx.js';
import { until } from '../support/lab/programs.js';
import { root } from '../support/programs/programs.js';

const withLab = async (body: (lab: Lab) => Promise<void>): Promise<Lab> => {
  const lab = createLab(`lab-${process.pid}-`);
  try {
    lab.addSwitch('lan');
    for (const [host, address] of [
      ['client', '10.1.0.99/24'],
      ['rs1', '10.1.0.11/24'],
    ] as const) {
      lab.addHost(host);
      lab.connect(host, 'eth0', 'lan', address);
    }
    await body(lab);
  } finally {
    await lab.close();
  }
  return lab;
};

const target = { address: '10.1.0.11', port: 80, timeoutMs: 500 };

test('requests are answered, counted, and fail when the server is killed', async (t) => {
  await withLab(async (lab) => {
    const server = realServer(lab, 'rs1', '10.1.0.11');
    await server.start();
    const load = startLoad(lab, 'client', { ...target, everyMs: 2, count: 200 });
    await load.done;
    t.like(summarise(load.answers()), { requests: 200, good: 200, wrong: 0, errors: 0 });
    await server.kill();
    const refused = startLoad(lab, 'client', { ...target, everyMs: 2, count: 20 });
    await refused.done;
    t.deepEqual(summarise(refused.answers()).errorKinds, { ECONNREFUSED: 20 });
  });
});

test('an answer to somebody else is a wrong answer', async (t) => {
  await withLab(async (lab) => {
    const answer = 'HTTP/1.1 200 OK\\r\\n\\r\\nrs1 another-token\\n';
    const script = `require('net').createServer((s) => s.once('data', () => s.end('${answer}'))).listen(80, () => console.log('up'))`;
    const server = lab.start('rs1', 'impostor', [process.execPath, '-e', script]);
    await new Promise((resolve) => server.child.stdout?.once('data', resolve));
    const load = startLoad(lab, 'client', { ...target, everyMs: 2, count: 5 });
    await load.done;
    t.like(summarise(load.answers()), { good: 0, wrong: 5 });
  });
});

test('the judge has nothing against whole packets and sees a wrong checksum', async (t) => {
  await withLab(async (lab) => {
    await realServer(lab, 'rs1', '10.1.0.11').start();
    const ask = async (): Promise<void> =>
      startLoad(lab, 'client', { ...target, everyMs: 2, count: 5 }).done;
    const clean = await capture(lab, 'lan');
    await ask();
    await clean.stop();
    const verdict = clean.judge();
    t.true(verdict.packets > 40, `${verdict.packets} packets`);
    t.deepEqual(verdict.complaints, []);
    // With the offload on, the kernel leaves the checksum to a NIC that is not there.
    lab.exec('client', 'ethtool', '-K', 'eth0', 'tx', 'on');
    const partial = await capture(lab, 'lan');
    await ask();
    await partial.stop();
    t.true(partial.judge().complaints.length > 0);
  });
});

test('close leaves no namespace, process or file', async (t) => {
  const lab = await withLab(async (open) => {
    await realServer(open, 'rs1', '10.1.0.11').start();
    open.start('client', 'stubborn', ['sh', '-c', 'trap "" TERM; sleep 1000 & wait']);
    t.true(readdirSync('/run/netns').includes(open.namespace('rs1')));
  });
  t.false(existsSync(lab.directory));
  t.deepEqual(
    readdirSync('/run/netns').filter((name) => name.startsWith(`lab-${process.pid}-`)),
    [],
  );
});

test('a sandbox that is cut off takes along namespaces and programs, also those of other sessions', async (t) => {
  const file = `left-${process.pid}`;
  const script = `ip netns add ${file}; setsid --fork sh -c 'exec -a ${file} sleep 1000'; sleep 1000`;
  const argv = [
    path.join(root, 'scripts/sandbox'),
    'bash',
    '-c',
    script.replace('sh -c', 'bash -c'),
  ];
  const ended = await runToEnd(argv, 1, {
    root,
    signal: new AbortController().signal,
    onLine: () => undefined,
  });
  t.true(ended.cutOffAfter !== null);
  t.false(existsSync(`/run/netns/${file}`));
  const running = (): boolean =>
    readdirSync('/proc').some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(file);
      } catch {
        return false;
      }
    });
  await until('the end of what it started', () => !running(), 5000);
});
