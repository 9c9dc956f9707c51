/** Facts about the machine this process runs on, for the checks of the configuration. */
import { readFileSync } from 'node:fs';
import { cpus, networkInterfaces } from 'node:os';
import type { Machine, MachineInterface } from '../config/machine.js';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** `0-3,6` as the kernel writes it; null: not well formed. */
export const cpuList = (text: string): readonly number[] | null => {
  const out: number[] = [];
  for (const part of text.trim().split(',')) {
    const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (m === null) return null;
    for (let cpu = Number(m[1]); cpu <= Number(m[2] ?? m[1]); cpu++) out.push(cpu);
  }
  return out;
};

/** Names in /proc/net/dev, which shows the network namespace of this process. */
export const interfaceNames = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? []);

export const readMachine = (): Machine => {
  const addresses = new Map<string, MachineInterface['addresses'][number][]>(
    interfaceNames(textOf('/proc/net/dev')).map((name) => [name, []]),
  );
  for (const [name, list] of Object.entries(networkInterfaces())) {
    const here = addresses.get(name) ?? [];
    for (const a of list ?? []) {
      const length = Number(a.cidr?.split('/')[1] ?? (a.family === 'IPv6' ? 128 : 32));
      here.push({ address: a.address, prefixLength: length });
    }
    addresses.set(name, here);
  }
  return {
    cpus: cpuList(textOf('/sys/devices/system/cpu/online')) ?? [...cpus().keys()],
    interfaces: [...addresses].map(([name, list]) => ({ name, addresses: list })),
  };
};
