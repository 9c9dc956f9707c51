/**
 * What each process may do, as a command line of util-linux in front of its own. Pure.
 *
 * Every process gets no_new_privs. The bounding set is what a process of root holds after exec; a
 * process of another user holds nothing.
 */

/** A process keeps these capabilities; each with its reason in `privileges`. */
export interface Privileges {
  /** null: root. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  readonly capabilities: readonly string[];
  /** Real-time priority from the first instruction on; null: none. */
  readonly realtime: number | null;
}

export type ProcessName = 'dataplane' | 'vrrp' | 'healthcheck' | 'controller';

/** Why each is needed: the first column is what is kept. */
const reasons: Readonly<Record<ProcessName, ReadonlyMap<string, string>>> = {
  dataplane: new Map([
    ['net_admin', 'TAP and KNI interfaces, promiscuous mode, addresses, the nftables shield'],
    ['net_raw', 'AF_PACKET and AF_XDP ports'],
    ['ipc_lock', 'locked memory, huge pages'],
    ['sys_nice', 'CPU affinity and priority of the workers'],
    ['sys_admin', 'physical addresses of huge pages, BPF programs of AF_XDP'],
    ['sys_rawio', 'port access of PCI devices that are not bound to VFIO'],
    ['sys_resource', 'the limit of locked memory'],
    ['dac_override', '/dev/vfio, /dev/hugepages and sysfs files of other owners'],
    ['bpf', 'BPF programs of AF_XDP'],
  ]),
  vrrp: new Map([
    ['net_raw', 'raw sockets of protocol 112'],
    ['net_admin', 'SO_BINDTODEVICE on any interface, SO_PRIORITY'],
    ['sys_nice', 'real-time priority'],
  ]),
  healthcheck: new Map(),
  controller: new Map([['net_admin', 'static addresses and routes of the configuration']]),
};

export const capabilitiesOf = (name: ProcessName): readonly string[] => [...reasons[name].keys()];

const realtimeOfVrrp = 10;

/**
 * From what is wanted to what can be had: a tree of files under a home directory is readable only
 * with dac_read_search, and a user namespace may have no other user than root.
 */
export const choices = (
  name: ProcessName,
  user: { readonly uid: number; readonly gid: number } | null,
): readonly Privileges[] => {
  const capabilities = capabilitiesOf(name);
  const more = [...capabilities, 'dac_read_search'];
  const realtimes = name === 'vrrp' ? [realtimeOfVrrp, null] : [null];
  return realtimes.flatMap((realtime) => [
    ...(name === 'healthcheck' && user !== null ? [{ user, capabilities, realtime }] : []),
    { user: null, capabilities, realtime },
    { user: null, capabilities: more, realtime },
  ]);
};

const capabilitySet = (names: readonly string[]): string =>
  ['-all', ...names.map((n) => `+${n}`)].join(',');

/** What stands before the program; it replaces itself by the program, so the pid stays. */
export const prefix = (p: Privileges): readonly string[] => [
  ...(p.realtime === null ? [] : ['chrt', '--rr', String(p.realtime)]),
  'setpriv',
  ...(p.user === null ? [] : [`--reuid=${p.user.uid}`, `--regid=${p.user.gid}`, '--clear-groups']),
  '--inh-caps=-all',
  `--bounding-set=${capabilitySet(p.capabilities)}`,
  '--no-new-privs',
];
