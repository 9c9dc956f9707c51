/** The controller's link to vrrp or to healthcheck: hello, their levels, then what is desired. */
import { connectLink } from '../kernel/io/link.js';
import { type FromProcess, type Hello, protocolVersion } from '../kernel/process.js';

export interface PeerOptions<From> {
  readonly path: string;
  /** Connected, and it has said who it is. */
  readonly onUp: (pid: number) => void;
  readonly onMessage: (m: From) => void;
  readonly onDown: (reason: string) => void;
}

export interface PeerLink<To> {
  /** False when it is not connected; it is briefed when it is. */
  readonly send: (m: To) => boolean;
  readonly close: () => void;
}

interface Tagged {
  readonly type: string;
}

/** Of the process, not of its protocol; a heartbeat may carry counters as well. */
const isOfProcess = (m: Tagged): boolean =>
  m.type === 'stopped' || (m.type === 'heartbeat' && Object.keys(m).length === 1);

export const connectPeer = <From extends Tagged, To extends Tagged>(
  o: PeerOptions<From>,
): PeerLink<To> => {
  let isUp = false;
  return connectLink<From | FromProcess, To | Hello>({
    path: o.path,
    onOpen: (link) =>
      void link.send({
        type: 'hello',
        role: 'controller',
        pid: process.pid,
        protocol: protocolVersion,
      }),
    onMessage: (m) => {
      if (m.type === 'ready' && 'protocol' in m) {
        const { pid, protocol } = m as Extract<FromProcess, { readonly type: 'ready' }>;
        if (protocol === protocolVersion) {
          isUp = true;
          o.onUp(pid);
        } else o.onDown(`it has protocol ${protocol}, not ${protocolVersion}`);
      } else if (isUp && !isOfProcess(m)) o.onMessage(m as From);
    },
    onClose: (reason) => {
      if (!isUp) return;
      isUp = false;
      o.onDown(reason ?? 'closed');
    },
  });
};
