/** Where a NIC with receive-side scaling delivers a packet, bit by bit as Microsoft describes it. */
import { ipBytes, type Segment } from './frames.js';

export const toeplitz = (key: Uint8Array, input: Uint8Array): number => {
  const bit = (i: number): number => ((key[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
  let hash = 0;
  for (let i = 0; i < input.length * 8; i++) {
    if ((((input[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) === 0) continue;
    let window = 0;
    for (let k = 0; k < 32; k++) window = ((window << 1) | bit(i + k)) >>> 0;
    hash = (hash ^ window) >>> 0;
  }
  return hash;
};

/** The worker, where 128 entries are dealt out to the workers in turn. */
export const delivered = (key: Uint8Array, workers: number, s: Segment): number => {
  const ports = [s.sport >> 8, s.sport & 255, s.dport >> 8, s.dport & 255];
  const input = Uint8Array.from([...ipBytes(s.src), ...ipBytes(s.dst), ...ports]);
  return (toeplitz(key, input) % 128) % workers;
};
