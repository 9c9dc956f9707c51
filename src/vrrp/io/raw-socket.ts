/** Transport on npm's raw-socket. The IP header is ours (IP_HDRINCL), so source, TTL and TOS are what the router says. */
import { encodeIpv4, formatIpv4, parseIpv4 } from '../../net/ipv4.js';
import { vrrpProtocol, vrrpTos } from '../packet.js';
import type { TransportFactory, TransportOptions, VrrpTransport } from './transport.js';

/** The part of raw-socket 1.8.1 that is used here. */
interface RawSocket {
  readonly setOption: (
    level: number,
    option: number,
    value: Buffer | number,
    length?: number,
  ) => void;
  readonly on: {
    (event: 'message', listener: (packet: Buffer) => void): void;
    (event: 'error', listener: (error: Error) => void): void;
  };
  readonly close: () => void;
  readonly wrap: {
    readonly send: (
      packet: Buffer,
      offset: number,
      length: number,
      destination: string,
      done: () => void,
    ) => void;
  };
}

interface RawSocketModule {
  readonly createSocket: (o: {
    readonly addressFamily: number;
    readonly protocol: number;
    readonly bufferSize: number;
  }) => RawSocket;
  readonly AddressFamily: { readonly IPv4: number };
}

// Linux's numbers, which raw-socket's own tables lack.
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;

/** A burst of adverts from 255 virtual routers has to fit. */
const receiveBuffer = 1 << 20;

/** struct ip_mreqn: group, local address (any), interface index. */
function mreqn(group: string, index: number): Buffer {
  const out = Buffer.alloc(12);
  out.writeUInt32BE(parseIpv4(group) ?? 0, 0);
  out.writeInt32LE(index, 8);
  return out;
}

/** Past the system's limit where that is allowed; root of a mere user namespace has to keep to the limit. */
function enlargeBuffer(socket: RawSocket): void {
  try {
    socket.setOption(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer);
  } catch {
    socket.setOption(SOL_SOCKET, SO_RCVBUF, receiveBuffer);
  }
}

function configure(socket: RawSocket, o: TransportOptions): void {
  const device = Buffer.from(`${o.interface}\0`);
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  enlargeBuffer(socket);
  socket.setOption(IPPROTO_IP, IP_HDRINCL, 1);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, 0);
  const out = mreqn('0.0.0.0', o.interfaceIndex);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, out, out.length);
  for (const group of o.groups) {
    const join = mreqn(group, o.interfaceIndex);
    socket.setOption(IPPROTO_IP, IP_ADD_MEMBERSHIP, join, join.length);
  }
}

const done = (): void => {};

function open(module: RawSocketModule, o: TransportOptions): VrrpTransport {
  const socket = module.createSocket({
    addressFamily: module.AddressFamily.IPv4,
    protocol: vrrpProtocol,
    bufferSize: 2048,
  });
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    socket.close();
  };
  socket.on('error', (error) => {
    if (closed) return;
    close();
    o.onError(error.message);
  });
  // raw-socket reads every packet into one buffer, so what is kept must be a copy.
  socket.on('message', (packet) => {
    if (!closed) o.onPacket(new Uint8Array(packet));
  });
  try {
    configure(socket, o);
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    send: (d) => {
      // A closed raw-socket would silently open a new one.
      if (closed) throw new Error('the socket is closed');
      const packet = Buffer.from(encodeIpv4({ ...d, protocol: vrrpProtocol, tos: vrrpTos }));
      // The public send() waits for a poll round; an advert must leave now, the last one before the process ends too.
      socket.wrap.send(packet, 0, packet.length, formatIpv4(d.destination), done);
    },
  };
}

/** The factory, or why there is none. */
export async function rawSockets(): Promise<TransportFactory | string> {
  // An optional dependency without types: the name must not be resolved by the compiler.
  const name: string = 'raw-socket';
  try {
    const loaded = (await import(name)) as { readonly default: RawSocketModule };
    return { name: 'raw-socket', open: (o) => open(loaded.default, o) };
  } catch (error) {
    return `raw-socket: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`;
  }
}
