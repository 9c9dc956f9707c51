/** Real servers: an nginx a host. Each answers with its own name and the token of the request. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Lab } from './lab.js';
import { type Program, until } from './programs.js';

export interface RealServer {
  readonly host: string;
  readonly address: string;
  readonly start: () => Promise<void>;
  /** SIGKILL: the port refuses from now on. */
  readonly kill: () => Promise<void>;
}

/** One process and one user: in a user namespace there is no other to become. It dies as a whole. */
const configuration = (dir: string, name: string, port: number): string => `user root;
daemon off;
master_process off;
pid ${dir}/pid;
error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  default_type text/plain;
  keepalive_timeout 0;
  server {
    listen ${port} backlog=4096;
    listen [::]:${port} ipv6only=on backlog=4096;
    location = /health { return 200 "healthy\\n"; }
    location / { return 200 "${name} $arg_token\\n"; }
  }
}
`;

export function realServer(lab: Lab, host: string, address: string, port = 80): RealServer {
  const dir = path.join(lab.directory, host);
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, 'nginx.conf');
  writeFileSync(file, configuration(dir, host, port));
  let running: Program | null = null;
  const listens = (): boolean =>
    lab.exec(host, 'ss', '-Hltn', `sport = :${port}`).includes('LISTEN');
  return {
    host,
    address,
    start: async () => {
      const program = lab.start(host, `nginx ${host}`, ['nginx', '-p', dir, '-c', file]);
      running = program;
      await until('it to listen', () => !program.isRunning() || listens(), 5000).catch(() => false);
      if (!listens()) throw new Error(`nginx on ${host} does not listen: ${program.output()}`);
    },
    kill: async () => {
      await running?.end('SIGKILL');
      running = null;
    },
  };
}
