/**
 * The words of ipvsadm: how each is written, its argument, the commands it goes with, and whether it is
 * supported. yargs is not used, because scripts rely on popt's grammar (joined letters as in -lnc, -p
 * with an optional number), and because a refusal names the word.
 */

export type Argument = 'none' | 'required' | 'number?';

/** `goesWith` has the letters of the commands that accept a word. */
export interface Word {
  /** Its name in the parsed request. */
  readonly id: string;
  readonly short: string | null;
  readonly long: string | null;
  readonly argument: Argument;
  /** '' for a command. */
  readonly goesWith: string;
  readonly help: string;
  /** Why it is refused; null when it is supported. */
  readonly missing: string | null;
}

const command = (
  short: string,
  long: string,
  help: string,
  missing: string | null = null,
): Word => ({
  id: short,
  short,
  long,
  argument: 'none',
  goesWith: '',
  help,
  missing,
});

const word = (
  id: string,
  short: string | null,
  long: string | null,
  argument: Argument,
  goesWith: string,
  help: string,
  missing: string | null = null,
): Word => ({ id, short, long, argument, goesWith, help, missing });

const notYet = 'is not supported yet';
const acl = 'access lists are not supported yet';
/** Every command that names a service. */
const ofService = 'AEDaedPQGLlZ';
const listing = 'Ll';

export const words: readonly Word[] = [
  command('A', 'add-service', 'add a service'),
  command('E', 'edit-service', 'change a service; settings that are not named stay'),
  command('D', 'delete-service', 'delete a service'),
  command('C', 'clear', 'delete all services that commands have set'),
  command('R', 'restore', 'run the lines of standard input as one transaction'),
  command('S', 'save', 'print what -R reads'),
  command('a', 'add-server', 'add a real server'),
  command('e', 'edit-server', 'change a real server; settings that are not named stay'),
  command('d', 'delete-server', 'delete a real server'),
  command('L', 'list', 'list services, or sessions with -c'),
  { ...command('l', 'list', ''), long: null, help: 'the same as -L' },
  command('Z', 'zero', 'reset counters to 0'),
  command('P', 'add-laddr', 'add a local address'),
  command('Q', 'del-laddr', 'delete a local address'),
  command('G', 'get-laddr', 'list local addresses'),
  command('U', 'add-blklst', 'deny an address', acl),
  command('V', 'del-blklst', 'remove a denied address', acl),
  command('B', 'get-blklst', 'list denied addresses', acl),
  command('O', 'add-whtlst', 'allow an address', acl),
  command('Y', 'del-whtlst', 'remove an allowed address', acl),
  command('W', 'get-whtlst', 'list allowed addresses', acl),
  { ...command('set', 'set', 'timeouts: --set TCP TCPFIN UDP (seconds; 0 keeps)'), short: null },
  {
    ...command('start-daemon', 'start-daemon', '', 'session synchronisation is not supported yet'),
    short: null,
  },
  {
    ...command('stop-daemon', 'stop-daemon', '', 'session synchronisation is not supported yet'),
    short: null,
  },
  command('h', 'help', 'this text'),
  command('v', 'version', 'the version'),

  word('tcp', 't', 'tcp-service', 'required', ofService, 'TCP service ADDRESS:PORT'),
  word('udp', 'u', 'udp-service', 'required', ofService, 'UDP service ADDRESS:PORT'),
  word('sctp', null, 'sctp-service', 'required', ofService, 'SCTP service ADDRESS:PORT'),
  word(
    'icmp',
    'q',
    'icmp-service',
    'required',
    ofService,
    'ICMP service',
    `an ICMP service by address ${notYet}; SNAT of ICMP is -H proto=icmp,..., SCTP is --sctp-service`,
  ),
  word(
    'icmpv6',
    '1',
    'icmpv6-service',
    'required',
    ofService,
    'ICMPv6 service',
    `an ICMPv6 service by address ${notYet}; SNAT of ICMPv6 is -H proto=icmpv6,...`,
  ),
  word(
    'fwmark',
    'f',
    'fwmark-service',
    'required',
    ofService,
    'firewall mark',
    'packets carry no firewall mark in the data plane; name address and port',
  ),
  word(
    'v6',
    '6',
    'ipv6',
    'none',
    ofService,
    'IPv6 with -f',
    'it requires -f, which is not supported',
  ),
  word(
    'match',
    'H',
    'match',
    'required',
    ofService,
    'SNAT: proto=P,src-range=R,dst-range=R,iif=DEV,oif=DEV,af=ipv4|ipv6',
  ),

  word('scheduler', 's', 'scheduler', 'required', 'AE', 'scheduler (wlc)'),
  word('persistent', 'p', 'persistent', 'number?', 'AE', 'persistence [seconds] (360); 0: none'),
  word(
    'mask',
    'M',
    'netmask',
    'required',
    'AE',
    'clients of one network stay together: mask, or prefix length of IPv6',
  ),
  word('schedFlags', null, 'sched-flags', 'required', 'AE', 'sh-port or mh-port; - for none'),
  word(
    'connTimeout',
    null,
    'conn-timeout',
    'required',
    'AE',
    'seconds until an idle established session expires; 0: the default',
  ),
  word(
    'expireQuiescent',
    null,
    'expire-quiescent',
    'none',
    'AE',
    'end sessions of a real server of weight 0',
  ),
  word('noExpireQuiescent', null, 'no-expire-quiescent', 'none', 'E', 'keep them'),
  word('pe', null, 'pe', 'required', 'AE', 'persistence engine', notYet),
  word('ops', 'o', 'ops', 'none', 'AE', 'each datagram by itself (UDP)'),
  word('noOps', null, 'no-ops', 'none', 'E', 'datagrams create sessions again'),
  word('synproxy', 'j', 'synproxy', 'required', 'AE', 'SYN proxy enable|disable'),
  word('hashTarget', null, 'hash-target', 'required', 'AE', 'what conhash looks at: sip'),
  word('destCheck', null, 'dest-check', 'required', 'AE', 'passive health check: disable'),
  word('proxyProtocol', null, 'proxy-protocol', 'required', 'AE', 'proxy protocol: disable'),
  word('quic', null, 'quic', 'none', 'AE', 'QUIC connection ids name their server (UDP)'),
  word('noQuic', null, 'no-quic', 'none', 'E', 'switch off --quic'),

  word('server', 'r', 'real-server', 'required', 'aed', 'real server ADDRESS[:PORT]'),
  word('dr', 'g', 'gatewaying', 'none', 'ae', 'DR (the default)'),
  word('tun', 'i', 'ipip', 'none', 'ae', 'IP tunnel'),
  word('nat', 'm', 'masquerading', 'none', 'ae', 'NAT'),
  word('fnat', 'b', 'fullnat', 'none', 'ae', 'FNAT'),
  word('snat', 'J', 'snat', 'none', 'ae', 'SNAT, with -H'),
  word('weight', 'w', 'weight', 'required', 'ae', 'weight (1)'),
  word('upper', 'x', 'u-threshold', 'required', 'ae', 'upper threshold of sessions; 0: no limit'),
  word('lower', 'y', 'l-threshold', 'required', 'ae', 'lower threshold of sessions; 0: 3/4 of -x'),
  word('tunType', null, 'tun-type', 'required', 'ae', 'with -i: ipip (the default), gre or gue'),
  word('tunPort', null, 'tun-port', 'required', 'ae', 'UDP port of gue'),
  word('tunCsum', null, 'tun-csum', 'none', 'ae', 'checksum in gre or gue'),
  word('tunNocsum', null, 'tun-nocsum', 'none', 'ae', 'no checksum (the default)'),
  word(
    'tunRemcsum',
    null,
    'tun-remcsum',
    'none',
    'ae',
    'remote checksum offload',
    'remote checksum offload is not supported',
  ),

  word('laddr', 'z', 'laddr', 'required', 'PQ', 'local address'),
  word('device', 'F', 'ifname', 'required', 'PQ', 'its device'),
  word('blklst', 'k', 'blklst', 'required', 'UV', 'denied address', acl),
  word('whtlst', '2', 'whtlst', 'required', 'OY', 'allowed address', acl),

  word('numeric', 'n', 'numeric', 'none', `${listing}SG`, 'numeric output; always on'),
  word('connections', 'c', 'connection', 'none', listing, 'sessions'),
  word(
    'sockpair',
    null,
    'sockpair',
    'required',
    listing,
    'one session: PROTO:CLIENT:PORT:VIP:PORT',
  ),
  word('persistentConn', null, 'persistent-conn', 'none', listing, 'persistence', notYet),
  word('stats', null, 'stats', 'none', listing, 'connections, packets and bytes'),
  word('rate', null, 'rate', 'none', listing, 'rates, measured over one second'),
  word('exact', 'X', 'exact', 'none', listing, 'numbers in full'),
  word('thresholds', null, 'thresholds', 'none', listing, 'thresholds of real servers'),
  word('timeout', null, 'timeout', 'none', listing, 'timeouts'),
  word(
    'daemon',
    null,
    'daemon',
    'none',
    listing,
    'sync daemon',
    'session synchronisation is not supported yet',
  ),
  word('sort', null, 'sort', 'none', listing, 'sorted; always on'),
  word('nosort', null, 'nosort', 'none', listing, 'in the order of the configuration'),
  word(
    'cpu',
    null,
    'cpu',
    'required',
    listing,
    'one worker',
    'counters of services are sums over all workers; `keelson drops` shows each worker',
  ),
  word('json', null, 'json', 'none', `${listing}GZS`, 'JSON'),
  word('runDir', null, 'run-dir', 'required', 'AEDCRSaedLlZPQG', 'where the node runs'),
];
