/**
 * Reads both files of a node: a value when there is no error, and every diagnostic in any case. Never
 * throws: a fault of the reader itself is a diagnostic, too.
 */
import type { ConfigPaths, LoadedConfig, Source } from './config.js';
import { crossChecks } from './cross.js';
import type { Diagnostic } from './diagnostics.js';
import { dpvsConfig, dpvsLanguage, withoutRemarks } from './dpvs/dpvs.js';
import type { DpvsConfig } from './dpvs/types.js';
import { foreignFile } from './foreign.js';
import { keepalivedReading, language } from './keepalived/keepalived.js';
import { readLines } from './keepalived/reader.js';
import type { KeepalivedConfig } from './keepalived/types.js';
import type { Machine } from './machine.js';
import { reachability } from './reach.js';
import { type At, collector, lineOf, type Node, type Report } from './text.js';
import { treeBuilder } from './tree.js';
import { unclosedBlock } from './unclosed.js';
import { freeze, type PatternCheck } from './values.js';

export interface LoadOptions {
  /** Says why a pattern of a check cannot be compiled, or null; without it every pattern is taken. */
  readonly pattern?: PatternCheck;
  /** What is known of the machine the node runs on; null: nothing, and nothing is said of it. */
  readonly machine?: Machine | null;
}

export type CheckedFile = Omit<LoadedConfig, 'config'>;

const takesAll: PatternCheck = () => null;
const severities = { error: 0, warning: 1, info: 2 } as const;
const startOf = (file: string): At => ({ file, line: 1, column: 1, length: 1 });

type Collector = ReturnType<typeof collector>;

interface Loading {
  readonly source: Source;
  readonly files: Map<string, string>;
  readonly report: Collector;
}

const keepalivedFrom = (
  { source, files, report }: Loading,
  path: string,
  hostName: string,
  pattern: PatternCheck,
): KeepalivedConfig => {
  const reading = keepalivedReading(report, pattern, hostName);
  const tree = treeBuilder({
    report,
    take: reading.take,
    unclosed: (root) => unclosedBlock(language, root),
  });
  const configId = hostName.split('.')[0] ?? hostName;
  readLines(source, path, configId, files, report, tree.line);
  tree.finish();
  return reading.finish();
};

/** dpvs.conf has no includes and no definitions; null: it cannot be read. */
const dpvsFrom = ({ source, files, report }: Loading, path: string): DpvsConfig | null => {
  const got = source.read(path);
  if (!got.ok) {
    report.add('error', 'KS_CONF_FILE', startOf(path), `${path} cannot be read: ${got.error}`);
    return null;
  }
  files.set(path, got.text);
  const nodes: Node[] = [];
  const tree = treeBuilder({
    report,
    take: (n) => nodes.push(n),
    unclosed: (root) => unclosedBlock(dpvsLanguage, root),
  });
  for (const [i, text] of got.text.split('\n').entries()) {
    const line = withoutRemarks(lineOf(path, i + 1, text));
    if (text.includes('\0'))
      report.add(
        'error',
        'KS_CONF_NUL',
        { file: path, line: i + 1, column: text.indexOf('\0') + 1, length: 1 },
        'a NUL byte',
      );
    else tree.line(line);
  }
  tree.finish();
  return dpvsConfig(report, nodes, startOf(path));
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const sorted = (list: readonly Diagnostic[]): readonly Diagnostic[] =>
  [...list].sort(
    (a, b) =>
      compare(a.place.file, b.place.file) ||
      a.place.line - b.place.line ||
      a.place.column - b.place.column ||
      severities[a.severity] - severities[b.severity],
  );

const guarded = (l: Loading, path: string, body: () => LoadedConfig['config']): LoadedConfig => {
  let config: LoadedConfig['config'] = null;
  try {
    config = body();
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    l.report.add('error', 'KS_CONF_INTERNAL', startOf(path), `the reader failed: ${why}`, {
      hint: 'this is a fault of Keelson; please report it with the file',
    });
  }
  const diagnostics = sorted(l.report.list);
  const failed = diagnostics.some((d) => d.severity === 'error');
  return { config: failed ? null : config, diagnostics, files: l.files };
};

const loading = (source: Source): Loading => ({
  source,
  files: new Map(),
  report: collector(),
});

const reportForeign = (report: Report, path: string, program: string): void =>
  report.add(
    'warning',
    'KS_CONF_FOREIGN',
    startOf(path),
    `recognised as a file of ${program}, not acted on yet`,
  );

/** A file of another program, recognised and not read; null: it is none. */
export const loadForeign = (source: Source, path: string): CheckedFile | null => {
  const got = source.read(path);
  const program = foreignFile(path, got.ok ? got.text : '');
  if (program === null) return null;
  const l = loading(source);
  if (got.ok) l.files.set(path, got.text);
  reportForeign(l.report, path, program);
  return { diagnostics: sorted(l.report.list), files: l.files };
};

const dirOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1) || '.';

/** Files of routing daemons beside keepalived.conf: nobody reads them, which must be known. */
const neighbours = ({ source, report }: Loading, path: string): void => {
  const found = source.glob('{bgpd,ospfd,ospf6d,zebra,frr,staticd,bfdd}.conf', dirOf(path));
  if ('error' in found) return;
  for (const p of found) {
    const program = foreignFile(p, '');
    if (program !== null) reportForeign(report, p, program);
  }
};

export const loadConfig = (
  source: Source,
  paths: ConfigPaths,
  options: LoadOptions = {},
): LoadedConfig => {
  const l = loading(source);
  return guarded(l, paths.keepalivedPath, () => {
    const { keepalivedPath, dpvsPath, hostName } = paths;
    const keepalived = keepalivedFrom(l, keepalivedPath, hostName, options.pattern ?? takesAll);
    const dpvs = dpvsFrom(l, dpvsPath);
    neighbours(l, keepalivedPath);
    // one cause, one error: without dpvs.conf every device would be missing
    if (dpvs === null) return null;
    const config = freeze({ keepalived, dpvs });
    crossChecks(config, l.report);
    if (!l.report.list.some((d) => d.severity === 'error'))
      reachability(config, options.machine ?? null, l.report);
    return config;
  });
};

const unseen = (l: Loading, path: string, what: string, partner: string): void =>
  l.report.add('info', 'KS_CONF_ALONE', startOf(path), `${what} was not looked at`, {
    hint: `check it together with its ${partner}, or give the directory of both`,
  });

/** keepalived.conf alone: what it refers to in dpvs.conf is not looked at. */
export const loadKeepalived = (
  source: Source,
  path: string,
  hostName: string,
  options: LoadOptions = {},
): CheckedFile => {
  const l = loading(source);
  return guarded(l, path, () => {
    const keepalived = keepalivedFrom(l, path, hostName, options.pattern ?? takesAll);
    crossChecks({ keepalived, dpvs: null }, l.report);
    unseen(l, path, 'what this file needs of dpvs.conf', 'dpvs.conf');
    return null;
  });
};

/** dpvs.conf alone. */
export const loadDpvs = (source: Source, path: string): CheckedFile => {
  const l = loading(source);
  return guarded(l, path, () => {
    dpvsFrom(l, path);
    unseen(l, path, 'what keepalived.conf needs of this file', 'keepalived.conf');
    return null;
  });
};
