/** Entry points of ipvsadm and dpip: finds the node's socket and connects the terminal. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { dpip } from './cli/dpip/run.js';
import { ipvsadm, type ToolContext } from './cli/ipvsadm/run.js';
import { endWithReader, print } from './cli/output.js';
import { UsageError } from './cli/usage.js';
import { version } from './kernel/io/version.js';
import { defaultRunDir, runDir } from './node/run-dir.js';

/** DPVS's tools find their daemon by DPVS_IPC_FILE; here it is a run-dir, or a socket in one. */
const fromIpcFile = (path: string): string => {
  try {
    return statSync(path).isDirectory() ? path : dirname(path);
  } catch {
    throw new UsageError(
      `DPVS_IPC_FILE=${path} does not exist; set it to the run-dir of a running node, or unset it and use --run-dir or KEELSON_RUN_DIR`,
    );
  }
};

const socketOf = (given: string | null): string => {
  const ipc = process.env['DPVS_IPC_FILE'] ?? '';
  const ours = process.env['KEELSON_RUN_DIR'] ?? '';
  const dir = given ?? (ours === '' && ipc !== '' ? fromIpcFile(ipc) : defaultRunDir);
  return runDir(resolve(dir)).apiSocket;
};

const input = async (): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

const context: ToolContext = {
  argv: process.argv.slice(2),
  version,
  socket: socketOf,
  print,
  complain: (text) => void process.stderr.write(text),
  input,
};

endWithReader();

export const run = async (tool: 'ipvsadm' | 'dpip'): Promise<void> => {
  process.exitCode = await (tool === 'ipvsadm' ? ipvsadm : dpip)(context);
};
