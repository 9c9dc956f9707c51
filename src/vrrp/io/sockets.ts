/** The open transports, one an interface: opened when the interface runs, opened anew when it was re-created. */
import type { OutDatagram } from '../send.js';
import type { Link } from './links.js';
import type { TransportFactory, VrrpTransport } from './transport.js';

interface Open {
  readonly transport: VrrpTransport;
  readonly key: string;
}

export interface Sockets {
  /** Opens, keeps or closes what the interface needs now; the answer tells a failure. */
  readonly ensure: (name: string, link: Link, groups: readonly string[]) => string | null;
  readonly send: (name: string, datagram: OutDatagram) => void;
  readonly drop: (name: string) => void;
  readonly names: () => readonly string[];
}

export function sockets(
  factory: TransportFactory,
  onPacket: (name: string, packet: Uint8Array) => void,
  onError: (name: string, reason: string) => void,
): Sockets {
  const open = new Map<string, Open>();
  const drop = (name: string): void => {
    const found = open.get(name);
    open.delete(name);
    found?.transport.close();
  };
  return {
    drop,
    names: () => [...open.keys()],
    ensure: (name, link, groups) => {
      const key = `${link.index} ${groups.join(' ')}`;
      if (open.get(name)?.key === key) return null;
      // A socket of an interface that is down stays: the last advert may still get out.
      if (!link.up) return null;
      drop(name);
      try {
        const transport = factory.open({
          interface: name,
          interfaceIndex: link.index,
          groups,
          onPacket: (packet) => onPacket(name, packet),
          onError: (reason) => {
            open.delete(name);
            onError(name, reason);
          },
        });
        open.set(name, { transport, key });
        return null;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
    send: (name, datagram) => {
      const found = open.get(name);
      if (found === undefined) throw new Error(`no socket on ${name}`);
      found.transport.send(datagram);
    },
  };
}
