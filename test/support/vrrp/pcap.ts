/** Reads the classic pcap files of test/vectors: the IPv4 packets in their Ethernet frames. */
import { readFileSync } from 'node:fs';

const fileHeader = 24;
const recordHeader = 16;
const ethernetHeader = 14;

export function ipv4Packets(file: string): readonly Uint8Array[] {
  const all = readFileSync(file);
  const packets: Uint8Array[] = [];
  let at = fileHeader;
  while (at + recordHeader <= all.length) {
    const length = all.readUInt32LE(at + 8);
    const start = at + recordHeader;
    packets.push(new Uint8Array(all.subarray(start + ethernetHeader, start + length)));
    at = start + length;
  }
  return packets;
}
