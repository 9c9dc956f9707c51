/** Debian's keepalived as a peer on a host. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Lab } from './lab.js';
import type { Program } from './programs.js';

export function startKeepalived(lab: Lab, host: string, config: string): Program {
  const at = (name: string): string => path.join(lab.directory, `${host}-${name}`);
  writeFileSync(at('keepalived.conf'), config);
  // One that was killed leaves its files behind, and a new one would believe them.
  for (const pid of ['main.pid', 'vrrp.pid', 'checkers.pid']) rmSync(at(pid), { force: true });
  const files = ['-f', at('keepalived.conf'), '-p', at('main.pid')];
  const pids = ['-r', at('vrrp.pid'), '-c', at('checkers.pid')];
  return lab.start(host, `keepalived ${host}`, ['keepalived', '-n', '-l', '-D', ...files, ...pids]);
}
