/** The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. */

/** Adds `b` to a running sum; every part but the last must have an even length. */
export function addWords(b: Uint8Array, sum = 0): number {
  let total = sum;
  const even = b.length & ~1;
  for (let i = 0; i < even; i += 2) total += ((b[i] ?? 0) << 8) | (b[i + 1] ?? 0);
  if (even < b.length) total += (b[even] ?? 0) << 8;
  return total;
}

/** Folds the carries; works for sums up to 2^48. */
export function fold(sum: number): number {
  let s = sum;
  while (s > 0xffff) s = (s % 0x10000) + Math.floor(s / 0x10000);
  return s;
}

export const checksum = (b: Uint8Array, sum = 0): number => ~fold(addWords(b, sum)) & 0xffff;

/** Sum of the IPv4 pseudo-header (RFC 9293 §3.1): source, destination, zero, protocol, length. */
export const pseudoHeaderSum = (
  source: number,
  destination: number,
  protocol: number,
  length: number,
): number =>
  (source >>> 16) +
  (source & 0xffff) +
  (destination >>> 16) +
  (destination & 0xffff) +
  protocol +
  length;
