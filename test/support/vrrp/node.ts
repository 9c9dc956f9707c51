/**
 * A node without a data plane: the vrrp process with a fake one, and a controller for it. Usage:
 * node node.js CONFIGURATION.json [--no-addresses]. Prints every message and log line
 * as a JSON line. SIGHUP reads the file again; SIGUSR2 is the orderly stop; SIGTERM ends the process
 * without a yield, as a restart does.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { connectLink } from '../../../src/kernel/io/link.js';
import type { FromProcess, Hello, Role, ToProcess } from '../../../src/kernel/process.js';
import { routerId } from '../../../src/vrrp/identity.js';
import { runVrrp } from '../../../src/vrrp/io/process.js';
import type {
  FromVrrp,
  InstanceConfig,
  SyncGroupConfig,
  ToVrrp,
} from '../../../src/vrrp/messages.js';
import { fakeDataplane } from './fake-dataplane.js';

interface Configuration {
  readonly instances: readonly InstanceConfig[];
  readonly syncGroups: readonly SyncGroupConfig[];
}

const [file = '', ...rest] = process.argv.slice(2);
const base = file.replace(/\.json$/, '');
const socketPath = `${base}.sock`;
let revision = 0;

const print = (m: object): void => {
  process.stdout.write(`${JSON.stringify({ ...m, at: Date.now() })}\n`);
};
const hello = (role: Role): Hello => ({ type: 'hello', role, pid: process.pid, protocol: 1 });

/** The addresses live on the interface that carries the adverts. */
const read = (): Configuration => {
  const found = JSON.parse(readFileSync(file, 'utf8')) as Configuration;
  const instances = found.instances.map((i) => ({
    ...i,
    vips: [...i.addresses, ...i.excludedAddresses].map((address) => ({
      device: i.interface,
      address,
    })),
  }));
  return { ...found, instances };
};

const configure = (send: (m: ToVrrp) => boolean): void => {
  const { instances, syncGroups } = read();
  revision += 1;
  send({ type: 'configure', revision, instances, syncGroups });
  send({
    type: 'serviceable',
    bootId: '1',
    whole: true,
    instances: instances.map((i) => ({ id: routerId(i), ok: true, reason: 'the kernel serves' })),
  });
};

await runVrrp(
  {
    runDir: path.dirname(file),
    stateFile: `${base}-state.json`,
    journalFile: `${base}-journal.jsonl`,
    socketPath,
    log: { level: 'info', format: 'json', file: null },
  },
  fakeDataplane({
    file: `${base}-leases.json`,
    withAddresses: !rest.includes('--no-addresses'),
    onGarp: (address, repeat) => print({ type: 'garp', address, repeat }),
  }),
);

const controller = connectLink<FromVrrp | FromProcess, ToVrrp | Hello>({
  path: socketPath,
  onOpen: (link) => {
    link.send(hello('controller'));
    configure(link.send);
  },
  onMessage: (m) => {
    if (m.type !== 'heartbeat') print(m);
  },
  onClose: () => undefined,
});
const supervisor = connectLink<FromProcess, ToProcess | Hello>({
  path: socketPath,
  onOpen: (link) => void link.send(hello('supervisor')),
  onMessage: () => undefined,
  onClose: () => undefined,
});
process.on('SIGHUP', () => configure(controller.send));
process.on('SIGUSR2', () => void supervisor.send({ type: 'stop' }));
