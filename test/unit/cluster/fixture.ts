/** A node's configuration from text, and a cluster machine that keeps what it was asked for. */
import type { Effect } from '../../../src/cluster/diff.js';
import type { Input } from '../../../src/cluster/facts.js';
import {
  type ClusterInput,
  cluster,
  initialState,
  type State,
} from '../../../src/cluster/machine.js';
import type { Config, Source } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load.js';
import { digestText, type Snapshot } from '../../../src/dataplane/snapshot.js';
import type { RealServerLevel, VirtualServerLevel } from '../../../src/healthcheck/messages.js';
import { millis } from '../../../src/kernel/machine.js';
import type { InstanceState } from '../../../src/vrrp/messages.js';

export const dpvs = `
netif_defs {
  <init> device dpdk0 { devargs "net_null0"
  }
  <init> device dpdk1 { devargs "net_null1"
  }
}
worker_defs {
  <init> worker cpu0 { type master
    cpu_id 0
  }
  <init> worker cpu1 { type slave
    cpu_id 1
    port dpdk0 { rx_queue_ids 0
    }
    port dpdk1 { rx_queue_ids 0
    }
  }
}
`;

const instance = `
vrrp_instance wan {
  interface dpdk1.kni
  dpdk_interface dpdk1
  virtual_router_id 51
  priority 150
  virtual_ipaddress {
    198.51.100.80/32
  }
}
`;

export const service = (port: number, more = '', rs = '10.1.0.11 10.1.0.12'): string => `
virtual_server 198.51.100.80 ${port} {
  delay_loop 1
  lb_algo rr
  lb_kind FNAT
  protocol TCP
  laddr_group_name lips
  ${more}
  ${rs
    .split(' ')
    .map((a) => `real_server ${a} ${port} {\n weight 10\n TCP_CHECK {\n }\n }`)
    .join('\n  ')}
}
`;

const lips = `
local_address_group lips {
  10.1.0.200-201 dpdk0
}
`;

export const filesOf = (services: string, instances = instance) =>
  ({ k: `${instances}${lips}${services}`, d: dpvs }) as const;

export const configOf = (services: string, instances = instance): Config => {
  const files: Readonly<Record<string, string>> = filesOf(services, instances);
  const source: Source = {
    read: (path) => {
      const text = files[path];
      return text === undefined ? { ok: false, error: 'no such file' } : { ok: true, text };
    },
    glob: () => [],
  };
  const loaded = loadConfig(source, { keepalivedPath: 'k', dpvsPath: 'd', hostName: 'lb' });
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.diagnostics));
  return loaded.config;
};

export interface Node {
  readonly tell: (input: ClusterInput) => readonly Effect[];
  readonly state: () => State;
  /** The last snapshot asked for. */
  readonly wanted: () => Snapshot;
  /** The data plane acknowledges it. */
  readonly ack: (generation: number) => readonly Effect[];
  /** The data plane refuses it. */
  readonly refuse: (reason: string) => readonly Effect[];
}

export const node = (config: Config): Node => {
  let state = initialState(config);
  let wanted: Snapshot | null = null;
  const tell = (input: ClusterInput): readonly Effect[] => {
    const [next, effects] = cluster.step(state, input, millis(0));
    state = next;
    for (const e of effects) if (e.type === 'setDesired') wanted = e.snapshot;
    return effects;
  };
  const last = (): Snapshot => {
    if (wanted === null) throw new Error('nothing was asked of the data plane yet');
    return wanted;
  };
  return {
    tell,
    state: () => state,
    wanted: last,
    ack: (generation) => tell({ type: 'dataplaneAcked', generation, digest: digestText(last()) }),
    refuse: (reason) => tell({ type: 'dataplaneRejected', reason, digest: digestText(last()) }),
  };
};

export const dataplaneUp = (o: Partial<Extract<ClusterInput, { type: 'dataplaneUp' }>> = {}) =>
  ({
    type: 'dataplaneUp',
    pid: 1,
    workers: 2,
    bootId: 'a',
    generation: 0,
    adopted: null,
    ...o,
  }) as const;

/** A peer connects and reports that it knows nothing. */
export const fresh = (peer: 'vrrp' | 'healthcheck'): readonly Input[] => [
  { type: 'connected', peer, at: 1 },
  peer === 'vrrp'
    ? { type: 'vrrp', message: { type: 'states', whole: true, instances: [] } }
    : {
        type: 'healthcheck',
        message: { type: 'states', whole: true, more: false, realServers: [], virtualServers: [] },
      },
];

export const batch = (...inputs: readonly Input[]): ClusterInput => ({ type: 'batch', inputs });

/** Both peers report the newest configuration as configured. */
export const configured = (n: Node): void => {
  const { vrrp, healthcheck } = n.state().sent;
  n.tell({ type: 'vrrp', message: { type: 'configured', revision: vrrp } });
  n.tell({ type: 'healthcheck', message: { type: 'configured', revision: healthcheck } });
};

/** A node that has started, with its peers, and the data plane at generation 1. */
export const runningNode = (config: Config): Node => {
  const n = node(config);
  n.tell({ type: 'start' });
  n.tell(dataplaneUp());
  n.tell(batch(...fresh('vrrp'), ...fresh('healthcheck')));
  n.ack(1);
  configured(n);
  return n;
};

export const wan = 'dpdk1.kni 51 inet';

export const vrrpState = (state: 'active' | 'backup', o: Partial<InstanceState> = {}): Input => ({
  type: 'vrrp',
  message: {
    type: 'states',
    whole: false,
    instances: [
      {
        id: wan,
        interface: 'dpdk1.kni',
        vrid: 51,
        family: 'inet',
        name: 'wan',
        state,
        previous: 'initialize',
        reason: 'test',
        since: 1,
        priority: 150,
        activeAddress: null,
        intervalMs: 1000,
        holds: state === 'active',
        ...o,
      },
    ],
  },
});

export const healthOf = (
  realServers: readonly RealServerLevel[],
  virtualServers: readonly VirtualServerLevel[] = [],
): Input => ({
  type: 'healthcheck',
  message: { type: 'states', whole: false, more: false, realServers, virtualServers },
});

export const realServer = (rs: string, up: boolean, port = 80, delta = 0): Input =>
  healthOf([
    {
      vs: `[198.51.100.80]:tcp:${port}`,
      rs: `[${rs}]:tcp:${port}`,
      up,
      delta,
      reason: up ? 'connected' : 'connection refused',
      since: 1,
    },
  ]);
export const quorum = (up: boolean, port = 80): Input =>
  healthOf(
    [],
    [
      {
        vs: `[198.51.100.80]:tcp:${port}`,
        quorumUp: up,
        liveWeight: up ? 10 : 0,
        reason: up ? 'gained' : 'lost',
        since: 1,
      },
    ],
  );
