/** What a UDP_CHECK sends, and which reply it accepts; silence is judged by the probe. */
import type { ProbeFailure, UdpProbe } from './types.js';

/** Sent when the configuration names no payload. */
const defaultPayload = 'Keelson health check';

function fromHex(hex: string): Uint8Array {
  const digits = hex.replace(/[^0-9a-f]/gi, '');
  const out = new Uint8Array(digits.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export const udpPayload = (p: UdpProbe): Uint8Array =>
  p.payload === null ? new TextEncoder().encode(defaultPayload) : fromHex(p.payload);

const hexOf = (b: Uint8Array): string =>
  [...b].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Every digit of the mask fits itself, `x` fits all; a reply may be longer than the mask. */
function fitsMask(mask: string, reply: Uint8Array): boolean {
  const digits = [...mask.toLowerCase().replace(/[^0-9a-fx]/g, '')];
  const found = hexOf(reply.subarray(0, Math.ceil(digits.length / 2)));
  return digits.every((d, i) => (d === 'x' ? i < found.length : d === found[i]));
}

/** null: the reply is good. Lengths bind only where a reply is required. */
export function judgeReply(p: UdpProbe, reply: Uint8Array): ProbeFailure | null {
  if (p.requireReply === null) return null;
  if (reply.length < p.minReplyLength || reply.length > p.maxReplyLength)
    return { type: 'protocol', what: `a reply of ${reply.length} bytes` };
  return fitsMask(p.requireReply, reply) ? null : { type: 'reply' };
}
