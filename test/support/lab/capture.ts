/** What went over a switch, and what tshark thinks of it. */
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Lab } from './lab.js';
import { type Program, run, until } from './programs.js';

export interface Verdict {
  readonly packets: number;
  /** Packets tshark calls malformed or whose checksum is wrong: its summary of each. */
  readonly complaints: readonly string[];
}

export interface Capture {
  readonly file: string;
  readonly stop: () => Promise<void>;
  /** After `stop`. */
  readonly judge: () => Verdict;
  /** Rows of tshark fields for what a display filter lets through. After `stop`. */
  readonly fields: (filter: string, ...names: readonly string[]) => readonly (readonly string[])[];
}

const protocols = ['ip', 'tcp', 'udp', 'icmp', 'igmp', 'vrrp', 'sctp'] as const;

/**
 * Status 0 is a wrong checksum; expert severity error stands above what is merely unusual, such as a retransmission. A
 * TCP checksum of 0xffff is the same number as 0 and Linux writes it so (RFC 1624 §3 would have 0); tshark objects.
 */
const complaint = `!(tcp.checksum == 0xffff) && (${[
  '_ws.malformed',
  '_ws.expert.severity >= error',
  ...protocols.map((p) => `${p}.checksum.status == 0`),
].join(' || ')})`;

const verify = [
  ...['ip', 'tcp', 'udp'].flatMap((p) => ['-o', `${p}.check_checksum:TRUE`]),
  ...['-o', 'sctp.checksum:crc-32c'],
];

const rows = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

let captures = 0;

export async function capture(lab: Lab, on: string): Promise<Capture> {
  const file = path.join(lab.directory, `${on}-${++captures}.pcap`);
  const argv = ['dumpcap', '-q', '-P', '-B', '32', '-i', 'br0', '-w', file];
  const program: Program = lab.start(on, `capture on ${on}`, argv);
  await until(
    `the capture on ${on} to begin`,
    () => program.output().includes('File:') || !program.isRunning(),
    10_000,
  );
  if (!program.isRunning()) throw new Error(`dumpcap on ${on}: ${program.output().trim()}`);
  const tshark = (...more: readonly string[]): string =>
    run('tshark', '-n', '-r', file, ...verify, ...more);
  return {
    file,
    stop: async () => {
      // The kernel hands packets over by the block, half a second after the first at the latest.
      await pause(700);
      await program.end('SIGINT');
    },
    judge: () => ({
      packets: Number(/Packets captured: (\d+)/.exec(program.output())?.[1] ?? 0),
      complaints: rows(tshark('-Y', complaint)),
    }),
    fields: (filter, ...names) =>
      rows(tshark('-Y', filter, '-T', 'fields', ...names.flatMap((n) => ['-e', n]))).map((line) =>
        line.split('\t'),
      ),
  };
}
