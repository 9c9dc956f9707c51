/**
 * Two namespaces joined by a veth pair: the health checks run in one, nginx and nftables in the other. Everything is
 * named after this process and taken away by `close`, also when something failed on the way.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  FromHealthcheck,
  RealServerLevel,
  ToHealthcheck,
} from '../../../src/healthcheck/messages.js';
import { connectLink, type LinkEnd } from '../../../src/kernel/io/link.js';
import {
  type FromProcess,
  type Hello,
  protocolVersion,
  type Role,
  type ToProcess,
} from '../../../src/kernel/process.js';
import { run, until } from '../../support/lab/programs.js';
import { spawnProgram } from '../../support/programs/programs.js';

export const checkerAddress = '10.213.0.1';
export const serverAddress = '10.213.0.2';
export const httpPort = 8080;
export const httpsPort = 8443;

export interface Lab {
  readonly startNginx: () => Promise<void>;
  readonly stopNginx: () => Promise<void>;
  /** Applies a rule set in the server's namespace; '' clears it. */
  readonly filter: (rules: string) => void;
  readonly startHealthcheck: () => Healthcheck;
  readonly close: () => void;
}

export interface Healthcheck {
  readonly send: (m: ToHealthcheck) => void;
  /** The first message, old or new, that fits and was not given out before. */
  readonly heard: <M extends Heard>(fits: (m: Heard) => m is M, withinMs: number) => Promise<M>;
  /** Another client of it. */
  readonly connect: (role: Role) => HealthcheckLink;
  /** The controller is replaced: what was heard before is forgotten. */
  readonly reconnect: () => void;
  readonly close: () => void;
  readonly exit: Promise<number | null>;
  readonly process: ChildProcess;
  readonly socketPath: string;
}

export type HealthcheckLink = LinkEnd<ToHealthcheck | ToProcess | Hello>;

const nginxConf = (dir: string): string => `
user root;
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events { worker_connections 256; }
http {
  access_log ${dir}/access.log;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  default_type text/plain;
  server {
    listen ${serverAddress}:${httpPort};
    listen ${serverAddress}:${httpsPort} ssl;
    ssl_certificate ${dir}/cert.pem;
    ssl_certificate_key ${dir}/key.pem;
    keepalive_timeout 60;
    location = /health { return 200 "healthy\\n"; }
    location = /broken { return 503 "broken\\n"; }
    location = /moved { return 302 /health; }
    location = /host { return 200 "host=$host sni=$ssl_server_name\\n"; }
  }
}
`;

/** Probes the port from the checker's side until it answers, as a start of nginx takes a moment. */
async function answers(ns: string, port: number): Promise<void> {
  const answersNow = (): boolean => {
    try {
      run(
        'ip',
        'netns',
        'exec',
        ns,
        'timeout',
        '1',
        'bash',
        '-c',
        `exec 3<>/dev/tcp/${serverAddress}/${port}`,
      );
      return true;
    } catch {
      return false;
    }
  };
  await until(`nginx to answer on port ${port}`, answersNow, 10_000);
}

const entry = fileURLToPath(new URL('../../../src/healthcheck/process.js', import.meta.url));

/** As it comes, but a real server's level is a message of its own. */
export type Heard = FromHealthcheck | FromProcess | ServerNews;
export interface ServerNews extends RealServerLevel {
  readonly type: 'server';
}
type Message = FromHealthcheck | FromProcess;

function startHealthcheck(ns: string, dir: string): Healthcheck {
  const socketPath = `${dir}/link.sock`;
  const options = { runDir: dir, socketPath, log: { level: 'warn', format: 'text', file: null } };
  const child = spawnProgram(['ip', 'netns', 'exec', ns, process.execPath, entry], {
    stdio: 'inherit',
    env: { ...process.env, KEELSON_PROCESS: JSON.stringify(options) },
  });
  const inbox: Heard[] = [];
  const waiting = new Set<() => void>();
  const exit = new Promise<number | null>((resolve) =>
    child.once('exit', (code: number | null) => resolve(code)),
  );
  const connect = (role: Role): HealthcheckLink => {
    const link = connectLink<Message, ToHealthcheck | ToProcess | Hello>({
      path: socketPath,
      onOpen: (l) =>
        void l.send({ type: 'hello', role, pid: process.pid, protocol: protocolVersion }),
      onMessage: (m) => {
        if (role === 'controller') inbox.push(m);
        if (m.type === 'states')
          inbox.push(...m.realServers.map((r): ServerNews => ({ type: 'server', ...r })));
        for (const look of [...waiting]) look();
      },
      onClose: () => undefined,
    });
    return link;
  };
  let link = connect('controller');
  const heard: Healthcheck['heard'] = <M extends Heard>(
    fits: (m: Heard) => m is M,
    withinMs: number,
  ): Promise<M> =>
    new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(look);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`not heard within ${withinMs} ms; inbox: ${JSON.stringify(inbox)}`));
      }, withinMs);
      const look = (): void => {
        const at = inbox.findIndex(fits);
        const [m] = at < 0 ? [] : inbox.splice(at, 1);
        if (m === undefined || !fits(m)) return;
        done();
        resolve(m);
      };
      waiting.add(look);
      look();
    });
  return {
    send: (m) => void link.send(m),
    heard,
    connect,
    reconnect: () => {
      link.close();
      inbox.length = 0;
      link = connect('controller');
    },
    close: () => link.close(),
    exit,
    process: child,
    socketPath,
  };
}

/** A certificate nobody vouches for: SSL_GET does not ask who the server is. */
const makeCertificate = (dir: string): string =>
  run(
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=lab.invalid'],
    ...['-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`],
  );

function makeNamespaces(checkerNs: string, serverNs: string): void {
  const inNs = (ns: string, ...args: string[]): string => run('ip', '-n', ns, ...args);
  run('ip', 'netns', 'add', checkerNs);
  run('ip', 'netns', 'add', serverNs);
  inNs(checkerNs, 'link', 'add', 'c0', 'type', 'veth', 'peer', 'name', 's0', 'netns', serverNs);
  for (const [ns, dev, address] of [
    [checkerNs, 'c0', checkerAddress],
    [serverNs, 's0', serverAddress],
  ] as const) {
    inNs(ns, 'address', 'add', `${address}/24`, 'dev', dev);
    inNs(ns, 'link', 'set', dev, 'up');
    inNs(ns, 'link', 'set', 'lo', 'up');
  }
}

export function openLab(): Lab {
  const checkerNs = `hc-${process.pid}-checker`;
  const serverNs = `hc-${process.pid}-server`;
  const dir = mkdtempSync(join(tmpdir(), 'keelson-hc-'));
  const children: ChildProcess[] = [];
  let nginx: ChildProcess | null = null;

  const close = (): void => {
    for (const c of children) c.kill('SIGKILL');
    for (const ns of [checkerNs, serverNs]) {
      try {
        run('ip', 'netns', 'delete', ns);
      } catch {
        // It was never made.
      }
    }
    rmSync(dir, { recursive: true, force: true });
  };

  const startNginx = async (): Promise<void> => {
    nginx = spawnProgram(
      ['ip', 'netns', 'exec', serverNs, 'nginx', '-p', dir, '-c', `${dir}/nginx.conf`],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    children.push(nginx);
    await answers(checkerNs, httpPort);
  };

  const stopNginx = async (): Promise<void> => {
    const was = nginx;
    nginx = null;
    if (was === null) return;
    const gone = new Promise((resolve) => was.once('exit', resolve));
    // The master ends its workers on TERM; on KILL they would stay.
    was.kill('SIGTERM');
    await gone;
  };

  const filter = (rules: string): void => {
    const file = `${dir}/rules.nft`;
    const lines = ['flush ruleset', 'table inet lab {', 'chain in {'];
    lines.push('type filter hook input priority 0', rules, '}', '}', '');
    writeFileSync(file, lines.join('\n'));
    run('ip', 'netns', 'exec', serverNs, 'nft', '-f', file);
  };

  try {
    makeNamespaces(checkerNs, serverNs);
    makeCertificate(dir);
    writeFileSync(`${dir}/nginx.conf`, nginxConf(dir));
  } catch (e) {
    close();
    throw e;
  }
  return {
    startNginx,
    stopNginx,
    filter,
    startHealthcheck: () => {
      const own = mkdtempSync(join(dir, 'run-'));
      const h = startHealthcheck(checkerNs, own);
      children.push(h.process);
      return h;
    },
    close,
  };
}
