/** conf/snat by a whole node (spec SC7): hosts inside speak TCP, UDP and ping to one outside which knows no way back to them. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { capture } from '../support/lab/capture.js';
import { type KeelsonNode, keelsonNode } from '../support/lab/keelson.js';
import { createLab, type Lab } from '../support/lab/lab.js';
import { until } from '../support/lab/programs.js';

const conf = fileURLToPath(new URL('../../../conf/snat', import.meta.url));
const outside = '198.51.100.10';

/** Answers over TCP and UDP with the address it was spoken to from. */
const whoami = `
import select, socket
tcp = socket.create_server(("", 8000), backlog=128)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 8000))
print("ready", flush=True)
while True:
    for s in select.select([tcp, udp], [], [])[0]:
        if s is udp:
            _, peer = udp.recvfrom(2048)
            udp.sendto(peer[0].encode(), peer)
        else:
            c, peer = tcp.accept()
            c.sendall(peer[0].encode())
            c.close()
`;
const ask = {
  TCP: `import socket
s = socket.create_connection(("${outside}", 8000), 3)
print(s.recv(64).decode())`,
  UDP: `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(b"x", ("${outside}", 8000))
print(s.recv(64).decode())`,
} as const;

const build = (lab: Lab): KeelsonNode => {
  for (const name of ['wan', 'lan']) lab.addSwitch(name);
  for (const name of ['other', 'gw', 'host1', 'host2']) lab.addHost(name);
  lab.connect('other', 'eth0', 'wan', `${outside}/24`);
  lab.connect('gw', 'wan0', 'wan', null);
  lab.connect('gw', 'lan0', 'lan', null);
  for (const i of [1, 2]) {
    lab.connect(`host${i}`, 'eth0', 'lan', `10.1.0.1${i}/24`);
    lab.exec(`host${i}`, 'ip', 'route', 'add', 'default', 'via', '10.1.0.1');
  }
  return keelsonNode(lab, 'gw', conf);
};

test('hosts inside reach one outside by TCP, UDP and ping, with addresses of the node', async (t) => {
  const lab = createLab(`snat-${process.pid}-`);
  try {
    const node = build(lab);
    const server = lab.start('other', 'whoami', ['python3', '-c', whoami]);
    await until('the server', () => server.output().includes('ready'), 5000);
    const inspect = await capture(lab, 'wan');
    node.start();
    const seen = (protocol: keyof typeof ask, host: string): string => {
      try {
        return lab.exec(host, 'python3', '-c', ask[protocol]).trim();
      } catch {
        return '';
      }
    };
    await until('the way out', () => seen('UDP', 'host1') !== '', 20_000);
    const tcp = Array.from({ length: 16 }, (_, i) => seen('TCP', `host${1 + (i % 2)}`));
    // Two workers deal out independently, 3 to 1 each: 12 of 16, give or take a round.
    const first = tcp.filter((a) => a === '198.51.100.40').length;
    t.is(tcp.filter((a) => a === '198.51.100.41').length, 16 - first);
    t.true(first >= 10 && first <= 14, `${first} of 16 left with the first address`);
    for (const host of ['host1', 'host2']) t.is(seen('UDP', host), '198.51.100.40');
    // Both at once and with the same identifier, which a table by identifier alone would confuse.
    const pings = await Promise.all(
      ['host1', 'host2'].map(async (host) => {
        const ping = ['ping', '-n', '-e', '77', '-c', '5', '-i', '0.2', '-w', '5', outside];
        const program = lab.start(host, 'ping', ping);
        await program.ended;
        return program.output();
      }),
    );
    for (const output of pings)
      t.regex(output, /5 packets transmitted, 5 received, 0% packet loss/);
    // A packet whose way ends here is answered by us, not in the other's name.
    const near = lab.start('host1', 'near', [
      'ping',
      '-n',
      '-c',
      '1',
      '-t',
      '1',
      '-w',
      '2',
      outside,
    ]);
    await near.ended;
    t.regex(near.output(), /From 10\.1\.0\.[12] icmp_seq=1 Time to live exceeded/);
    t.regex(node.command('status'), /match egress/);
    t.regex(node.command('sessions'), /SNAT|198\.51\.100\.40/);
    await node.stop();
    await inspect.stop();
    t.deepEqual(inspect.judge().complaints, []);
  } finally {
    await lab.close();
  }
});
