/** Networks of addresses of either family. */
import { parseIpv4 } from './ipv4.js';
import { parseIpv6 } from './ipv6.js';

export interface Prefix {
  readonly address: string;
  readonly prefixLength: number;
}

const bytesOf = (address: string): Uint8Array | null => {
  const four = parseIpv4(address);
  if (four === null) return parseIpv6(address);
  return Uint8Array.from([four >>> 24, (four >>> 16) & 255, (four >>> 8) & 255, four & 255]);
};

/** Whether an address is in the network of a prefix; false where the families differ. */
export const isIn = (address: string, p: Prefix): boolean => {
  const [a, b] = [bytesOf(address), bytesOf(p.address)];
  if (a === null || b === null || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const bits = Math.min(8, Math.max(0, p.prefixLength - i * 8));
    const mask = (0xff00 >> bits) & 0xff;
    if (((a[i] ?? 0) & mask) !== ((b[i] ?? 0) & mask)) return false;
  }
  return true;
};
