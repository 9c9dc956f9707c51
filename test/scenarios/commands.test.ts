/**
 * conf/commands: a node whose files serve nothing, told everything by ipvsadm and dpip, with the command sheets of the specification (SC1, SC4, SC6,
 * SC7). Real nginx, curl and kernels on the other ends.
 */
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { ServicesView, TableRowView } from '../../src/api/views.js';
import { capture } from '../support/lab/capture.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { realServer } from '../support/lab/nginx.js';
import { until } from '../support/lab/programs.js';
import { type Tools, toolsOf } from '../support/lab/tools.js';

const conf = fileURLToPath(new URL('../../../conf/commands', import.meta.url));

const build = (lab: Lab): KeelsonNode => {
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  for (const name of ['client', 'inside', 'lb', 'rs1', 'rs2']) lab.addHost(name);
  lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
  lab.connect('inside', 'eth0', 'lan', '10.1.0.99/24');
  lab.connect('lb', 'wan0', 'wan', null);
  lab.connect('lb', 'lan0', 'lan', null);
  for (const i of [1, 2]) lab.connect(`rs${i}`, 'eth0', 'lan', `10.1.0.${i + 1}/24`);
  return keelsonNode(lab, 'lb', conf);
};

const get = (lab: Lab, from: string, host: string): string => {
  try {
    return lab.exec(from, 'curl', '-s', '-m', '2', `http://${host}/?token=t`);
  } catch {
    return '';
  }
};

const both = ['rs1 t\n', 'rs2 t\n'];
const served = (lab: Lab, from: string, host: string): readonly string[] =>
  [...new Set(Array.from({ length: 8 }, () => get(lab, from, host)))].sort();

interface Stage {
  readonly t: ExecutionContext;
  readonly lab: Lab;
  readonly node: KeelsonNode;
  readonly tools: Tools;
}

/** FNAT two-arm. */
const sc1 = ({ t, lab, tools }: Stage): void => {
  tools.sheet(`
    dpip addr add 198.51.100.80/32 dev dpdk1
    dpip route add 198.51.100.0/24 dev dpdk1 ; dpip route add 10.1.0.0/24 dev dpdk0
    ipvsadm -A -t 198.51.100.80:80 -s rr
    ipvsadm -a -t 198.51.100.80:80 -r 10.1.0.2:80 -b ; ipvsadm -a -t 198.51.100.80:80 -r 10.1.0.3:80 -b
    ipvsadm -P -z 10.1.0.200 -t 198.51.100.80:80 -F dpdk0`);
  t.deepEqual(served(lab, 'client', '198.51.100.80'), both);
  t.is(
    tools
      .sh('ipvsadm -Ln')
      .replace(/ \d+ +\d+ +\n/g, ' N\n')
      .replace(/version \S+/, 'version V'),
    `IP Virtual Server version V (size=0)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  198.51.100.80:80 rr
  -> 10.1.0.2:80                  FullNat 1      N
  -> 10.1.0.3:80                  FullNat 1      N
`,
  );
  t.regex(tools.sh('ipvsadm -G'), /198\.51\.100\.80:80 +1 *\n +10\.1\.0\.200 +0 +\d+/);
  const addresses = tools.sh('dpip addr show -s');
  t.regex(addresses, /inet 198\.51\.100\.80\/32 scope global dpdk1/);
  t.regex(addresses, /inet 10\.1\.0\.200\/32 scope global dpdk0 sapool\n.* sa_used [1-9]\d*/);
  t.regex(
    tools.sh('dpip route show'),
    /inet 10\.1\.0\.0\/24 via 0\.0\.0\.0 src 0\.0\.0\.0 dev dpdk0 mtu 1500 tos 0 scope link metric 0 proto static/,
  );
  t.regex(
    tools.sh('dpip neigh show'),
    /10\.1\.0\.2 lladdr [0-9a-f:]{17} state REACHABLE dev dpdk0/,
  );
  t.regex(tools.sh('dpip -s link show dpdk1'), /1?2: dpdk1: mtu 1500[\s\S]*UP[\s\S]*ipackets/);
  const [session = ''] = tools.sh('ipvsadm -lnc').split('\n');
  const pair =
    /^\[\d+\]tcp \d+s \S+ (\S+):(\d+) 198\.51\.100\.80:80 10\.1\.0\.200:\d+ 10\.1\.0\.[23]:80$/.exec(
      session,
    );
  t.truthy(pair, session);
  const one = tools.sh(`ipvsadm -lnc --sockpair tcp:${pair?.[1]}:${pair?.[2]}:198.51.100.80:80`);
  t.is(one.split('\n').length, 2, one);
};

/** What is not right is refused with what was found, and nothing changes. */
const refusals = ({ t, tools }: Stage): void => {
  const before = tools.sh('ipvsadm -S');
  const refused = (line: string, code: number, why: RegExp, input?: string): void => {
    const said = tools.ask(line, input);
    t.is(said.code, code, `${line}: ${said.err}`);
    t.regex(said.err, why);
  };
  refused('ipvsadm -A -t 198.51.100.80:80 -s rr', 1, /is there already; change it by -E/);
  refused('ipvsadm -A -t 198.51.100.80:81 -s magic', 1, /no scheduler 'magic'; there is rr, /);
  refused(
    'ipvsadm -a -t 198.51.100.80:80 -r 10.1.0.300:80 -b',
    2,
    /'10\.1\.0\.300' is not an IP address/,
  );
  refused(
    'ipvsadm -A -t 198.51.100.80:81 -j enable',
    2,
    /-j enable: the SYN proxy is not supported yet/,
  );
  refused('ipvsadm -U -t 198.51.100.80:80 -k 192.0.2.1', 2, /access lists are not supported yet/);
  refused(
    'dpip addr add 10.1.0.7/24 dev dpdk9',
    1,
    /no device 'dpdk9'; dpvs.conf has dpdk0, dpdk1/,
  );
  refused('dpip addr add 10.1.0.7/24 dev dpdk0.kni', 1, /is the kernel's/);
  refused('dpip addr add 198.51.100.80/32 dev dpdk0', 1, /is on dpdk1 already/);
  refused(
    'ipvsadm -R',
    1,
    /line 3: there is no service TCP 198\.51\.100\.99:80; nothing changed/,
    '-A -t 198.51.100.80:8080 -s rr\n\n-a -t 198.51.100.99:80 -r 10.1.0.2:80 -b\n',
  );
  t.is(tools.sh('ipvsadm -S'), before);
};

/** SIGKILL to the controller: traffic goes on, and the one that follows finds everything and pushes nothing. */
const killController = async ({ t, lab, node, tools }: Stage): Promise<void> => {
  const before = await node.status();
  const saved = tools.sh('ipvsadm -S');
  const services = JSON.parse(tools.sh('ipvsadm -Ln --json')) as ServicesView;
  if (before === null) throw new Error('the node does not answer');
  process.kill(before.node.pid, 'SIGKILL');
  t.deepEqual(served(lab, 'client', '198.51.100.80'), both, 'the data plane serves without it');
  const after = await until(
    'another controller with the data plane',
    async () => {
      const s = await node.status();
      return s !== null && s.node.pid !== before.node.pid && s.dataplane.generation > 0 ? s : null;
    },
    20_000,
  );
  t.is(after.dataplane.generation, services.generation, 'adopted, not pushed');
  t.is(tools.sh('ipvsadm -S'), saved);
  t.true(after.virtualServers.some((v) => v.origin === 'runtime' && v.address === '198.51.100.80'));
  t.regex(node.command('status'), /set by commands: \d+/);
  t.deepEqual(served(lab, 'client', '198.51.100.80'), both);
};

/** NAT: real servers answer through the node. */
const sc6 = ({ t, lab, tools }: Stage): void => {
  tools.sheet(`
    dpip addr add 10.1.0.48/24 dev dpdk0 ; dpip addr add 198.51.100.89/32 dev dpdk1
    ipvsadm -A -t 198.51.100.89:80 -s rr
    ipvsadm -a -t 198.51.100.89:80 -r 10.1.0.2:80 -m ; ipvsadm -a -t 198.51.100.89:80 -r 10.1.0.3:80 -m`);
  for (const rs of ['rs1', 'rs2'])
    lab.exec(rs, 'ip', 'route', 'add', '198.51.100.0/24', 'via', '10.1.0.48');
  t.deepEqual(served(lab, 'client', '198.51.100.89'), both);
};

/** DR one-arm: real servers have the VIP themselves and tell nobody. */
const sc4 = ({ t, lab, tools }: Stage): void => {
  tools.sheet(`
    dpip addr add 10.1.0.254/32 dev dpdk0
    ipvsadm -A -t 10.1.0.254:80 -s rr
    ipvsadm -a -t 10.1.0.254:80 -r 10.1.0.2 -g ; ipvsadm -a -t 10.1.0.254:80 -r 10.1.0.3 -g`);
  for (const rs of ['rs1', 'rs2']) {
    lab.exec(rs, 'ip', 'addr', 'add', '10.1.0.254/32', 'dev', 'lo');
    lab.exec(rs, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1');
  }
  t.deepEqual(served(lab, 'inside', '10.1.0.254'), both);
};

/** SNAT two-arm: a host inside speaks to one outside, which knows no way back to it. */
const sc7 = async ({ t, lab, tools }: Stage): Promise<void> => {
  await realServer(lab, 'client', '').start();
  const match = 'proto=tcp,src-range=10.1.0.0-10.1.0.254,oif=dpdk1';
  tools.sheet(`
    dpip addr add 198.51.100.40/24 dev dpdk1 sapool
    ipvsadm -A -s rr -H ${match} ; ipvsadm -a -H ${match} -r 198.51.100.40:0 -w 100 -J`);
  lab.exec('inside', 'ip', 'route', 'add', 'default', 'via', '10.1.0.48');
  t.is(get(lab, 'inside', '198.51.100.10'), 'client t\n');
  t.regex(
    tools.sh('ipvsadm -Ln'),
    /MATCH tcp,from=10\.1\.0\.0-10\.1\.0\.254,oif=dpdk1 rr\n {2}-> 198\.51\.100\.40:0 +SNAT +100/,
  );
};

/** -S, -C, -R: what was is again. */
const roundTrip = ({ t, lab, tools }: Stage): void => {
  tools.sheet(
    'ipvsadm -E -t 198.51.100.80:80 -s wlc -p 300 -M 255.255.255.0 --conn-timeout 700 --expire-quiescent',
  );
  tools.sheet('ipvsadm -e -t 198.51.100.80:80 -r 10.1.0.3:80 -w 7');
  t.regex(
    tools.sh('ipvsadm -Ln'),
    /80 wlc persistent 300 mask 255\.255\.255\.0 conn-timeout 700 expire-quiescent\n.*\n.*10\.1\.0\.3:80 +FullNat 7 /,
  );
  const saved = tools.sh('ipvsadm -S');
  tools.sheet('ipvsadm -C');
  t.is(tools.sh('ipvsadm -S'), '');
  t.is(get(lab, 'client', '198.51.100.80'), '');
  t.is(tools.sh('ipvsadm -R', saved), '');
  t.is(tools.sh('ipvsadm -S'), saved);
  t.is(served(lab, 'client', '198.51.100.80').length, 1, 'persistence holds');
  t.deepEqual(served(lab, 'client', '198.51.100.89'), both);
};

/** Many at once are one generation. */
const bulk = ({ t, tools }: Stage): void => {
  const services = Array.from({ length: 500 }, (_, i) => `-t 203.0.${i >> 8}.${i & 255}:80`);
  const servers = (s: string): readonly string[] =>
    [11, 12, 13, 14].map((n) => `-a ${s} -r 10.1.0.${n}:80 -b`);
  const generation = (): number =>
    (JSON.parse(tools.sh('ipvsadm -Ln --json')) as ServicesView).generation;
  const before = generation();
  tools.sh('ipvsadm -R', services.flatMap((s) => [`-A ${s} -s wlc`, ...servers(s)]).join('\n'));
  t.is(generation(), before + 1);
  t.is(tools.sh('ipvsadm -Ln').match(/^TCP {2}203\.0\./gm)?.length, 500);
  tools.sh('ipvsadm -R', services.map((s) => `-D ${s}`).join('\n'));
  t.is(generation(), before + 2);
};

const counters = ({ t, lab, tools }: Stage): void => {
  const connections = (): number =>
    (JSON.parse(tools.sh('ipvsadm -Ln -t 198.51.100.89:80 --json')) as ServicesView).services
      .flatMap((s) => s.realServers)
      .reduce((n, r) => n + r.conns, 0);
  t.true(connections() > 0);
  tools.sheet('ipvsadm -Z');
  t.is(connections(), 0);
  get(lab, 'client', '198.51.100.89');
  t.is(connections(), 1);
  const [head, , service] = tools
    .sh('ipvsadm -Ln --stats -t 198.51.100.89:80')
    .split('\n')
    .slice(1);
  t.is(head, 'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes');
  t.regex(service ?? '', /^TCP {2}198\.51\.100\.89:80 {20}1 {8}\d {8}\d {6}\d{3} {6}\d{3}$/);
};

/** Static neighbours are in force and named as such; what commands set can be taken back. */
const layer3 = ({ t, tools }: Stage): void => {
  tools.sheet('dpip neigh add 10.1.0.77 lladdr 02:00:00:00:00:77 dev dpdk0');
  t.regex(
    tools.sh('dpip neigh show'),
    /10\.1\.0\.77 lladdr 02:00:00:00:00:77 state STATIC dev dpdk0/,
  );
  tools.sheet(
    'dpip neigh del 10.1.0.77 dev dpdk0; dpip route add default via 198.51.100.1 src 198.51.100.40 mtu 1400 metric 5 dev dpdk1; dpip -6 route add 2001:db8::/64 dev dpdk1',
  );
  t.notRegex(tools.sh('dpip neigh show'), /10\.1\.0\.77/);
  t.regex(
    tools.sh('dpip -4 route show'),
    /inet 0\.0\.0\.0\/0 via 198\.51\.100\.1 src 198\.51\.100\.40 dev dpdk1 mtu 1400 tos 0 scope global metric 5 proto static/,
  );
  const six = JSON.parse(tools.sh('dpip -6 route show --json')) as readonly TableRowView[];
  t.like(six[0], { address: '2001:db8::', prefixLength: 64, device: 'dpdk1', command: true });
  tools.sheet('dpip route flush dev dpdk1; dpip addr del 198.51.100.40/24 dev dpdk1');
  const routes = JSON.parse(tools.sh('dpip route show --json')) as readonly TableRowView[];
  t.deepEqual(
    routes.filter((r) => r.device === 'dpdk1' && r.command),
    [],
  );
};

test('a node is told everything by ipvsadm and dpip, and keeps it when its controller is killed', async (t) => {
  const lab = createLab(`cmd-${process.pid}-`);
  try {
    const node = build(lab);
    const tools = toolsOf(node.runDir);
    const stage: Stage = { t, lab, node, tools };
    for (const i of [1, 2]) await realServer(lab, `rs${i}`, '').start();
    t.regex(tools.ask('ipvsadm -Ln').err, /no node is running at .*; start one with/);
    node.start();
    await until('the node', async () => (await node.status())?.dataplane.state === 'up', 20_000);
    const inspect = await capture(lab, 'wan');
    sc1(stage);
    refusals(stage);
    await killController(stage);
    sc6(stage);
    sc4(stage);
    await sc7(stage);
    roundTrip(stage);
    bulk(stage);
    counters(stage);
    layer3(stage);
    t.is((JSON.parse(tools.sh('ipvsadm -Ln --json')) as ServicesView).services.length, 4);
    await node.stop();
    await inspect.stop();
    t.deepEqual(inspect.judge().complaints, []);
    // A node that is started again has what commands set, until its run-dir goes.
    node.start();
    const kept = await until(
      'the node again',
      () => {
        const said = tools.ask('ipvsadm -S');
        return said.code === 0 && said.out !== '' ? said.out : null;
      },
      20_000,
    );
    t.regex(kept, /-A -t 198\.51\.100\.80:80 -s wlc -p 300/);
    t.deepEqual((await node.status())?.runtime.shadowed, []);
    await node.stop();
  } finally {
    await lab.close();
  }
});
