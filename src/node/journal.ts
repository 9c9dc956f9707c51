/**
 * Law 10 for the controller: how the cluster machine and the generation machine are journalled, and
 * how a journal of any of Keelson's processes is read back.
 *
 * A configuration is written as the files it was read from. A snapshot is written as its digest
 * where the cluster machine of the same file makes it: its plan follows from its facts.
 */
import type { Facts } from '../cluster/facts.js';
import { type ClusterInput, type State as ClusterState, cluster } from '../cluster/machine.js';
import { plan } from '../cluster/plan.js';
import type { Config, ConfigPaths, Source } from '../config/config.js';
import { matches } from '../config/glob.js';
import { loadConfig } from '../config/load.js';
import {
  type Input as GenerationInput,
  type State as GenerationState,
  generations,
} from '../dataplane/generation.js';
import { digestText, emptySnapshot, type Snapshot } from '../dataplane/snapshot.js';
import { healthcheckKinds } from '../healthcheck/journal.js';
import { JournalError, type JournalKind, type Replayable, replayable } from '../kernel/journal.js';
import type { Tick } from '../kernel/machine.js';
import { vrrpKind } from '../vrrp/journal.js';

/** The files a configuration was read from, and how. */
export interface ReadFrom extends ConfigPaths {
  readonly files: ReadonlyMap<string, string>;
}

/** Written once more whole where nothing in the file makes it; a larger one is left out. */
const largestWhole = 5000;

interface WrittenSnapshot {
  readonly digest: string;
  /** null: the cluster machine makes it, or it is too large. */
  readonly whole: Snapshot | null;
}

const sizeOf = (s: Snapshot): number =>
  s.services.reduce((n, v) => n + 1 + v.realServers.length, s.addresses.length);

const madeBy = (s: ClusterState | null, digest: string): boolean =>
  s !== null && s.plan !== null && digestText(s.plan.snapshot) === digest;

const writtenSnapshot = (s: Snapshot, made: (digest: string) => boolean): WrittenSnapshot => {
  const digest = digestText(s);
  return { digest, whole: made(digest) || sizeOf(s) > largestWhole ? null : s };
};

// ---- writing

/** Remembers which files each configuration was read from. */
export interface Texts {
  readonly note: (config: Config, from: ReadFrom) => void;
  readonly of: (config: Config) => ReadFrom | null;
}

export const configTexts = (): Texts => {
  const known = new WeakMap<Config, ReadFrom>();
  return {
    note: (config, from) => void known.set(config, from),
    of: (config) => known.get(config) ?? null,
  };
};

const isCounters = (i: ClusterInput | Tick): boolean =>
  (i.type === 'vrrp' || i.type === 'healthcheck') && i.message.type === 'counters';

const encodeClusterInput = (i: ClusterInput | Tick, texts: Texts): unknown => {
  if (i.type === 'config') return { type: 'config', config: texts.of(i.config) };
  return i.type === 'batch'
    ? { type: 'batch', inputs: i.inputs.map((x) => encodeClusterInput(x, texts)) }
    : i;
};

interface WrittenFacts extends Omit<Facts, 'config' | 'accepted' | 'asked' | 'dataplane'> {
  /** Numbers of `configs`. */
  readonly config: number;
  readonly accepted: { readonly config: number; readonly runtime: Facts['runtime'] } | null;
  readonly asked: readonly {
    readonly config: number;
    readonly runtime: Facts['runtime'];
    readonly snapshot: WrittenSnapshot;
  }[];
  readonly dataplane:
    | Exclude<Facts['dataplane'], { state: 'up' }>
    | (Omit<Extract<Facts['dataplane'], { state: 'up' }>, 'acked'> & {
        readonly acked: { readonly generation: number; readonly snapshot: WrittenSnapshot } | null;
      });
}

interface WrittenCluster extends Omit<ClusterState, 'facts' | 'plan'> {
  readonly configs: readonly (ReadFrom | null)[];
  readonly facts: WrittenFacts;
  readonly planned: boolean;
}

const encodeCluster = (s: ClusterState, texts: Texts): WrittenCluster => {
  const configs: Config[] = [];
  const number = (c: Config): number => {
    const at = configs.indexOf(c);
    return at < 0 ? configs.push(c) - 1 : at;
  };
  const made = (digest: string): boolean => madeBy(s, digest);
  const { config, accepted, asked, dataplane, ...rest } = s.facts;
  const facts: WrittenFacts = {
    ...rest,
    config: number(config),
    accepted:
      accepted === null ? null : { config: number(accepted.config), runtime: accepted.runtime },
    asked: asked.map((a) => ({
      config: number(a.config),
      runtime: a.runtime,
      snapshot: writtenSnapshot(a.snapshot, made),
    })),
    dataplane:
      dataplane.state !== 'up'
        ? dataplane
        : {
            ...dataplane,
            acked:
              dataplane.acked === null
                ? null
                : {
                    ...dataplane.acked,
                    snapshot: writtenSnapshot(dataplane.acked.snapshot, made),
                  },
          },
  };
  const { plan: planned, ...others } = s;
  return { ...others, facts, planned: planned !== null, configs: configs.map((c) => texts.of(c)) };
};

export const clusterKind = (texts: Texts): JournalKind<ClusterState, ClusterInput> => ({
  name: 'cluster',
  encodeState: (s) => encodeCluster(s, texts),
  encodeInput: (i) => encodeClusterInput(i, texts),
  leavesOut: () => false,
  isNoise: isCounters,
});

type Linked = GenerationState['link'];

/** Replaces the snapshots of a link. */
const mapLink = (link: Linked, f: (s: Snapshot) => Snapshot): Linked => {
  const base = <B extends { readonly tag: string }>(b: B): B =>
    'snapshot' in b ? { ...b, snapshot: f(b.snapshot as Snapshot) } : b;
  switch (link.tag) {
    case 'idle':
      return { ...link, base: base(link.base) };
    case 'adopting':
      return link;
    case 'committing':
      return {
        ...link,
        base: base(link.base),
        from: f(link.from),
        snapshot: f(link.snapshot),
      };
    default:
      return link;
  }
};

/** As it is, with other snapshots. */
const mapGeneration = (s: GenerationState, f: (s: Snapshot) => Snapshot): GenerationState => ({
  ...s,
  link: mapLink(s.link, f),
  desired: s.desired === null ? null : f(s.desired),
  refused: s.refused === null ? null : f(s.refused),
});

/** A written snapshot stands where a snapshot does; only journal and replay see it. */
const asSnapshot = (w: WrittenSnapshot): Snapshot => w as unknown as Snapshot;
const asWritten = (s: Snapshot): WrittenSnapshot => s as unknown as WrittenSnapshot;

/** A ping and its answer, while nothing else happens. */
const isPing = (i: GenerationInput | Tick, s: GenerationState, at: number): boolean => {
  if (s.link.tag !== 'idle') return false;
  const { answerBy, retryAt } = s.link.attention;
  if (i.type === 'pong') return true;
  return i.type === 'tick' && retryAt === null && (answerBy === null || at < answerBy);
};

export const generationKind = (
  clusterState: () => ClusterState | null,
): JournalKind<GenerationState, GenerationInput> => {
  const write = (s: Snapshot): Snapshot =>
    asSnapshot(writtenSnapshot(s, (digest) => madeBy(clusterState(), digest)));
  return {
    name: 'generation',
    encodeState: (s) => mapGeneration(s, write),
    encodeInput: (i) => (i.type === 'desired' ? { ...i, snapshot: write(i.snapshot) } : i),
    leavesOut: isPing,
    isNoise: () => false,
  };
};

// ---- reading

const configFrom = (from: ReadFrom | null): Config => {
  if (from === null) throw new JournalError('the journal does not hold the configuration files');
  const source: Source = {
    read: (path) => {
      const text = from.files.get(path);
      return text === undefined ? { ok: false, error: 'not in the journal' } : { ok: true, text };
    },
    // An included file was read when its pattern matched, so what matches in the journal was there.
    glob: (pattern, dir) => {
      const whole = pattern.startsWith('/') ? pattern : `${dir}/${pattern}`;
      return [...from.files.keys()].filter((f) => matches(whole, f)).sort();
    },
  };
  const { config } = loadConfig(source, from);
  if (config === null) throw new JournalError('the configuration in the journal has errors');
  return config;
};

/** Snapshots of one journal by digest. */
interface Book {
  readonly note: (s: Snapshot) => Snapshot;
  readonly find: (w: WrittenSnapshot) => Snapshot;
}

const newBook = (): Book => {
  const known = new Map<string, Snapshot>();
  const note = (s: Snapshot): Snapshot => {
    known.set(digestText(s), s);
    return s;
  };
  return {
    note,
    // One that is nowhere is another than all others, as it was.
    find: (w) => known.get(w.digest) ?? (w.whole === null ? emptySnapshot : note(w.whole)),
  };
};

const decodeClusterInput = (written: unknown): ClusterInput | Tick => {
  const i = written as ClusterInput | { type: 'config'; config: ReadFrom | null };
  if (i.type === 'config')
    return { type: 'config', config: configFrom(i.config as ReadFrom | null) };
  return i.type === 'batch'
    ? { type: 'batch', inputs: i.inputs.map((x) => decodeClusterInput(x)) as typeof i.inputs }
    : i;
};

const decodeCluster = (w: WrittenCluster, book: Book): ClusterState => {
  const { configs: texts, planned, facts: written, ...others } = w;
  const configs = texts.map(configFrom);
  const config = (n: number): Config => {
    const found = configs[n];
    if (found === undefined) throw new JournalError(`there is no configuration ${n}`);
    return found;
  };
  const { accepted, asked, dataplane, ...rest } = written;
  const without: Facts = {
    ...rest,
    config: config(written.config),
    accepted: accepted === null ? null : { ...accepted, config: config(accepted.config) },
    asked: [],
    dataplane: dataplane.state === 'up' ? { ...dataplane, acked: null } : dataplane,
  };
  // What the plan asks of the data plane does not depend on what the data plane has.
  const first = planned ? plan(without, null) : null;
  if (first !== null) book.note(first.snapshot);
  const facts: Facts = {
    ...without,
    asked: asked.map((a) => ({
      digest: a.snapshot.digest,
      snapshot: book.find(a.snapshot),
      config: config(a.config),
      runtime: a.runtime,
    })),
    dataplane:
      dataplane.state !== 'up'
        ? dataplane
        : {
            ...dataplane,
            acked:
              dataplane.acked === null
                ? null
                : { ...dataplane.acked, snapshot: book.find(dataplane.acked.snapshot) },
          },
  };
  return {
    ...others,
    facts,
    plan: first === null ? null : plan(facts, { facts: without, plan: first }),
  };
};

const clusterReplay = (book: Book): Replayable =>
  replayable({
    ...clusterKind(configTexts()),
    machine: {
      deadline: cluster.deadline,
      step: (s, i, now) => {
        const next = cluster.step(s, i, now);
        for (const e of next[1]) if (e.type === 'setDesired') book.note(e.snapshot);
        return next;
      },
    },
    decodeState: (written) => decodeCluster(written as WrittenCluster, book),
    decodeInput: decodeClusterInput,
  });

const generationReplay = (book: Book): Replayable => {
  const read = (s: Snapshot): Snapshot => book.find(asWritten(s));
  return replayable({
    ...generationKind(() => null),
    machine: generations,
    decodeState: (written) => mapGeneration(written as GenerationState, read),
    decodeInput: (written) => {
      const i = written as GenerationInput | Tick;
      return i.type === 'desired' ? { ...i, snapshot: read(i.snapshot) } : i;
    },
  });
};

/** Every machine that a journal may hold; one table for each journal that is read. */
export const allKinds = (): readonly Replayable[] => {
  const book = newBook();
  return [clusterReplay(book), generationReplay(book), ...healthcheckKinds, replayable(vrrpKind)];
};
