/** The real keelson-dataplane on a port that nothing comes from, for tests of the control socket. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { spawnProgram } from '../programs/programs.js';

export interface DataplaneProcess {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

const program = join(process.cwd(), 'build/native/dpdk/keelson-dataplane');

/** Two workers and port dpdk0, without huge pages and without a kernel interface. */
export const startDataplane = (socketPath: string): DataplaneProcess => {
  const args = [
    ...['--socket', socketPath, '--huge', 'no', '--pool-size', '2048', '--max-sessions', '4096'],
    ...['--port', 'dpdk0', '--devargs', 'net_ring0', '--no-kni'],
    ...['--worker', 'w0', '--lcore', '1', '--worker', 'w1', '--lcore', '2'],
    // Both workers may share what CPUs there are.
    ...['--', '--lcores', '(0-2)@(0,1)'],
  ];
  const child = spawnProgram([program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const hear = (d: Buffer): void => {
    output += d.toString();
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  return {
    child,
    output: () => output,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
};
