/** Transport on the addon's raw socket, which fixes group, source and TTL when it is opened: one socket for each. */

import { type Addon, loadAddon, type RawSocketHandle } from '../../kernel/io/addon.js';
import { formatIpv4 } from '../../net/ipv4.js';
import { vrrpProtocol, vrrpTos, vrrpTtl } from '../packet.js';
import type { OutDatagram } from '../send.js';
import type { TransportFactory, TransportOptions, VrrpTransport } from './transport.js';

function open(addon: Addon, o: TransportOptions): VrrpTransport {
  const socket = (group: string | null, source: string | null, ttl: number): RawSocketHandle =>
    addon.rawSocketOpen({
      protocol: vrrpProtocol,
      device: o.interface,
      mcastGroup: group,
      source,
      ttl,
      tos: vrrpTos,
    });
  // Each listener joins a group; one of them hears all packets of the interface, so the others only hold membership.
  const listeners = (o.groups.length === 0 ? [null] : o.groups).map((group) =>
    socket(group, null, vrrpTtl),
  );
  listeners[0]?.onMessage(o.onPacket);
  const senders = new Map<string, RawSocketHandle>();
  const senderFor = (d: OutDatagram): RawSocketHandle => {
    const key = `${d.source} ${d.ttl}`;
    const known = senders.get(key);
    if (known !== undefined) return known;
    const opened = socket(null, formatIpv4(d.source), d.ttl);
    senders.set(key, opened);
    return opened;
  };
  return {
    send: (d) => senderFor(d).send(formatIpv4(d.destination), d.payload),
    close: () => {
      for (const s of [...listeners, ...senders.values()]) s.close();
      senders.clear();
    },
  };
}

/** The factory, or why there is none. */
export async function addonSockets(): Promise<TransportFactory | string> {
  const addon = loadAddon();
  if (typeof addon === 'string') return addon;
  return { name: 'addon', open: (o) => open(addon, o) };
}
