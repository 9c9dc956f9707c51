/** The program `keelson`: the composition root. Commands are declared here and implemented elsewhere. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { drops, reload, sessions, status } from './cli/commands.js';
import { endWithReader, print } from './cli/output.js';
import { screenOf } from './cli/terminal.js';
import { version } from './kernel/io/version.js';
import { check } from './node/check.js';
import { replayFile } from './node/replay.js';
import { defaultConfDir, defaultRunDir, runDir } from './node/run-dir.js';
import { start } from './node/start.js';
import { stop, upgrade } from './node/stop.js';

const built = fileURLToPath(new URL('../../build/native/dpdk/keelson-dataplane', import.meta.url));

const finish = (code: Promise<number> | number): void => {
  void Promise.resolve(code).then((c) => {
    process.exitCode = c;
    // Loggers and sockets of a finished command must not keep the process alive.
    setImmediate(() => process.exit(c));
  });
};

/** The command line is wrong: exit code 2, nothing was asked of the node. */
const wrong = (message: string): never => {
  process.stderr.write(`keelson: ${message}; see keelson --help\n`);
  process.exit(2);
};

const asking = <T>(y: import('yargs').Argv<T>) =>
  y
    .option('run-dir', { type: 'string', default: defaultRunDir, describe: 'where the node runs' })
    .option('json', { type: 'boolean', default: false, describe: 'print JSON' });

const ask = (a: { 'run-dir': string; json: boolean }) => {
  endWithReader();
  return {
    apiSocket: runDir(resolve(a['run-dir'])).apiSocket,
    json: a.json,
    print,
    screen: () => screenOf(process.stdout, process.env),
  };
};

const cli = yargs(hideBin(process.argv))
  .scriptName('keelson')
  .version(version)
  .usage('$0 COMMAND: an HA layer-4 load balancer')
  .command(
    'start',
    'run a node in the foreground; SIGHUP reloads, SIGTERM yields and stops',
    (y) =>
      y
        .option('conf-dir', {
          type: 'string',
          default: defaultConfDir,
          describe: 'where keepalived.conf and dpvs.conf are',
        })
        .option('keepalived', { type: 'string', describe: 'keepalived.conf elsewhere' })
        .option('dpvs', { type: 'string', describe: 'dpvs.conf elsewhere' })
        .option('run-dir', {
          type: 'string',
          default: defaultRunDir,
          describe: 'sockets, pid, journal',
        })
        .option('log-file', { type: 'string', describe: 'append to a file instead of stdout' })
        .option('log-level', {
          choices: ['trace', 'debug', 'info', 'warn', 'error'] as const,
          default: 'info' as const,
        })
        .option('log-format', {
          choices: ['json', 'text'] as const,
          describe: 'text on a terminal',
        })
        .option('dataplane', {
          type: 'string',
          default: built,
          describe: 'program of the data plane',
        }),
    (a) =>
      finish(
        start({
          keepalivedPath: resolve(a.keepalived ?? join(a['conf-dir'], 'keepalived.conf')),
          dpvsPath: resolve(a.dpvs ?? join(a['conf-dir'], 'dpvs.conf')),
          runDir: resolve(a['run-dir']),
          dataplane: resolve(a.dataplane),
          log: {
            level: a['log-level'],
            format: a['log-format'] ?? (process.stdout.isTTY ? 'text' : 'json'),
            file: a['log-file'] === undefined ? null : resolve(a['log-file']),
          },
        }),
      ),
  )
  .command(
    'check [files..]',
    'check configuration like a compiler: keepalived.conf and dpvs.conf, told apart by their name, or a directory with both',
    (y) =>
      y
        .positional('files', { type: 'string', array: true, default: [defaultConfDir] })
        .option('json', { type: 'boolean', default: false })
        .option('strict', { type: 'boolean', default: false, describe: 'warnings exit with 1' }),
    (a) => {
      endWithReader();
      const { files, json, strict } = a;
      finish(check({ files, json, strict, hostName: hostname() }));
    },
  )
  .command(
    'status',
    'who is active and why, which VIP is announced, which real server is out',
    (y) => asking(y).option('watch', { type: 'boolean', default: false, describe: 'every second' }),
    (a) => finish(status({ ...ask(a), watch: a.watch })),
  )
  .command(
    'sessions',
    'sessions of the data plane',
    (y) => asking(y).option('limit', { type: 'number', default: 1000, describe: '0: all' }),
    (a) => {
      if (!Number.isInteger(a.limit) || a.limit < 0 || a.limit > 999_999_999)
        wrong(`--limit: found '${a.limit}', expected a whole number from 0 (all)`);
      finish(sessions({ ...ask(a), limit: a.limit }));
    },
  )
  .command(
    'drops',
    'packets dropped, by reason and worker (the last column is the main lcore)',
    (y) =>
      asking(y).option('all', { type: 'boolean', default: false, describe: 'reasons at 0, too' }),
    (a) => finish(drops({ ...ask(a), all: a.all })),
  )
  .command(
    'stop',
    'stop a node: VRRP yields first, the data plane ends last; also when its supervisor is dead',
    (y) =>
      y.option('run-dir', { type: 'string', default: defaultRunDir, describe: 'where it runs' }),
    (a) => {
      endWithReader();
      const log = { level: 'warn', format: 'text', file: null } as const;
      finish(stop({ runDir: resolve(a['run-dir']), log }));
    },
  )
  .command(
    'upgrade',
    'end the supervisor and leave the node running; the next start replaces its programs',
    (y) =>
      y.option('run-dir', { type: 'string', default: defaultRunDir, describe: 'where it runs' }),
    (a) => {
      endWithReader();
      finish(upgrade({ runDir: resolve(a['run-dir']) }));
    },
  )
  .command('reload', 'read the configuration again', asking, (a) => finish(reload(ask(a))))
  .command(
    'replay <journal>',
    'replay a journal of RUN_DIR without performing effects, and print what was decided',
    (y) =>
      y
        .positional('journal', { type: 'string', demandOption: true })
        .option('json', { type: 'boolean', default: false }),
    (a) => finish(replayFile(a.journal, a.json)),
  )
  .demandCommand(1, 'a command is missing')
  .strict()
  .recommendCommands()
  .help()
  .wrap(Math.min(100, process.stdout.columns ?? 100))
  .fail((message, error) => {
    if (error !== undefined && error !== null) throw error;
    const meant = /^Did you mean (\S+)\?$/.exec(message.trim())?.[1];
    wrong(
      meant === undefined
        ? message.replace(/\n+/g, '; ')
        : `unknown command; did you mean '${meant}'?`,
    );
  });

if (!existsSync(built) && process.argv.includes('start'))
  process.stderr.write(`keelson: the data plane is not built yet (${built}); run scripts/setup\n`);
await cli.parseAsync();
