/**
 * The controller process: the cluster machine between the configuration, the data plane, vrrp,
 * healthcheck and the API. All decisions are in src/cluster; here its parts are put together.
 *
 *   supervisor --> controller.sock        reload, stop, states of the processes
 *   clients    --> keelson.sock           the HTTP API
 *   controller --> dataplane.sock, vrrp.sock, healthcheck/link.sock
 *
 * It may end at any time: what it knows it reads or is told again when it starts.
 */
import { hostname } from 'node:os';
import { serveApi } from '../api/server.js';
import type { ProcessView } from '../api/views.js';
import type { Input } from '../cluster/facts.js';
import { type ClusterInput, cluster, initialState, type State } from '../cluster/machine.js';
import { inTurns, warming } from '../cluster/warm.js';
import type { ConfigPaths } from '../config/config.js';
import { renderDiagnostics } from '../config/diagnostics.js';
import { eventText } from '../dataplane/codec.js';
import { connectDataplane, type Dataplane } from '../dataplane/io.js';
import { digestText } from '../dataplane/snapshot.js';
import type { FromHealthcheck, ToHealthcheck } from '../healthcheck/messages.js';
import { isFromHealthcheck } from '../healthcheck/reported.js';
import { type Driver, drive } from '../kernel/driver.js';
import { loadAddon } from '../kernel/io/addon.js';
import { monotonicClock } from '../kernel/io/clock.js';
import { openJournal } from '../kernel/io/journal.js';
import { logUnhandled, openLogger } from '../kernel/io/logger.js';
import { processOptions } from '../kernel/io/process-options.js';
import { runService } from '../kernel/io/service.js';
import { version } from '../kernel/io/version.js';
import { emptyMap } from '../kernel/persistent-map.js';
import type { FromVrrp, ToVrrp } from '../vrrp/messages.js';
import { isOlder, keepAccepted, loadAccepted, loadOrAccepted } from './accepted.js';
import { apiBackend } from './api-backend.js';
import type { ControllerOptions, ProcessesMessage } from './controller-messages.js';
import { performer } from './effects.js';
import { healthPages } from './health-pages.js';
import { heldServers } from './held-servers.js';
import { clusterKind, configTexts, generationKind } from './journal.js';
import { journalViews } from './journal-views.js';
import { kernelQueue } from './kernel-queue.js';
import { loadInWorker } from './load-worker.js';
import { watchLoop } from './loop-watch.js';
import { connectPeer, type PeerLink } from './peer.js';
import { reloader } from './reload.js';
import { reports } from './reports.js';
import { runDir } from './run-dir.js';
import { type Transactions, transactions } from './runtime.js';
import { runtimeStore } from './runtime-store.js';

const options = processOptions();
const files = JSON.parse(process.env['KEELSON_CONTROLLER'] ?? 'null') as ControllerOptions;
const logs = openLogger(options.log);
logUnhandled(logs, 'end');
const log = logs.log.child({ component: 'controller' });
const dirs = runDir(options.runDir);
const startedAt = Date.now();
const paths: ConfigPaths = { ...files, hostName: hostname() };

const fatal = (msg: string): never => {
  log.fatal(msg);
  logs.sink.flush();
  process.exit(1);
};

const run = async (): Promise<void> => {
  const loop = watchLoop();
  const loaded = await loadOrAccepted(dirs.acceptedFile, paths);
  const text = renderDiagnostics(loaded.files.diagnostics, loaded.files.files);
  const config = loaded.use?.config ?? fatal(`configuration:\n${text}`);
  const texts = loaded.use?.files ?? loaded.files.files;
  if (loaded.source === 'accepted')
    log.error(`the files cannot be used; the configuration accepted before is in force:\n${text}`);
  else if (text !== '') log.warn(`configuration:\n${text}`);
  const addonOrWhy = loadAddon();
  const addon = typeof addonOrWhy === 'string' ? fatal(addonOrWhy) : addonOrWhy;

  await inTurns(warming(config, { health: emptyMap }), () => performance.now());
  const reported = reports();
  const journal = openJournal({
    path: `${dirs.dir}/journal.jsonl`,
    process: 'controller',
    version,
    report: (trouble) => {
      reported.journal(trouble);
      log.warn(trouble ?? 'the journal can be written again');
    },
  });
  process.on('exit', () => journal.flushNow());
  const journalTexts = configTexts();
  journalTexts.note(config, { ...paths, files: texts });
  const clusterJournal = journal.machine(clusterKind(journalTexts), 'cluster');
  const kernel = kernelQueue(dirs.kernelFile, log);
  let processes: readonly ProcessView[] = [];
  let isStopping = false;

  // First of all: the connections report to it as soon as they begin. Nothing is performed before
  // `start`.
  const machine: Driver<State, ClusterInput> = drive({
    machine: cluster,
    initial: initialState(config),
    clock: monotonicClock,
    perform: (e) => perform(e),
    journal: clusterJournal,
    join: (inputs) => ({ type: 'batch', inputs: inputs as readonly Input[] }),
    settled: () => changes.check(),
  });
  const state = (): State => machine.state();
  const feed = (input: ClusterInput): void => machine.feed(input);
  const store = runtimeStore(dirs.runtimeFile);
  // Before anything listens: a command works on what was set before.
  const runtime = store.load(config, (problem) => log.error(`what commands had set: ${problem}`));
  const changes: Transactions = transactions({
    keep: store.keep,
    state,
    set: (runtime) => feed({ type: 'runtime', runtime }),
  });
  feed({ type: 'runtime', runtime });
  const configuration = reloader({
    first: { config, files: texts },
    loadedAt: startedAt,
    source: loaded.source,
    error:
      loaded.source === 'files'
        ? null
        : isOlder(dirs.acceptedFile)
          ? 'the files on disk have errors; what was in force last was not kept, this is older'
          : 'the files on disk have errors',
    load: () => loadInWorker(paths),
    previous: () => loadAccepted(dirs.acceptedFile),
    changes,
    state,
    feed,
    onUse: (l) => journalTexts.note(l.config, { ...paths, files: l.files }),
    keep: (l) => keepAccepted(dirs.acceptedFile, paths, l.files),
    log,
  });

  const later = (input: Input): void => machine.later(input);
  const vrrp: PeerLink<ToVrrp> = connectPeer<FromVrrp, ToVrrp>({
    path: dirs.vrrpSocket,
    onUp: () => later({ type: 'connected', peer: 'vrrp', at: Date.now() }),
    onMessage: (message) => {
      if (message.type === 'counters') reported.vrrp(message);
      else later({ type: 'vrrp', message });
    },
    onDown: (reason) => later({ type: 'disconnected', peer: 'vrrp', reason, at: Date.now() }),
  });
  const health: PeerLink<ToHealthcheck> = connectPeer<FromHealthcheck, ToHealthcheck>({
    path: dirs.healthcheckSocket,
    onUp: () => {
      pages.drop();
      later({ type: 'connected', peer: 'healthcheck', at: Date.now() });
    },
    onMessage: (message) => {
      if (!isFromHealthcheck(message))
        throw new TypeError('health checks report in another shape than they may');
      if (message.type === 'counters') reported.healthcheck(message);
      else later({ type: 'healthcheck', message });
    },
    onDown: (reason) => {
      pages.drop();
      later({ type: 'disconnected', peer: 'healthcheck', reason, at: Date.now() });
    },
  });
  const pages = healthPages(health.send);
  const dataplane: Dataplane = connectDataplane({
    addon,
    socketPath: dirs.dataplaneSocket,
    clock: monotonicClock,
    pid: process.pid,
    journal: journal.machine(generationKind(state), 'data plane', () =>
      clusterJournal.sync(state()),
    ),
    onUp: (hello) => {
      log.info({ dataplane: hello.pid, workers: hello.workers }, 'data plane connected');
      feed({
        type: 'dataplaneUp',
        pid: hello.pid,
        workers: hello.workers,
        bootId: hello.bootId.toString(16),
        generation: Number(hello.generation),
        adopted: heldServers(dataplane.counters(), hello.generation),
      });
    },
    onAcked: (generation, snapshot) => {
      feed({ type: 'dataplaneAcked', generation, digest: digestText(snapshot) });
      configuration.acked();
    },
    onRejected: (reason, snapshot) => {
      log.error({ reason }, 'data plane refuses the generation; the one before stays');
      reported.refused(Date.now());
      feed({ type: 'dataplaneRejected', reason, digest: digestText(snapshot) });
      void configuration.rejected(reason);
    },
    onLost: (reason) => {
      if (state().facts.dataplane.state === 'up') log.error({ reason }, 'data plane lost');
      feed({ type: 'dataplaneLost', reason });
    },
    onEvent: (e) =>
      log.warn(
        { device: e.dev, address: e.af === 4 ? e.addr : undefined },
        `data plane: ${eventText(e)}`,
      ),
  });
  const perform = performer({
    vrrp: vrrp.send,
    health: pages.send,
    dataplane,
    kernel: kernel.apply,
    takenBack: configuration.takenBack,
  });

  await serveApi(
    dirs.apiSocket,
    apiBackend({
      state,
      dataplane,
      startedAt,
      configuration: configuration.configuration,
      more: () => {
        const files = journalViews([dirs.dir, dirs.healthcheckDir]);
        const { refused, journals, vrrpCounters } = reported.view(state().facts, files);
        return {
          processes,
          leases: [],
          journals,
          loop: loop.view(),
          configuration: {
            source: configuration.source(),
            refused,
            notKept: configuration.notKept(),
          },
          vrrpCounters,
        };
      },
      reload: configuration.reload,
      change: (commands) => changes.run(commands),
      isStopping: () => isStopping,
      log,
    }),
  );
  await runService<ProcessesMessage, never>({
    role: 'controller',
    socketPath: options.socketPath,
    version,
    levels: () => [],
    onMessage: (m) => {
      if (m.type === 'processes') processes = m.processes;
    },
    onPeerGone: (peer) => {
      if (peer.role === 'supervisor')
        processes = processes.map((p) =>
          p.name === 'supervisor' ? { ...p, state: 'gone', pid: null } : p,
        );
    },
    reload: () => {
      logs.sink.reopen();
      void configuration.reload();
    },
    // vrrp has yielded before: nothing is announced any more.
    stop: async () => {
      isStopping = true;
      dataplane.close();
      await journal.close();
    },
    abandon: (reason) => log.info(`ends: ${reason}`),
    onError: (reason) => log.error(reason),
  });

  log.info({ version }, 'controller started');
  feed({ type: 'start' });
};

run().catch((e: unknown) => fatal(`cannot start: ${e instanceof Error ? e.message : String(e)}`));
