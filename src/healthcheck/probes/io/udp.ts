/** UDP_CHECK: an ICMP refusal is a failure; silence is good unless a reply is required. */
import { isIPv6 } from 'node:net';
import { DgramAsPromised, type SocketAsPromised, TimeoutError } from 'dgram-as-promised';
import type { ProbeResult, UdpProbe } from '../../types.js';
import { judgeReply, udpPayload } from '../../udp.js';
import { resultOfError, success, timedOut } from './faults.js';

/** Connected, so that the kernel hands ICMP errors to this socket and drops what others send. */
const connected = (s: SocketAsPromised, p: UdpProbe): Promise<void> =>
  new Promise((resolve, reject) => {
    s.socket.once('error', reject);
    s.socket.connect(p.endpoint.port, p.endpoint.address, () => {
      s.socket.off('error', reject);
      resolve();
    });
  });

async function ask(s: SocketAsPromised, p: UdpProbe): Promise<ProbeResult> {
  const { bindAddress, bindPort } = p.endpoint;
  if (bindAddress !== null || bindPort !== null)
    await s.bind(bindPort ?? 0, bindAddress ?? undefined);
  await connected(s, p);
  const reply = s.setTimeout(p.timeoutMs).recv();
  s.socket.send(udpPayload(p));
  const packet = await reply;
  if (packet === undefined) return { type: 'inconclusive', errno: 'ECANCELED' };
  const failure = judgeReply(p, packet.msg);
  return failure === null ? success : { type: 'failed', failure, where: '' };
}

export async function probeUdp(p: UdpProbe, signal: AbortSignal): Promise<ProbeResult> {
  const socket = DgramAsPromised.createSocket({
    type: isIPv6(p.endpoint.address) ? 'udp6' : 'udp4',
    signal,
  });
  try {
    return await ask(socket, p);
  } catch (e) {
    if (!(e instanceof TimeoutError)) return resultOfError(e, '');
    return p.requireReply === null ? success : timedOut(p.timeoutMs, '');
  } finally {
    // An abort has closed it already.
    await socket.close().catch(() => undefined);
  }
}
