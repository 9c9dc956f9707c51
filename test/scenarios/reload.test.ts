/** A file that is right and asks for more than the data plane has room for: what ran before goes on, and the next file is taken. */
import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { keelsonNode } from '../support/lab/keelson.js';
import { createLab } from '../support/lab/lab.js';
import { realServer } from '../support/lab/nginx.js';
import { until } from '../support/lab/programs.js';

const conf = fileURLToPath(new URL('../../../conf/commands', import.meta.url));

const head = `
local_address_group lips {
    10.1.0.200 dpdk0
}
static_ipaddress {
    10.1.0.48/24 dev dpdk0.kni
    198.51.100.2/24 dev dpdk1.kni
}
vrrp_instance wan {
    interface dpdk1.kni
    dpdk_interface dpdk1
    virtual_router_id 7
    priority 200
    virtual_ipaddress {
        198.51.100.80/32
    }
}
`;
const service = (port: number): string => `
virtual_server 198.51.100.80 ${port} {
    lb_algo rr
    lb_kind FNAT
    protocol TCP
    laddr_group_name lips
    real_server 10.1.0.2 80 {
    }
}
`;
const ports = (n: number): string =>
  head + Array.from({ length: n }, (_, i) => service(80 + i)).join('');

/** `--max-services` of keelson-dataplane where nobody says otherwise. */
const room = 16_384;

test('a reload that the data plane refuses is taken back whole', async (t) => {
  const lab = createLab(`rel-${process.pid}-`);
  try {
    for (const name of ['wan', 'lan']) lab.addSwitch(name);
    for (const name of ['client', 'lb', 'rs1']) lab.addHost(name);
    lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
    lab.connect('lb', 'wan0', 'wan', null);
    lab.connect('lb', 'lan0', 'lan', null);
    lab.connect('rs1', 'eth0', 'lan', '10.1.0.2/24');
    const dir = path.join(lab.directory, 'conf');
    cpSync(conf, dir, { recursive: true });
    const write = (text: string): void => writeFileSync(path.join(dir, 'keepalived.conf'), text);
    write(ports(1));
    const node = keelsonNode(lab, 'lb', dir);
    await realServer(lab, 'rs1', '').start();
    node.start();
    const answer = (port: number): string => {
      try {
        const url = `http://198.51.100.80:${port}/?token=t`;
        return lab.exec('client', 'curl', '-s', '-m', '2', url);
      } catch {
        return '';
      }
    };
    await until('an answer', () => answer(80) === 'rs1 t\n', 20_000);
    const before = await node.status();
    write(ports(room + 1));
    t.throws(() => node.command('reload'));
    const after = await node.status();
    t.is(after?.virtualServers.length, 1);
    t.regex(after?.node.configError ?? '', /the data plane refuses it: .*16384 services/);
    t.is(after?.node.configLoadedAt, before?.node.configLoadedAt);
    t.is(answer(80), 'rs1 t\n');
    // Nothing of it stands in the way of the next one.
    write(ports(2));
    t.regex(node.command('reload'), /\+ TCP 198\.51\.100\.80:81/);
    t.is(answer(81), 'rs1 t\n');
    t.is((await node.status())?.node.configError, null);
    await node.stop();
  } finally {
    await lab.close();
  }
});
