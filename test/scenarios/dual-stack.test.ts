/** conf/dual-stack by a whole node: IPv4 and IPv6 clients, IPv4 and IPv6 servers, addresses that VRRP moves. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { capture } from '../support/lab/capture.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { realServer } from '../support/lab/nginx.js';
import { run, until } from '../support/lab/programs.js';
import { toolsOf } from '../support/lab/tools.js';

const conf = fileURLToPath(new URL('../../../conf/dual-stack', import.meta.url));

/** What of the lab also speaks IPv6. */
const six: Readonly<Record<string, string | null>> = {
  client: '2001:db8:1::10/64',
  rs3: 'fd00:1::13/64',
  lb: null,
};

const build = (lab: Lab): KeelsonNode => {
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  for (const name of ['client', 'lb', 'rs1', 'rs2', 'rs3']) lab.addHost(name);
  lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
  lab.connect('lb', 'wan0', 'wan', null);
  lab.connect('lb', 'lan0', 'lan', null);
  for (const i of [1, 2, 3]) lab.connect(`rs${i}`, 'eth0', 'lan', `10.1.0.1${i}/24`);
  for (const [name, address] of Object.entries(six)) {
    lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0');
    lab.exec(name, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=0');
    if (address !== null)
      lab.exec(name, 'ip', '-6', 'address', 'add', address, 'dev', 'eth0', 'nodad');
  }
  return keelsonNode(lab, 'lb', conf);
};

const get = (lab: Lab, host: string): string =>
  lab.exec('client', 'curl', '-sg', '-m', '3', `http://${host}/?token=t`);

test('clients and servers of either family meet', async (t) => {
  const lab = createLab(`dual-${process.pid}-`);
  try {
    const node = build(lab);
    for (const i of [1, 2, 3]) await realServer(lab, `rs${i}`, '').start();
    const inspect = await capture(lab, 'wan');
    node.start();
    const answers = (host: string): boolean => {
      try {
        return get(lab, host) !== '';
      } catch {
        return false;
      }
    };
    for (const host of ['198.51.100.80', '[2001:db8:1::80]', '198.51.100.81'])
      await until(`an answer of ${host}`, () => answers(host), 20_000);
    const four = Array.from({ length: 8 }, () => get(lab, '198.51.100.80'));
    t.deepEqual([...new Set(four)].sort(), ['rs1 t\n', 'rs2 t\n']);
    const persistent = Array.from({ length: 8 }, () => get(lab, '[2001:db8:1::80]'));
    t.is(new Set(persistent).size, 1, 'a client stays with its server');
    t.is(get(lab, '198.51.100.81'), 'rs3 t\n');
    t.regex(
      lab.exec('client', 'ping', '-c', '2', '-i', '0.2', '-w', '5', '2001:db8:1::80'),
      / 0% packet loss/,
    );
    t.regex(
      lab.exec('client', 'ping', '-c', '2', '-i', '0.2', '-w', '5', '2001:db8:1::2'),
      / 0% packet loss/,
    );
    t.regex(node.command('sessions'), /\[?2001:db8:1::10\]?[.: ].*10\.1\.0\.1[12]/);
    t.regex(node.command('status'), /TCP \[2001:db8:1::80\]:80 /);
    const tools = toolsOf(node.runDir);
    const [row = ''] = tools.sh('ipvsadm -lnc -t [2001:db8:1::80]:80').split('\n');
    const client = /tcp \d+s \S+ (\[2001:db8:1::10\]:\d+) \[2001:db8:1::80\]:80 /.exec(row)?.[1];
    t.is(
      tools.sh(`ipvsadm -lnc --sockpair tcp:${client}:[2001:db8:1::80]:80`).trim().split('\n')
        .length,
      1,
      row,
    );
    t.regex(
      tools.sh(`ipvsadm -lnc --sockpair tcp:${client}:[2001:db8:1::80]:80`),
      /2001:db8:1::10/,
    );
    // What no route can be is answered, and the node lives on; a reload says what it changed.
    t.regex(
      run(
        'curl',
        '-s',
        '--path-as-is',
        '--unix-socket',
        `${node.runDir}/keelson.sock`,
        'http://x//',
      ),
      /KS_API_BAD_TARGET/,
    );
    t.regex(node.command('reload'), /nothing changed/);
    await node.stop();
    await inspect.stop();
    t.deepEqual(inspect.judge().complaints, []);
  } finally {
    await lab.close();
  }
});
