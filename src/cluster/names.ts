/** How things are called between the parts, in the form keepalived's log and FIFO use. */
import type { VirtualServer } from '../config/keepalived/types.js';

const bracketed = (address: string, protocol: string, port: number): string =>
  `[${address}]:${protocol.toLowerCase()}:${port}`;

/** Identity of a virtual server over reloads (keepalived matches by the same). */
export const virtualServerId = (v: VirtualServer): string => {
  switch (v.target.kind) {
    case 'address':
      return bracketed(v.target.address, v.protocol, v.target.port);
    case 'group':
      return `group ${v.target.name} ${v.protocol.toLowerCase()}`;
    case 'fwmark':
      return `fwmark ${v.target.mark}`;
    case 'match':
      return `match ${v.target.name} ${v.protocol.toLowerCase()}`;
  }
};

/** Identity of a real server in its virtual server; of a service by the endpoint it listens on. */
export const realServerName = (address: string, port: number, protocol: string): string =>
  bracketed(address, protocol, port);
