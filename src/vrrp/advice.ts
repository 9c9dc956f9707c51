/** What an operator can do about an error of the system when an advert could not be sent. */

const advice: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'a firewall rule of this machine drops VRRP (IP protocol 112): allow it'],
  ['EPERM', 'a firewall rule drops VRRP (IP protocol 112), or the process lacks CAP_NET_RAW'],
  ['EINVAL', 'the source address is not on this machine: check mcast_src_ip or unicast_src_ip'],
  ['EADDRNOTAVAIL', 'the source address is not on this machine: check mcast_src_ip'],
  ['ENETUNREACH', 'there is no route to the peer: check the address and mask of the interface'],
  ['EHOSTUNREACH', 'the peer does not answer ARP: check the cable and unicast_peer'],
  ['ENETDOWN', 'the interface is down'],
  ['ENODEV', 'the interface is gone'],
  ['ENXIO', 'the interface is gone'],
  ['EIO', 'the data plane does not read from its kernel interface'],
  ['ENOBUFS', 'the queue of the interface is full'],
  ['EAGAIN', 'the queue of the interface is full'],
  ['EMSGSIZE', 'too many virtual addresses for one packet of this interface'],
  ['EPROTO', 'the kernel refuses the packet; see dmesg'],
]);

/** `No such device` and the like carry their code in the error or in the text. */
const codeOf = (error: unknown): string | null => {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return error.code;
  const found = /\b(E[A-Z]{3,})\b/.exec(String(error));
  return found?.[1] ?? null;
};

export const sendError = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  const help = code === null ? undefined : advice.get(code);
  return help === undefined ? text : `${help} (${text})`;
};
