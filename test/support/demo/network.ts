/**
 * The demo's network: a client, the two Keelson nodes of conf/demo, three web servers.
 *
 *   client 198.51.100.10 --+              +-- rs1 10.1.0.11
 *                          |   +-- a --+  +-- rs2 10.1.0.12
 *                         wan--+-- b --+--lan
 *                                         +-- rs3 10.1.0.13
 */
import { fileURLToPath } from 'node:url';
import { type KeelsonNode, keelsonNode } from '../lab/keelson.js';
import { createLab, type Lab } from '../lab/lab.js';
import { type RealServer, realServer } from '../lab/nginx.js';

export const vip = '198.51.100.80';
export const vipPort = 80;

const confDir = (node: string): string =>
  fileURLToPath(new URL(`../../../../conf/demo/${node}`, import.meta.url));

export interface Network {
  readonly lab: Lab;
  readonly nodes: readonly KeelsonNode[];
  readonly servers: readonly RealServer[];
}

const serverAddresses = { rs1: '10.1.0.11', rs2: '10.1.0.12', rs3: '10.1.0.13' } as const;

export async function buildNetwork(prefix: string): Promise<Network> {
  const lab = createLab(prefix);
  try {
    lab.addSwitch('wan');
    lab.addSwitch('lan');
    lab.addHost('client');
    lab.connect('client', 'eth0', 'wan', '198.51.100.10/24');
    const nodes = ['a', 'b'].map((name) => {
      lab.addHost(name);
      lab.connect(name, 'wan0', 'wan', null);
      lab.connect(name, 'lan0', 'lan', null);
      return keelsonNode(lab, name, confDir(name));
    });
    const servers = Object.entries(serverAddresses).map(([name, address]) => {
      lab.addHost(name);
      lab.connect(name, 'eth0', 'lan', `${address}/24`);
      return realServer(lab, name, address);
    });
    for (const server of servers) await server.start();
    return { lab, nodes, servers };
  } catch (e) {
    await lab.close();
    throw e;
  }
}
