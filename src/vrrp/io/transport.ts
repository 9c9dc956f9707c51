/**
 * How adverts reach the wire: one socket an interface, shared by its virtual routers, behind one small interface with
 * two implementations. Which one is used is decided when the process starts and told in the log.
 */
import type { OutDatagram } from '../send.js';
import { addonSockets } from './addon-socket.js';
import { rawSockets } from './raw-socket.js';

export interface VrrpTransport {
  /** Sends at once; throws what the system says. */
  readonly send: (datagram: OutDatagram) => void;
  readonly close: () => void;
}

export interface TransportOptions {
  readonly interface: string;
  readonly interfaceIndex: number;
  /** Multicast groups to join; empty for unicast. */
  readonly groups: readonly string[];
  /** An IPv4 packet with its header. */
  readonly onPacket: (packet: Uint8Array) => void;
  /** The socket is of no more use. */
  readonly onError: (reason: string) => void;
}

export interface TransportFactory {
  readonly name: string;
  readonly open: (o: TransportOptions) => VrrpTransport;
}

/** What was tried in vain stands in the error, with what to do about it. */
export async function chooseTransport(): Promise<TransportFactory> {
  const failures: string[] = [];
  for (const load of [rawSockets, addonSockets]) {
    const found = await load();
    if (typeof found !== 'string') return found;
    failures.push(found);
  }
  throw new Error(
    `no raw socket for VRRP: ${failures.join('; ')}; run scripts/setup to build one of them`,
  );
}
