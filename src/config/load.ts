/** Reads both files of a node: a value when there is no error, and everything the files have to say in any case. */
import type { ConfigPaths, LoadedConfig, Source } from './config.js';
import { crossChecks } from './cross.js';
import type { Diagnostic } from './diagnostics.js';
import { dpvsConfig, withoutRemarks } from './dpvs/dpvs.js';
import type { DpvsConfig } from './dpvs/types.js';
import { keepalivedConfig } from './keepalived/keepalived.js';
import { knownKeywords } from './keepalived/known.js';
import { readLines } from './keepalived/reader.js';
import type { KeepalivedConfig } from './keepalived/types.js';
import { collector, lineOf, type Node, type Report, type SourceLine, type Word } from './text.js';
import { buildTree, tokens } from './tree.js';
import { freeze } from './values.js';

const comments: ReadonlySet<string> = new Set(['#', '!']);
const severities = { error: 0, warning: 1, info: 2 } as const;

const treeOf = (lines: readonly SourceLine[], report: Report): readonly Node[] =>
  buildTree(
    lines.map((l) => tokens(l, comments, report)),
    report,
  );

const startOf = (file: string): Word => ({
  text: file,
  place: { file, line: 1, column: 1 },
  length: 1,
  quoted: false,
});

/** dpvs.conf has no includes and no definitions. */
const plainLines = (
  source: Source,
  path: string,
  files: Map<string, string>,
  report: Report,
): readonly SourceLine[] => {
  const got = source.read(path);
  if (!got.ok) {
    report.add('error', 'KS_CONF_FILE', startOf(path), `${path} cannot be read: ${got.error}`);
    return [];
  }
  files.set(path, got.text);
  return got.text.split('\n').map((text, i) => withoutRemarks(lineOf(path, i + 1, text)));
};

type Reading = ReturnType<typeof collector>;

const keepalivedFrom = (
  source: Source,
  path: string,
  hostName: string,
  files: Map<string, string>,
  report: Reading,
): KeepalivedConfig => {
  const configId = hostName.split('.')[0] ?? hostName;
  const lines = readLines(source, path, configId, files, report);
  return keepalivedConfig({ report, known: knownKeywords }, treeOf(lines, report), hostName);
};

const dpvsFrom = (
  source: Source,
  path: string,
  files: Map<string, string>,
  report: Reading,
): DpvsConfig => {
  const nodes = treeOf(plainLines(source, path, files, report), report);
  return dpvsConfig({ report, known: new Set() }, nodes, startOf(path));
};

const sorted = (list: readonly Diagnostic[]): readonly Diagnostic[] =>
  [...list].sort(
    (a, b) =>
      a.place.file.localeCompare(b.place.file) ||
      a.place.line - b.place.line ||
      a.place.column - b.place.column ||
      severities[a.severity] - severities[b.severity],
  );

export const loadConfig = (source: Source, paths: ConfigPaths): LoadedConfig => {
  const report = collector();
  const files = new Map<string, string>();
  const keepalived = keepalivedFrom(source, paths.keepalivedPath, paths.hostName, files, report);
  const dpvs = dpvsFrom(source, paths.dpvsPath, files, report);
  const config = freeze({ keepalived, dpvs });
  crossChecks(config, report);
  const diagnostics = sorted(report.list);
  const failed = diagnostics.some((d) => d.severity === 'error');
  return { config: failed ? null : config, diagnostics, files };
};

export type CheckedFile = Omit<LoadedConfig, 'config'>;

/** keepalived.conf alone: what it refers to in dpvs.conf is not looked at. */
export const loadKeepalived = (source: Source, path: string, hostName: string): CheckedFile => {
  const report = collector();
  const files = new Map<string, string>();
  keepalivedFrom(source, path, hostName, files, report);
  return { diagnostics: sorted(report.list), files };
};

/** dpvs.conf alone. */
export const loadDpvs = (source: Source, path: string): CheckedFile => {
  const report = collector();
  const files = new Map<string, string>();
  dpvsFrom(source, path, files, report);
  return { diagnostics: sorted(report.list), files };
};
