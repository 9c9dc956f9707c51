/**
 * The configuration in force: loaded off the loop, exchanged by a reload when its generation is
 * acknowledged, taken back when the data plane refuses it. Never throws.
 */
import type { ReloadView } from '../api/views.js';
import type { ClusterInput, State } from '../cluster/machine.js';
import { inTurns, warming } from '../cluster/warm.js';
import type { Config, LoadedConfig } from '../config/config.js';
import { renderDiagnostics } from '../config/diagnostics.js';
import type { Logger } from '../kernel/io/logger.js';
import { changesBetween } from './changes.js';
import { dataplaneArgs } from './dataplane-args.js';
import { logWarnings } from './log-diagnostics.js';
import type { Transactions } from './runtime.js';

/** A configuration without errors, and the texts it was read from. */
export interface InUse {
  readonly config: Config;
  readonly files: LoadedConfig['files'];
}

export interface ReloaderOptions {
  readonly first: InUse;
  readonly loadedAt: number;
  /** Where `first` is from. */
  readonly source: 'files' | 'accepted';
  /** Why `first` is not what the files say; null when it is. */
  readonly error: string | null;
  readonly load: () => Promise<LoadedConfig>;
  /** The configuration that was in force before this controller; null: there is none. */
  readonly previous: () => Promise<LoadedConfig | null>;
  readonly changes: Pick<Transactions, 'configure'>;
  readonly state: () => State;
  readonly feed: (input: ClusterInput) => void;
  /** Before the `config` input that it is about. */
  readonly onUse: (l: InUse) => void;
  /** It is in force: the next controller may need it. May throw. */
  readonly keep: (l: InUse) => void;
  /** Between two tries to keep what could not be kept. */
  readonly retryMs?: number;
  readonly log: Logger;
}

export interface Reloader {
  readonly reload: () => Promise<ReloadView>;
  /** A generation was acknowledged, so the first configuration is in force. */
  readonly acked: () => void;
  readonly takenBack: (reason: string) => void;
  /** A generation was refused: where nothing was accepted yet, what an earlier controller had counts. */
  readonly rejected: (reason: string) => Promise<void>;
  readonly inUse: () => InUse;
  readonly source: () => 'files' | 'accepted';
  /** Why a restart would not find what is in force; null: it would. */
  readonly notKept: () => string | null;
  readonly configuration: () => { readonly loadedAt: number; readonly error: string | null };
}

const errorsIn = (loaded: LoadedConfig): string => {
  const errors = loaded.diagnostics.filter((d) => d.severity === 'error').length;
  return `${errors} error${errors === 1 ? '' : 's'}`;
};

/** Changes in one log line. */
const mostLogged = 50;

/** It is written with the next generation after so long. */
const keepRetryMs = 10_000;

const startAgain =
  '! devices, workers, pools and eal_args of dpvs.conf change when the node is started again';

const processChanges = (a: Config, b: Config): readonly string[] => {
  const args = (c: Config): string => dataplaneArgs(c.dpvs, '').join(' ');
  return args(a) === args(b) ? [] : [startAgain];
};

export const reloader = (o: ReloaderOptions): Reloader => {
  let inUse = o.first;
  let { loadedAt, error, source } = o;
  let isKept = source === 'accepted';

  const refused = (why: string, text: string): ReloadView => {
    error = `${why} at ${new Date().toISOString()}`;
    o.log.error(`reload refused, the running configuration stays: ${why}\n${text}`);
    return { ok: false, text, changes: [] };
  };
  /** Why what is in force is not kept; null: it is, or nothing is to be kept yet. */
  let notKept: string | null = null;
  let triedAt = Number.NEGATIVE_INFINITY;
  const keep = (): void => {
    triedAt = performance.now();
    try {
      o.keep(inUse);
      isKept = true;
      notKept = null;
    } catch (e) {
      const reason = String(e);
      if (reason !== notKept)
        o.log.error(`the configuration in force cannot be kept for a restart: ${reason}`);
      notKept = reason;
    }
  };
  const filesOf = new WeakMap([[inUse.config, inUse.files]]);
  const use = (l: InUse): void => {
    inUse = l;
    filesOf.set(l.config, l.files);
    o.onUse(l);
    o.feed({ type: 'config', config: l.config });
  };
  const reload = async (): Promise<ReloadView> => {
    const loaded = await o.load();
    const text = renderDiagnostics(loaded.diagnostics, loaded.files);
    const next = loaded.config;
    if (next === null) return refused(errorsIn(loaded), text);
    await inTurns(warming(next, o.state().facts), () => performance.now());
    let before = inUse;
    let stateBefore = o.state();
    const outcome = await o.changes.configure(() => {
      before = inUse;
      stateBefore = o.state();
      use({ config: next, files: loaded.files });
    });
    if (!outcome.ok) {
      // Where nothing was accepted before, the machine had nothing to go back to.
      if (o.state().facts.config === next) use(before);
      return refused(outcome.reason, `${text}${outcome.reason}\n`);
    }
    loadedAt = Date.now();
    error = null;
    source = 'files';
    // Without a data plane it is in force when that comes up.
    isKept = false;
    notKept = null;
    if (outcome.generation > 0) keep();
    const changes = [
      ...(await changesBetween(stateBefore, o.state())),
      ...processChanges(before.config, next),
      ...(notKept === null ? [] : [`! in force, but not kept for a restart: ${notKept}`]),
      ...(outcome.late === undefined ? [] : [`! not in force yet: ${outcome.late}`]),
    ];
    logWarnings(o.log, loaded.diagnostics);
    o.log.info(
      { changes: changes.slice(0, mostLogged), more: Math.max(0, changes.length - mostLogged) },
      'reloaded',
    );
    return { ok: true, text, changes };
  };
  /** The data plane refused what is in use; the cluster machine went back to what was accepted. */
  const takenBack = (reason: string): void => {
    const { config } = o.state().facts;
    const files = filesOf.get(config);
    if (config === inUse.config || files === undefined) return;
    inUse = { config, files };
    error = `the data plane refuses it: ${reason} at ${new Date().toISOString()}`;
    o.onUse(inUse);
    o.log.error({ reason }, 'the configuration is refused; the one before is in use again');
  };
  let hasFallenBack = false;
  const fallBack = async (reason: string): Promise<void> => {
    const isFirst = (): boolean =>
      source === 'files' && inUse === o.first && o.state().facts.accepted === null;
    if (hasFallenBack || !isFirst()) return;
    hasFallenBack = true;
    const before = await o.previous();
    if (before === null || before.config === null) return;
    // A reload, or an acknowledgement, may have come meanwhile.
    if (!isFirst()) return;
    source = 'accepted';
    isKept = true;
    error = `the data plane refuses the files: ${reason} at ${new Date().toISOString()}`;
    o.log.error({ reason }, 'the files are refused; the configuration accepted before is in use');
    use({ config: before.config, files: before.files });
  };
  /**
   * One reload at a time, the reading of the files included: whoever asks meanwhile gets the next
   * one, which reads them after it was asked for. So nothing older comes into force later.
   */
  let underWay: Promise<ReloadView> | null = null;
  let following: Promise<ReloadView> | null = null;
  const begin = (): Promise<ReloadView> => {
    const running = reload()
      .catch((e: unknown) => refused(e instanceof Error ? e.message : String(e), ''))
      .finally(() => {
        underWay = null;
      });
    underWay = running;
    return running;
  };
  const inTurn = (): Promise<ReloadView> => {
    if (following !== null) return following;
    if (underWay === null) return begin();
    following = underWay.then(() => {
      following = null;
      return begin();
    });
    return following;
  };
  return {
    takenBack,
    rejected: (reason) =>
      fallBack(reason).catch((e: unknown) =>
        o.log.error(`the configuration accepted before cannot be used: ${String(e)}`),
      ),
    reload: inTurn,
    acked: () => {
      if (isKept || o.state().facts.accepted?.config !== inUse.config) return;
      if (notKept === null || performance.now() >= triedAt + (o.retryMs ?? keepRetryMs)) keep();
    },
    inUse: () => inUse,
    source: () => source,
    notKept: () => notKept,
    configuration: () => ({ loadedAt, error }),
  };
};
