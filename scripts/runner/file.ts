/**
 * Runs one integration file inside its own sandbox (see integration.ts) and prints ava's TAP. What the file leaves
 * behind is one failure more for each piece; the end of the sandbox takes it away.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { settledLeftovers, traces } from './leftovers.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const [file = ''] = process.argv.slice(2);
const ava = path.join(root, 'node_modules/ava/entrypoints/cli.mjs');

const before = traces();
const child = spawn(process.execPath, [ava, '--config', 'integration.config.js', '--tap', file], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
const code = await new Promise<number>((resolve) => child.once('close', (c) => resolve(c ?? 1)));
// Huge pages are the machine's; another file may be using them at the same time.
for (const left of await settledLeftovers(before, () => ({
  ...traces(),
  hugePages: before.hugePages,
})))
  process.stdout.write(`not ok - ${file} left behind: ${left}\n`);
process.exit(code);
