/** UDP_CHECK: an ICMP refusal is a failure; silence is good unless a reply is required. */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { after } from '../../../kernel/machine.js';
import type { ProbeResult, UdpProbe } from '../../types.js';
import { judgeReply, udpPayload } from '../../udp.js';
import type { RunProbe } from '../run.js';
import { resultOfError, success, timedOut } from './faults.js';

export const probeUdp: RunProbe<UdpProbe> = (p, { clock }, ended) => {
  const { address, port, bindAddress, bindPort } = p.endpoint;
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let settled = false;
  const close = (): void => {
    settled = true;
    disarm();
    socket.close();
  };
  const settle = (r: ProbeResult): void => {
    if (settled) return;
    close();
    ended(r);
  };
  const disarm = clock.wakeAt(after(clock.now(), p.timeoutMs), () =>
    settle(p.requireReply === null ? success : timedOut(p.timeoutMs, '')),
  );
  const fail = (e: unknown): void => settle(resultOfError(e, ''));
  // Connected, so that the kernel hands ICMP errors to this socket and drops what others send.
  const talk = (): void => {
    if (!settled) socket.connect(port, address, () => settled || socket.send(udpPayload(p)));
  };
  socket.on('error', fail);
  socket.on('message', (reply) => {
    const failure = judgeReply(p, reply);
    settle(failure === null ? success : { type: 'failed', failure, where: '' });
  });
  if (bindAddress === null && bindPort === null) talk();
  else
    socket.bind(
      { port: bindPort ?? 0, ...(bindAddress === null ? {} : { address: bindAddress }) },
      talk,
    );
  return () => {
    if (!settled) close();
  };
};
