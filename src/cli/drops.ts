/** What each reason for which packets are dropped means, and what can be done about it. */

interface Explained {
  readonly means: string;
  /** null: nothing is wrong with the node. */
  readonly remedy: string | null;
}

const explained: Readonly<Record<string, Explained>> = {
  stale: { means: 'queued while the data plane was stopped', remedy: null },
  truncated: { means: 'shorter than its headers say', remedy: null },
  'not-for-us': { means: 'frame for another MAC address', remedy: null },
  ethertype: { means: 'not IP, and no kernel interface takes it', remedy: null },
  'ip-header': { means: 'wrong IP header', remedy: null },
  'ip-checksum': { means: 'wrong IPv4 header checksum', remedy: null },
  'ip-source': { means: 'source is multicast, loopback or our own address', remedy: null },
  'l4-header': { means: 'wrong TCP, UDP or SCTP header', remedy: null },
  'l4-checksum': {
    means: 'wrong TCP, UDP or SCTP checksum',
    remedy:
      'a local sender (veth, virtio) leaves checksums to its card: on it, ethtool -K IFACE tx off',
  },
  fragment: { means: 'fragment whose first one was not seen', remedy: null },
  ttl: { means: 'time to live exceeded', remedy: null },
  'not-local': {
    means: 'neither for an address of ours nor of a session',
    remedy: 'if it should be served: is the address on a device or a VRRP instance (dpip addr)?',
  },
  'expire-quiescent': { means: 'session of a removed real server was ended', remedy: null },
  'no-service': {
    means: 'for a VIP, but no service is on that port',
    remedy: 'compare the port with ipvsadm -Ln',
  },
  'no-real-server': {
    means: 'no real server of the service has a weight',
    remedy: 'see which are out, and why: keelson status',
  },
  'not-syn': {
    means: 'no session, and the packet does not begin one',
    remedy: 'normal after a failover or a restart of the data plane',
  },
  'session-full': {
    means: 'session table of the worker is full',
    remedy: 'raise conn_pool_size in dpvs.conf',
  },
  'nat-clash': { means: "client's port is in use towards that server", remedy: 'use FNAT' },
  'lport-exhausted': {
    means: 'no local port left towards the real server',
    remedy: 'add local addresses (local_address_group, ipvsadm -P)',
  },
  'no-local-address': {
    means: 'FNAT service without a local address',
    remedy: 'add local addresses (laddr_group_name, ipvsadm -P)',
  },
  'no-route': {
    means: 'no route to the destination',
    remedy: 'compare with dpip route show; routes belong to DEVICE.kni (ip route)',
  },
  'neighbour-full': { means: 'neighbour table is full', remedy: null },
  'neighbour-failed': {
    means: 'next hop or server does not answer ARP or ND',
    remedy: 'dpip neigh show; is it in the network of the device?',
  },
  'too-big': {
    means: 'larger than the MTU of the way out',
    remedy: 'compare the MTUs of both sides',
  },
  loop: { means: 'would be sent to ourselves', remedy: null },
  'tcp-state': { means: 'TCP segment that its session does not allow', remedy: null },
  'icmp-no-session': { means: 'ICMP error about an unknown session', remedy: null },
  'icmp-header': { means: 'wrong ICMP header', remedy: null },
  lease: {
    means: 'for a VIP that this node does not hold',
    remedy: 'normal on a backup; on the active node see keelson status',
  },
  'ring-full': {
    means: 'queue to another worker is full',
    remedy: 'more workers, or receive queues for each of them',
  },
  'kni-full': { means: 'the kernel interface did not take it', remedy: null },
  'kni-policed': { means: 'more for the kernel than its class is allowed', remedy: null },
  'tx-full': { means: 'the port did not take it', remedy: null },
  'no-buffer': {
    means: 'no packet buffer left',
    remedy: 'raise pktpool_size in dpvs.conf',
  },
  unsupported: { means: 'protocol that this mode does not forward', remedy: null },
  'arp-header': { means: 'wrong ARP or ND message', remedy: null },
  'arp-not-ours': { means: 'ARP request for an address that is not ours', remedy: null },
  'servers-full': {
    means: 'every real server is at its threshold',
    remedy: 'add real servers, or raise uthreshold',
  },
};

export const explain = (reason: string): Explained =>
  Object.hasOwn(explained, reason)
    ? (explained[reason] ?? { means: '', remedy: null })
    : { means: '', remedy: null };
