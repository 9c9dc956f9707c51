/**
 * A node without a data plane: forks the vrrp process and plays the controller, with the kernel holding the addresses.
 * Usage: node node.js CONFIGURATION.json [--no-addresses] [vrrp process's arguments]. Prints every message as a JSON line;
 * with --no-addresses nothing holds the virtual addresses, and that is acknowledged.
 * SIGHUP reads the file again.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FromVrrp, ToVrrp } from '../../../src/vrrp/legacy-messages.js';
import type { InstanceConfig, SyncGroupConfig } from '../../../src/vrrp/messages.js';
import { forkModule, spawnProgram } from '../programs/programs.js';

const [file = '', ...rest] = process.argv.slice(2);
const withoutAddresses = rest.includes('--no-addresses');
const vrrpArguments = rest.filter((a) => a !== '--no-addresses');
interface Configuration {
  readonly instances: readonly InstanceConfig[];
  readonly syncGroups: readonly SyncGroupConfig[];
}

const read = (): Configuration => JSON.parse(readFileSync(file, 'utf8')) as Configuration;
let current = read();
const entry = fileURLToPath(new URL('../../../src/vrrp/process.js', import.meta.url));
const child = forkModule(entry, vrrpArguments, { serialization: 'advanced' });

const send = (message: ToVrrp): void => {
  if (child.connected) child.send(message);
};

/** Of every instance ever configured: one that was removed gives up its addresses last. */
const devices = new Map<string, string>();
const deviceOf = (instance: string): string => devices.get(instance) ?? '';

/** One `ip` for all addresses. */
const address = (
  verb: 'replace' | 'del',
  m: { readonly instance: string; readonly addresses: readonly string[] },
  done: () => void,
): void => {
  if (withoutAddresses) {
    done();
    return;
  }
  const lines = m.addresses.map((a) => `addr ${verb} ${a}/32 dev ${deviceOf(m.instance)}\n`);
  const ip = spawnProgram(['ip', '-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
  ip.once('close', done);
  ip.stdin?.end(lines.join(''));
};

const configure = (): void => {
  for (const i of current.instances) devices.set(i.name, i.interface);
  send({ type: 'configure', ...current });
  for (const { name } of current.instances)
    send({ type: 'serviceable', instance: name, ok: true, reason: 'the kernel serves' });
};

let generation = 0;
child.on('message', (m: FromVrrp) => {
  process.stdout.write(`${JSON.stringify({ ...m, at: Date.now() })}\n`);
  if (m.type === 'ready') configure();
  if (m.type === 'takeVips')
    address('replace', m, () => {
      generation += 1;
      send({ type: 'vipsTaken', instance: m.instance, generation });
    });
  if (m.type === 'releaseVips')
    address('del', m, () => send({ type: 'vipsReleased', instance: m.instance }));
});
child.on('exit', (code) => process.exit(code ?? 1));
process.on('SIGHUP', () => {
  current = read();
  configure();
});
process.on('SIGTERM', () => send({ type: 'shutdown' }));
