/**
 * The scaffolding of a process of ours: it listens on its socket of the run directory, tells every
 * peer `ready` and its levels, says a heartbeat each second, stops when the supervisor says so, and
 * ends when its socket is gone or belongs to another instance. It outlives whoever started it.
 */
import { lstatSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import {
  type FromProcess,
  type Hello,
  protocolVersion,
  type Role,
  type ToProcess,
} from '../process.js';
import { type LinkEnd, listenLink } from './link.js';

// Without a listener SIGUSR1 opens Node's inspector to every user of the machine.
process.on('SIGUSR1', () => undefined);

const heartbeatMs = 1000;
const lookMs = 2000;

export interface Peer<Out> extends LinkEnd<Out> {
  readonly role: Role;
  readonly protocol: number;
}

export interface ServiceOptions<In, Out> {
  readonly role: Role;
  readonly socketPath: string;
  readonly version: string;
  /** The whole present state, sent to each peer after `ready`. */
  readonly levels: (to: Role) => readonly Out[];
  readonly onMessage: (message: In, from: Peer<Out>) => void;
  readonly onPeer?: (peer: Peer<Out>) => void;
  readonly onPeerGone?: (peer: Peer<Out>, reason: string | null) => void;
  /** The orderly stop: resolves when nothing is held any more; then the process ends. */
  readonly stop: () => Promise<void>;
  readonly reload?: () => void;
  /** SIGTERM, or the socket is gone: end at once, without any effect on the wire. */
  readonly abandon?: (reason: string) => void;
  readonly onError: (reason: string) => void;
}

export interface Service<Out> {
  /** To all peers of that role, or to all. */
  readonly tell: (message: Out, to?: Role) => void;
  readonly peers: () => readonly Peer<Out>[];
}

/**
 * During an upgrade a peer may be of another version. What every version knows (ready, heartbeat,
 * stop, reload) is exchanged with it, and nothing else: what was told before holds on.
 */
const understands = (p: { readonly protocol: number }): boolean => p.protocol === protocolVersion;

/** Whether somebody listens at the path: then an instance runs already. */
const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const inodeOf = (path: string): number | null => {
  try {
    return lstatSync(path).ino;
  } catch {
    return null;
  }
};

/** Rejects when another instance listens already, or the socket cannot be made. */
export const runService = async <In, Out>(o: ServiceOptions<In, Out>): Promise<Service<Out>> => {
  if (await isAnswered(o.socketPath))
    throw new Error(`another ${o.role} process listens on ${o.socketPath}`);
  rmSync(o.socketPath, { force: true });

  const peers = new Set<Peer<Out>>();
  let ending = false;
  const abandon = (reason: string): void => {
    if (ending) return;
    ending = true;
    o.abandon?.(reason);
    process.exit(0);
  };
  const tellAll = (m: FromProcess): void => {
    for (const p of peers) p.send(m as Out);
  };
  const stop = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    await o.stop().catch((e: unknown) => o.onError(`stop: ${String(e)}`));
    tellAll({ type: 'stopped' });
    // What was written to the peers leaves before the process ends.
    setTimeout(() => process.exit(0), 20);
  };

  const greet = (end: LinkEnd<Out>, hello: Hello): Peer<Out> => {
    const peer: Peer<Out> = { ...end, role: hello.role, protocol: hello.protocol };
    peers.add(peer);
    const ready: FromProcess = {
      type: 'ready',
      role: o.role,
      pid: process.pid,
      version: o.version,
      protocol: protocolVersion,
    };
    peer.send(ready as Out);
    if (!understands(peer)) {
      o.onError(`${peer.role} has protocol ${hello.protocol}, not ${protocolVersion}: not heard`);
      return peer;
    }
    for (const level of o.levels(peer.role)) peer.send(level);
    o.onPeer?.(peer);
    return peer;
  };
  const take = (m: In | ToProcess, from: Peer<Out>): void => {
    const { type } = m as ToProcess;
    if (type === 'stop' && from.role === 'supervisor') void stop();
    else if (type === 'reload') o.reload?.();
    else if (understands(from)) o.onMessage(m as In, from);
  };

  await listenLink<In | Hello | ToProcess, Out>({
    path: o.socketPath,
    onError: o.onError,
    onPeer: (end) => {
      let peer: Peer<Out> | null = null;
      return {
        onMessage: (m) => {
          if (peer !== null) take(m as In | ToProcess, peer);
          else if ((m as Hello).type === 'hello') peer = greet(end, m as Hello);
          else end.close();
        },
        onClose: (reason) => {
          if (peer === null) return;
          peers.delete(peer);
          o.onPeerGone?.(peer, reason);
        },
      };
    },
  });
  const own = inodeOf(o.socketPath);
  setInterval(() => tellAll({ type: 'heartbeat' }), heartbeatMs);
  setInterval(() => {
    if (inodeOf(o.socketPath) !== own) abandon(`${o.socketPath} is gone or belongs to another`);
  }, lookMs);
  process.on('SIGTERM', () => abandon('SIGTERM'));
  // The terminal's signals reach the whole process group; the supervisor tells when to stop.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => o.reload?.());
  return {
    tell: (message, to) => {
      for (const p of peers)
        if (understands(p) && (to === undefined || p.role === to)) p.send(message);
    },
    peers: () => [...peers],
  };
};
