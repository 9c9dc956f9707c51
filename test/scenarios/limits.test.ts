/**
 * What a node says when there is no room: thresholds of real servers, local ports of FNAT, the draining of a server. A whole node, told by
 * ipvsadm; a client that begins a session with every datagram.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { RealServerView, StatusView } from '../../src/api/views.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { until } from '../support/lab/programs.js';
import { type Tools, toolsOf } from '../support/lab/tools.js';

const conf = fileURLToPath(new URL('../../../conf/commands', import.meta.url));
const service = '-u 198.51.100.80:53';
const server = `${service} -r 10.1.0.2:53`;

/** conf/commands with room for more sessions than a local address has ports. */
const build = (lab: Lab): KeelsonNode => {
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  for (const name of ['client', 'lb', 'rs']) lab.addHost(name);
  lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
  lab.exec('client', 'ip', 'addr', 'add', '198.51.100.11/24', 'dev', 'eth0');
  lab.connect('lb', 'wan0', 'wan', null);
  lab.connect('lb', 'lan0', 'lan', null);
  lab.connect('rs', 'eth0', 'lan', '10.1.0.2/24');
  const dir = path.join(lab.directory, 'conf');
  cpSync(conf, dir, { recursive: true });
  const file = path.join(dir, 'dpvs.conf');
  const text = readFileSync(file, 'utf8').replace(/(conn_pool_size +)\d+/, '$1262144');
  writeFileSync(file, text);
  return keelsonNode(lab, 'lb', dir);
};

/** Takes every datagram and answers none. */
const sink = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 53))
print("ready", flush=True)
while True:
    s.recv(2048)
`;

/** A datagram from each port of each address, no faster than a veth takes them. */
const knock = (addresses: readonly string[], first: number, n: number): string => `
import socket, time
for address in ${JSON.stringify(addresses)}:
    for i in range(${n}):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, ${first} + i))
        s.sendto(b"x", ("198.51.100.80", 53))
        s.close()
        if i % 64 == 63:
            time.sleep(0.002)
`;

interface Stage {
  readonly t: ExecutionContext;
  readonly node: KeelsonNode;
  readonly tools: Tools;
  readonly client: (addresses: readonly string[], first: number, n: number) => void;
  /** The status once it is as it shall be. */
  readonly when: (
    what: string,
    is: (r: RealServerView, s: StatusView) => boolean,
  ) => Promise<RealServerView>;
}

const sessions = (r: RealServerView): number => r.activeSessions + r.inactiveSessions;

const thresholds = async ({ t, node, tools, client, when }: Stage): Promise<void> => {
  tools.sheet(`
    ipvsadm --set 0 0 3
    ipvsadm -e ${server} -x 5 -y 2`);
  client(['198.51.100.10'], 1000, 8);
  await when('a full server', (r, s) => r.full && s.dataplane.noRoom.serversFull === 3);
  t.regex(node.command('status'), /10\.1\.0\.2:53 .* full, limit 5 /);
  t.regex(node.command('status'), /no room for 3 packets .*: every real server at its threshold/);
  t.regex(node.command('drops'), /servers-full +3 /);
  t.regex(tools.sh('ipvsadm -Ln'), /-> 10\.1\.0\.2:53 +FullNat 1 +\d +\d +overload\n/);
  t.regex(tools.sh('ipvsadm -Ln --thresholds'), /-> 10\.1\.0\.2:53 +5 +2 +\d +\d +\n/);
  await when('room again', (r) => !r.full && sessions(r) === 0);
  client(['198.51.100.10'], 1100, 1);
  await when('a session again', (r) => sessions(r) === 1);
  tools.sheet(`ipvsadm -e ${server} -x 0 -w 0`);
  await when('a drained server', (r) => r.draining && sessions(r) === 0);
  t.regex(node.command('status'), /10\.1\.0\.2:53 .* draining, drained /);
  tools.sheet(`ipvsadm --set 0 0 300; ipvsadm -e ${server} -w 1`);
};

const localPorts = async ({ t, node, tools, client, when }: Stage): Promise<void> => {
  const all = 64_511;
  let round = 0;
  const full = await until(
    'no port left',
    async () => {
      client(['198.51.100.10', '198.51.100.11'], 2000 + 300 * round++, 33_000);
      const r = await when('an answer', () => true);
      const refused = (await node.status())?.dataplane.noRoom.localPorts ?? 0;
      return refused > 0 ? r : null;
    },
    60_000,
  );
  t.deepEqual(full.localPorts, { used: all, of: all });
  t.is(sessions(full), all);
  t.regex(node.command('status'), /10\.1\.0\.2:53 .* 100 % /);
  t.regex(node.command('status'), /no room for \d+ packets .*: no local port left .*; add local/);
  await until('a log line', () => /local ports exhausted/.test(node.output()), 5000);
  tools.sheet(`ipvsadm -P ${service} -z 10.1.0.201 -F dpdk0`);
  client(['198.51.100.10'], 1200, 50);
  const more = await when('ports of the other address', (r) => sessions(r) === all + 50);
  t.deepEqual(more.localPorts, { used: all + 50, of: 2 * all });
  t.regex(tools.sh('ipvsadm -G'), /10\.1\.0\.200 +0 +64511 +\n +10\.1\.0\.201 +0 +50 /);
};

const leaving = async ({ t, node, tools, when }: Stage): Promise<void> => {
  tools.sheet(`ipvsadm -e ${server} -w 0`);
  await when('a draining server', (r) => r.draining);
  t.regex(node.command('status'), /10\.1\.0\.2:53 .* draining, 64561 left /);
  tools.sheet(`ipvsadm -d ${server}`);
  const s = await until(
    'a server that leaves',
    async () => (await node.status())?.leaving.find((l) => l.sessions === 64_561) ?? null,
    5000,
  );
  t.is(s.realServer, '10.1.0.2:53');
  t.regex(node.command('status'), /10\.1\.0\.2:53 was removed, 64561 sessions left/);
};

test('a node tells what has no room for new sessions, and how far a server is drained', async (t) => {
  const lab = createLab(`lim-${process.pid}-`);
  try {
    const node = build(lab);
    const tools = toolsOf(node.runDir);
    const rs = lab.start('rs', 'sink', ['python3', '-c', sink]);
    await until('the server', () => rs.output().includes('ready'), 5000);
    node.start();
    await until('the node', async () => (await node.status())?.dataplane.state === 'up', 20_000);
    const stage: Stage = {
      t,
      node,
      tools,
      client: (...a) => void lab.exec('client', 'python3', '-c', knock(...a)),
      when: (what, is) =>
        until(
          what,
          async () => {
            const s = await node.status();
            const r = s?.virtualServers[0]?.realServers[0];
            return s !== null && r !== undefined && is(r, s) ? r : null;
          },
          15_000,
        ),
    };
    tools.sheet(`
      dpip addr add 198.51.100.80/32 dev dpdk1
      dpip route add 198.51.100.0/24 dev dpdk1 ; dpip route add 10.1.0.0/24 dev dpdk0
      ipvsadm -A ${service} -s rr ; ipvsadm -a ${server} -b
      ipvsadm -P ${service} -z 10.1.0.200 -F dpdk0`);
    await thresholds(stage);
    await localPorts(stage);
    await leaving(stage);
    await node.stop();
  } finally {
    await lab.close();
  }
});
