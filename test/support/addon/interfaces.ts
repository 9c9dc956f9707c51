/** Changes interfaces, addresses and routes of the network namespace it runs in, and prints as JSON lines what it saw. */
import { readFileSync } from 'node:fs';
import { type Addon, loadAddon } from '../../../src/kernel/io/addon.js';
import { outputOf } from '../programs/programs.js';

const loaded = loadAddon();
if (typeof loaded === 'string') throw new Error(loaded);
const addon: Addon = loaded;

const tell = (what: string, value: unknown): void =>
  void process.stdout.write(`${JSON.stringify([what, value])}\n`);

const codeOf = (run: () => void): string => {
  try {
    run();
    return 'ok';
  } catch (e) {
    return String((e as NodeJS.ErrnoException).code);
  }
};
const ip = (...args: readonly string[]): string =>
  outputOf(['ip', ...args])
    .toString()
    .trim()
    .replace(/\s+/g, ' ');

const seen: string[] = [];
const monitor = addon.netlinkMonitor(
  (c) => {
    const running = 'running' in c && c.running ? ' running' : '';
    seen.push(
      'name' in c ? `${c.type} ${c.name}${running}` : `${c.type} ${c.address}/${c.prefixLength}`,
    );
  },
  (code) => seen.push(`closed ${code}`),
);
const pause = (): Promise<void> => new Promise((r) => setTimeout(r, 100));

const address = { device: 'lo', address: '192.0.2.1', prefixLength: 32 };
const route = {
  device: 'lo',
  destination: '198.51.100.0',
  prefixLength: 24,
  gateway: null,
  source: '192.0.2.1',
  metric: 5,
};

const isUp = (name: string): boolean | undefined =>
  addon.linkDump().find((l) => l.name === name)?.up;

if (process.argv[2] === 'plain') {
  tell(
    'address as a plain user',
    codeOf(() => addon.addressAdd(address)),
  );
  tell(
    'link as a plain user',
    codeOf(() => addon.linkSetUp('lo')),
  );
  tell(
    'raw socket as a plain user',
    codeOf(() =>
      addon.rawSocketOpen({
        protocol: 112,
        device: 'lo',
        mcastGroup: null,
        source: null,
        ttl: 255,
        tos: 0,
      }),
    ),
  );
  monitor.close();
} else {
  tell('lo before', isUp('lo'));
  addon.linkSetUp('lo');
  tell('lo after', isUp('lo'));
  tell('address', [
    codeOf(() => addon.addressAdd(address)),
    codeOf(() => addon.addressAdd(address)),
  ]);
  tell(
    'addresses',
    addon
      .addressDump()
      .filter((a) => a.family === 4)
      .map((a) => `${a.address}/${a.prefixLength}`),
  );
  tell('route', [codeOf(() => addon.routeAdd(route)), codeOf(() => addon.routeAdd(route))]);
  tell('routes', ip('-4', 'route', 'show', '198.51.100.0/24'));
  tell('route gone', [codeOf(() => addon.routeDel(route)), codeOf(() => addon.routeDel(route))]);
  tell('address gone', [
    codeOf(() => addon.addressDel(address)),
    codeOf(() => addon.addressDel(address)),
  ]);
  tell('nonsense', [
    codeOf(() => addon.addressAdd({ ...address, prefixLength: 33 })),
    codeOf(() => addon.addressAdd({ ...address, address: '192.0.2' })),
    codeOf(() => addon.routeAdd({ ...route, destination: 'default' })),
  ]);
  ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
  const v0 = addon.linkDump().find((l) => l.name === 'v0');
  tell('mac', v0?.mac === readFileSync('/sys/class/net/v0/address', 'utf8').trim());
  addon.linkSetUp('v0');
  addon.linkSetUp('v1');
  await pause();
  ip('link', 'del', 'v0');
  await pause();
  tell('seen', seen);
  monitor.close();
}
