/** A small network of namespaces for VRRP: a bridge in the middle, routers around it, a capture on the bridge. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type {
  FromVrrp,
  InstanceConfig,
  InstanceState,
  SyncGroupConfig,
} from '../../../src/vrrp/messages.js';
import { run, signalIfThere, until as untilHolds } from '../lab/programs.js';
import { spawnProgram } from '../programs/programs.js';

const nodeEntry = fileURLToPath(new URL('./node.js', import.meta.url));

export interface Router {
  readonly namespace: string;
  readonly address: string;
}

/** A running program and what it printed. */
export interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

/** Log lines, gratuitous ARP. */
export interface Other {
  readonly type: 'garp';
  readonly address: string;
  readonly repeat: number;
}

export interface KeelsonNode extends Running {
  /** SIGTERM as for any program: an orderly stop. `restart` ends the process without one. */
  readonly messages: () => readonly (FromVrrp | Other)[];
  /** What was reported of the instance with that name, oldest first. */
  readonly states: (name: string) => readonly InstanceState[];
  readonly reload: (
    instances: readonly InstanceConfig[],
    syncGroups?: readonly SyncGroupConfig[],
  ) => void;
}

export interface CapturedAdvert {
  readonly at: number;
  readonly source: string;
  readonly vrid: number;
  readonly priority: number;
}

export interface Lab {
  readonly directory: string;
  readonly router: (name: string) => Router;
  readonly has: (router: Router, vip: string) => boolean;
  readonly exec: (router: Router, ...argv: readonly string[]) => string;
  readonly dropVip: (router: Router, vip: string) => void;
  readonly keelson: (
    router: Router,
    instances: readonly InstanceConfig[],
    ...argv: readonly string[]
  ) => KeelsonNode;
  readonly keepalived: (router: Router, config: string) => Running;
  readonly adverts: () => readonly CapturedAdvert[];
  /** Every packet that tshark has something to say against. */
  readonly complaints: () => string;
  readonly capture: () => Promise<void>;
  readonly stopCapture: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Waits until `check` holds; fails with `what` after `ms` of a quiet machine. Answers how long it took. */
export async function until(what: string, check: () => boolean, ms: number): Promise<number> {
  const start = performance.now();
  await untilHolds(what, check, ms);
  return performance.now() - start;
}

const childrenOf = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((s) => s !== '')
      .map(Number)
      .flatMap((c) => [c, ...childrenOf(c)]);
  } catch {
    return [];
  }
};

function start(argv: readonly string[]): Running {
  const child = spawnProgram(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  return {
    child,
    output: () => text,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const ended = once(child, 'exit');
      // A crash takes the whole node: every process at once, so that none can say goodbye.
      const pids = signal === 'SIGKILL' ? [child.pid, ...childrenOf(child.pid)] : [child.pid];
      if (signal === 'SIGKILL') for (const pid of pids) signalIfThere(pid, 'SIGSTOP');
      for (const pid of pids) signalIfThere(pid, signal);
      await ended;
    },
  };
}

const parseMessages = (text: string): readonly (FromVrrp | Other)[] =>
  text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{') && line.includes('"type":'))
    .map((line) => JSON.parse(line) as FromVrrp | Other);

export function createLab(tag: string): Lab {
  const prefix = `vrrp-${process.pid}-${tag}`;
  const bridge = `${prefix}-sw`;
  const directory = mkdtempSync(path.join(tmpdir(), `${prefix}-`));
  const pcap = path.join(directory, 'wire.pcap');
  const namespaces: string[] = [];
  const running: Running[] = [];
  let capturing: Running | null = null;

  const netns = (name: string): void => {
    run('ip', 'netns', 'add', name);
    namespaces.push(name);
    run('ip', '-n', name, 'link', 'set', 'lo', 'up');
  };
  netns(bridge);
  run('ip', '-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
  run('ip', '-n', bridge, 'link', 'set', 'br0', 'up');

  const keep = <T extends Running>(r: T): T => {
    running.push(r);
    return r;
  };
  const exec = (r: Router, ...argv: readonly string[]): string =>
    run('ip', 'netns', 'exec', r.namespace, ...argv);

  const tshark = (...argv: readonly string[]): string => run('tshark', '-n', '-r', pcap, ...argv);

  return {
    directory,
    exec,
    router: (name) => {
      const namespace = `${prefix}-${name}`;
      netns(namespace);
      const address = `10.9.0.${namespaces.length}`;
      const port = `p${namespaces.length}`;
      run(
        'ip',
        '-n',
        bridge,
        'link',
        'add',
        port,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        namespace,
      );
      run('ip', '-n', bridge, 'link', 'set', port, 'master', 'br0', 'up');
      run('ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up');
      return { namespace, address };
    },
    has: (r, vip) =>
      run('ip', '-n', r.namespace, '-4', 'addr', 'show', 'dev', 'eth0').includes(` ${vip}/`),
    dropVip: (r, vip) => {
      run('ip', '-n', r.namespace, 'addr', 'del', `${vip}/32`, 'dev', 'eth0');
    },
    keelson: (r, instances, ...argv) => {
      const file = path.join(directory, `${r.namespace}.json`);
      const write = (
        list: readonly InstanceConfig[],
        syncGroups: readonly SyncGroupConfig[],
      ): void => writeFileSync(file, JSON.stringify({ instances: list, syncGroups }));
      write(instances, []);
      const started = start([
        'ip',
        'netns',
        'exec',
        r.namespace,
        process.execPath,
        nodeEntry,
        file,
        ...argv,
      ]);
      return keep({
        ...started,
        kill: (signal) => started.kill(signal === 'SIGTERM' ? 'SIGUSR2' : signal),
        messages: () => parseMessages(started.output()),
        states: (name) =>
          parseMessages(started.output()).flatMap((m) =>
            m.type === 'states' ? m.instances.filter((i) => i.name === name) : [],
          ),
        reload: (list, syncGroups = []) => {
          write(list, syncGroups);
          started.child.kill('SIGHUP');
        },
      });
    },
    keepalived: (r, config) => {
      const at = (name: string): string => path.join(directory, `${r.namespace}-${name}`);
      writeFileSync(at('keepalived.conf'), config);
      // A killed one leaves its files behind, and a new one may take its zombie for alive.
      for (const pid of ['main.pid', 'vrrp.pid']) rmSync(at(pid), { force: true });
      const pids = ['-p', at('main.pid'), '-r', at('vrrp.pid')];
      return keep(
        start([
          'ip',
          'netns',
          'exec',
          r.namespace,
          'keepalived',
          '-n',
          '-l',
          '-D',
          '-P',
          '-f',
          at('keepalived.conf'),
          ...pids,
        ]),
      );
    },
    capture: async () => {
      const argv = ['-n', '-q', '-i', 'br0', '-w', pcap, '-f', 'ip proto 112 or arp'];
      capturing = keep(start(['ip', 'netns', 'exec', bridge, 'tshark', ...argv]));
      const shark = capturing;
      await until('the capture to start', () => shark.output().includes('Capturing on'), 10_000);
      await sleep(200);
    },
    stopCapture: async () => {
      // What dumpcap has read reaches the file about twice a second.
      await sleep(700);
      await capturing?.kill('SIGINT');
    },
    adverts: () =>
      tshark(
        '-Y',
        'vrrp',
        '-T',
        'fields',
        '-e',
        'frame.time_epoch',
        '-e',
        'ip.src',
        '-e',
        'vrrp.prio',
        '-e',
        'vrrp.virt_rtr_id',
      )
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [at = '', source = '', priority = '', vrid = ''] = line.split('\t');
          return {
            at: Number(at) * 1000,
            source,
            vrid: Number(vrid),
            priority: Number(priority),
          };
        }),
    complaints: () =>
      tshark(
        '-o',
        'ip.check_checksum:TRUE',
        '-Y',
        '_ws.malformed || ip.checksum.status == 0 || vrrp.checksum.status == 0 || (vrrp && _ws.expert.severity >= 6291456)',
      ),
    close: async () => {
      for (const r of running) await r.kill('SIGKILL');
      for (const name of namespaces) run('ip', 'netns', 'del', name);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
