/**
 * The controller process: runs the cluster machine, keeps vrrp and healthcheck running, speaks to the data plane, answers the API. All
 * decisions are in src/cluster; here is only what touches the world.
 *
 * Forked by the supervisor with KEELSON_CONTROLLER (ControllerOptions as JSON). When the supervisor's channel closes, it yields and ends.
 */

import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { serveApi } from '../api/server.js';
import { nothingMore } from '../api/status.js';
import type { ReloadView } from '../api/views.js';
import type { Effect } from '../cluster/diff.js';
import { realServerId } from '../cluster/facts.js';
import { type ClusterInput, cluster, initialState, type State } from '../cluster/machine.js';
import { realServerName } from '../cluster/names.js';
import type { KernelPlan } from '../cluster/plan.js';
import type { Config, ConfigPaths, LoadedConfig } from '../config/config.js';
import { renderDiagnostics } from '../config/diagnostics.js';
import { fileSource } from '../config/io.js';
import { loadConfig } from '../config/load.js';
import { eventText } from '../dataplane/codec.js';
import type { Counters } from '../dataplane/counters.js';
import { connectDataplane, type Dataplane } from '../dataplane/io.js';
import { protocols } from '../dataplane/ops.js';
import type { FromHealthcheck, ToHealthcheck } from '../healthcheck/messages.js';
import { type Driver, drive } from '../kernel/driver.js';
import { loadAddon } from '../kernel/io/addon.js';
import { monotonicClock } from '../kernel/io/clock.js';
import { createLogger } from '../kernel/io/logger.js';
import { version } from '../kernel/io/version.js';
import type { FromVrrp, ToVrrp } from '../vrrp/legacy-messages.js';
import { apiBackend } from './api-backend.js';
import { changesBetween } from './changes.js';
import { type Child, keepRunning } from './child.js';
import type { ControllerOptions, FromController, ToController } from './controller-messages.js';
import { dataplaneArgs } from './dataplane-args.js';
import { openJournal } from './journal.js';
import { applyKernelPlan } from './kernel-addresses.js';
import { runDir } from './run-dir.js';
import { loadRuntime, type Transactions, transactions } from './runtime.js';

/** The children say a heartbeat a second; silence for so long is a hang. */
const childSilenceMs = 5000;
const childStopMs = 1500;
const heartbeatMs = 1000;

const options = JSON.parse(process.env['KEELSON_CONTROLLER'] ?? 'null') as ControllerOptions;
const allLogs = createLogger(options.log);
const log = allLogs.child({ component: 'controller' });
const dirs = runDir(options.runDir);
const startedAt = Date.now();

const paths: ConfigPaths = {
  keepalivedPath: options.keepalivedPath,
  dpvsPath: options.dpvsPath,
  hostName: hostname(),
};
const load = (): LoadedConfig => loadConfig(fileSource, paths);

const fatal = (msg: string): never => {
  log.fatal(msg);
  process.exit(1);
};

const entry = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const toSupervisor = (m: FromController): void => {
  if (process.connected) process.send?.(m, () => undefined);
};

const first = load();
if (first.config === null)
  fatal(`configuration:\n${renderDiagnostics(first.diagnostics, first.files)}`);
const addonOrWhy = loadAddon();
const addon = typeof addonOrWhy === 'string' ? fatal(addonOrWhy) : addonOrWhy;

/** A configuration without errors, and the texts it was read from. */
interface InUse {
  readonly config: Config;
  readonly files: LoadedConfig['files'];
}
let inUse: InUse = { config: first.config as Config, files: first.files };
let configLoadedAt = startedAt;
let configError: string | null = null;
let stopping = false;
let kernelDone: KernelPlan | null = null;
let kernelQueue: Promise<void> = Promise.resolve();
const journal = openJournal(`${options.runDir}/journal.jsonl`, { ...paths, files: first.files });

const leaseMs = (): number => inUse.config.dpvs.vipLeaseMs;

const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocols).map(([name, n]) => [n, name.toLowerCase()]),
);

/** What the data plane held when it was found: the real servers that were in service. */
const heldServers = (c: Counters | null, generation: bigint): ReadonlySet<string> | null => {
  if (c === null || generation === 0n) return null;
  const name = (p: number): string => protocolNames.get(p)?.toUpperCase() ?? String(p);
  return new Set(
    c.realServers
      .filter((r) => r.weight > 0)
      .map((r) =>
        realServerId(
          realServerName(r.vip, r.vport, name(r.protocol)),
          realServerName(r.address, r.port, name(r.protocol)),
        ),
      ),
  );
};

const applyKernel = (plan: KernelPlan): void => {
  kernelQueue = kernelQueue.then(async () => {
    const before = kernelDone;
    kernelDone = plan;
    for (const failure of await applyKernelPlan(plan, before)) log.error(failure);
  });
};

function perform(e: Effect): void {
  switch (e.type) {
    case 'kernel':
      applyKernel(e.kernel);
      break;
    case 'configureHealth':
      revision += 1;
      health.send({
        type: 'configure',
        revision,
        whole: true,
        more: false,
        virtualServers: e.virtualServers,
        removed: [],
      });
      break;
    case 'restChecks':
      health.send({ type: 'suspend', virtualServer: e.virtualServer, suspended: e.rest });
      break;
    case 'configureVrrp':
      vrrp.send({
        type: 'configure',
        instances: e.vrrp.instances,
        syncGroups: e.vrrp.syncGroups,
      });
      break;
    case 'lease':
      dataplane.renewLease(e.on ? leaseMs() : 0);
      break;
    case 'setDesired':
      changes.desired(e.snapshot);
      dataplane.setDesired(e.snapshot);
      break;
    case 'serviceable':
      vrrp.send({ type: 'serviceable', instance: e.instance, ...e.now });
      break;
    case 'vipsTaken':
      vrrp.send({ type: 'vipsTaken', instance: e.instance, generation: e.generation });
      break;
    case 'garp':
      dataplane.garp(e.device, e.address, e.repeat);
      break;
    case 'log':
      allLogs[e.message.level]({ component: e.source, ...e.message.fields }, e.message.msg);
      break;
  }
}

let revision = 0;
// First of all: the children and the connection report to it as soon as they begin. Nothing is performed before `start`.
const machine: Driver<State, ClusterInput> = drive({
  machine: cluster,
  initial: initialState(inUse.config),
  clock: monotonicClock,
  perform,
  journal: journal.write,
});
const feed = (input: ClusterInput): void => machine.feed(input);
const changes: Transactions = transactions({
  path: dirs.runtimeFile,
  state: () => machine.state(),
  set: (runtime) => feed({ type: 'runtime', runtime }),
});

const vrrp: Child<ToVrrp> = keepRunning<FromVrrp, ToVrrp>(
  {
    name: 'vrrp',
    entry: entry('../vrrp/process.js'),
    env: {},
    output: 'inherit',
    silenceMs: childSilenceMs,
    onStart: () => feed({ type: 'vrrpStarted' }),
    onMessage: (message) => feed({ type: 'vrrp', message }),
    onDeath: (reason) => feed({ type: 'vrrpGone', reason }),
  },
  allLogs,
);
const health: Child<ToHealthcheck> = keepRunning<FromHealthcheck, ToHealthcheck>(
  {
    name: 'healthcheck',
    entry: entry('../healthcheck/process.js'),
    env: {},
    output: 'inherit',
    silenceMs: childSilenceMs,
    onStart: () => feed({ type: 'healthcheckStarted' }),
    onMessage: (message) => feed({ type: 'healthcheck', message }),
    onDeath: () => undefined,
  },
  allLogs,
);
const dataplane: Dataplane = connectDataplane({
  addon,
  socketPath: dirs.dataplaneSocket,
  clock: monotonicClock,
  pid: process.pid,
  onUp: (hello) => {
    toSupervisor({ type: 'dataplaneUp' });
    log.info({ dataplane: hello.pid, workers: hello.workers }, 'data plane connected');
    kernelDone = null;
    const adopted = heldServers(dataplane.counters(), hello.generation);
    feed({ type: 'dataplaneUp', pid: hello.pid, workers: hello.workers, adopted });
  },
  onAcked: (generation, snapshot) => {
    feed({ type: 'dataplaneAcked', generation, snapshot });
    changes.acked(generation, snapshot);
  },
  onRejected: (reason, snapshot) => {
    log.error({ reason }, 'data plane refuses the generation; the one before stays');
    feed({ type: 'dataplaneRejected', reason });
    changes.rejected(reason, snapshot);
  },
  onLost: (reason) => {
    if (machine.state().facts.dataplane.state === 'up')
      log.error({ reason }, 'data plane lost: addresses are yielded');
    feed({ type: 'dataplaneLost', reason });
    changes.lost(reason);
  },
  onEvent: (e) =>
    log.warn(
      { device: e.dev, address: e.af === 4 ? e.addr : undefined },
      `data plane: ${eventText(e)}`,
    ),
});

const notReloaded = (why: string, text: string): ReloadView => {
  configError = `${why} at ${new Date().toISOString()}`;
  log.error(`reload refused, the running configuration stays: ${why}\n${text}`);
  return { ok: false, text, changes: [] };
};

const reload = async (): Promise<ReloadView> => {
  const loaded = load();
  const text = renderDiagnostics(loaded.diagnostics, loaded.files);
  const next = loaded.config;
  if (next === null) {
    const errors = loaded.diagnostics.filter((d) => d.severity === 'error').length;
    return notReloaded(`${errors} error${errors === 1 ? '' : 's'}`, text);
  }
  const use = (l: InUse): void => {
    inUse = l;
    journal.files({ ...paths, files: l.files });
    feed({ type: 'config', config: l.config });
  };
  let before = inUse;
  let stateBefore = machine.state();
  const outcome = await changes.configure(
    () => {
      before = inUse;
      stateBefore = machine.state();
      use({ config: next, files: loaded.files });
    },
    () => use(before),
  );
  if (!outcome.ok) return notReloaded(outcome.reason, `${text}${outcome.reason}\n`);
  configLoadedAt = Date.now();
  configError = null;
  const args = (c: Config): string => dataplaneArgs(c.dpvs, '').join(' ');
  const told = [
    ...changesBetween(stateBefore, machine.state()),
    ...(args(before.config) === args(next)
      ? []
      : [
          '! devices, workers, pools and eal_args of dpvs.conf change when the node is started again',
        ]),
  ];
  log.info({ changes: told }, 'reloaded');
  return { ok: true, text, changes: told };
};

const api = serveApi(
  dirs.apiSocket,
  apiBackend({
    state: () => machine.state(),
    dataplane,
    startedAt,
    configuration: () => ({ loadedAt: configLoadedAt, error: configError }),
    more: () => nothingMore,
    reload,
    change: (commands) => changes.run(commands),
    isStopping: () => stopping,
    log,
  }),
);
api.catch((e: unknown) => fatal(`API: ${dirs.apiSocket}: ${String(e)}`));

// The lease and its mirror image: the data plane answers for the VIPs, and vrrp holds them, only while this loop turns.
const renewLease = (): void => {
  // A reload may have made it shorter.
  leaseTimer = setTimeout(renewLease, Math.max(100, Math.floor(leaseMs() / 4)));
  if (stopping) return;
  vrrp.send({ type: 'alive', leaseMs: leaseMs() });
  if (machine.state().plan?.lease === true) dataplane.renewLease(leaseMs());
};
let leaseTimer = setTimeout(renewLease, 0);
const heartbeat = setInterval(() => toSupervisor({ type: 'heartbeat' }), heartbeatMs);

/** Priority 0 first, then the addresses leave the data plane, then the processes end. */
const stop = async (): Promise<void> => {
  if (stopping) return;
  stopping = true;
  log.info('stopping: yielding');
  await vrrp.stop({ type: 'shutdown' }, childStopMs);
  feed({ type: 'stop' });
  await health.stop({ type: 'shutdown' }, childStopMs);
  clearTimeout(leaseTimer);
  clearInterval(heartbeat);
  (await api.catch(() => null))?.close();
  dataplane.close();
  journal.close();
  process.disconnect?.();
  process.exit(0);
};

process.on('message', (m: ToController) => {
  if (m.type === 'reload') void reload();
  else void stop();
});
process.on('disconnect', () => {
  if (!stopping) log.error('supervisor is gone: yielding, sessions go on');
  void stop();
});
// The terminal's signals reach the whole process group; the supervisor tells when to stop.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void stop());
process.on('SIGHUP', () => void reload());

const warnings = renderDiagnostics(first.diagnostics, first.files);
if (warnings !== '') log.warn(`configuration:\n${warnings}`);
log.info({ version }, 'controller started');
feed({
  type: 'runtime',
  runtime: loadRuntime(dirs.runtimeFile, inUse.config, (problem) =>
    log.error(`what commands had set: ${problem}`),
  ),
});
feed({ type: 'start' });
