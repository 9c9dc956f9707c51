/**
 * A small network on one machine: hosts are network namespaces, a switch is a namespace with a bridge, cables are veth
 * pairs. `close` takes away all of it, programs first.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crash, type Program, run, start } from './programs.js';

export interface Lab {
  readonly directory: string;
  /** Full name of a namespace of this lab. */
  readonly namespace: (name: string) => string;
  readonly addSwitch: (name: string) => void;
  readonly addHost: (name: string) => void;
  /** A cable from `device` of a host to a switch. An address makes it the host's own, null leaves it to DPDK. */
  readonly connect: (host: string, device: string, to: string, address: string | null) => void;
  /** Runs a short command on a host. */
  readonly exec: (host: string, ...argv: readonly string[]) => string;
  /** Starts a program on a host; it ends with the lab at the latest. */
  readonly start: (host: string, name: string, argv: readonly string[], input?: 'pipe') => Program;
  /** Every process that runs on a host. */
  readonly processes: (host: string) => readonly number[];
  readonly close: () => Promise<void>;
}

/** Packets enter DPDK by AF_PACKET as the kernel made them: whole, and with their checksums filled in. */
const plainPackets = ['tx', 'rx', 'tso', 'gso', 'gro', 'sg'] as const;

export function createLab(prefix: string): Lab {
  const directory = mkdtempSync(path.join(tmpdir(), 'keelson-lab-'));
  // Health checks run as a user of their own and have a directory below the run-dir.
  chmodSync(directory, 0o711);
  const namespaces: string[] = [];
  const programs: Program[] = [];
  let cables = 0;

  const namespace = (name: string): string => `${prefix}${name}`;
  const ip = (ns: string, ...argv: readonly string[]): string =>
    run('ip', '-n', namespace(ns), ...argv);
  const exec = (host: string, ...argv: readonly string[]): string =>
    run('ip', 'netns', 'exec', namespace(host), ...argv);
  const processes = (host: string): readonly number[] =>
    run('ip', 'netns', 'pids', namespace(host))
      .split('\n')
      .filter((s) => s !== '')
      .map(Number);

  const addHost = (name: string): void => {
    run('ip', 'netns', 'add', namespace(name));
    namespaces.push(name);
    // No router solicitations and duplicate address detection between the packets that matter.
    exec(name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
    exec(name, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    ip(name, 'link', 'set', 'lo', 'up');
  };
  const addSwitch = (name: string): void => {
    addHost(name);
    ip(name, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    ip(name, 'link', 'set', 'br0', 'up');
  };
  const connect: Lab['connect'] = (host, device, to, address) => {
    const port = `p${++cables}`;
    const peer = ['peer', 'name', device, 'netns', namespace(host)];
    ip(to, 'link', 'add', port, 'type', 'veth', ...peer);
    ip(to, 'link', 'set', port, 'master', 'br0', 'up');
    for (const feature of plainPackets) exec(host, 'ethtool', '-K', device, feature, 'off');
    if (address !== null) ip(host, 'address', 'add', address, 'dev', device);
    ip(host, 'link', 'set', device, 'up');
  };

  return {
    directory,
    namespace,
    addSwitch,
    addHost,
    connect,
    exec,
    processes,
    start: (host, name, argv, input) => {
      const program = start(name, ['ip', 'netns', 'exec', namespace(host), ...argv], input);
      programs.push(program);
      return program;
    },
    close: async () => {
      for (const name of namespaces) crash(processes(name));
      for (const program of programs) await program.end('SIGKILL');
      for (const name of namespaces) run('ip', 'netns', 'delete', namespace(name));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
