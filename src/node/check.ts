/** `keelson check`: everything the files have to say, with a caret under the place. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Diagnostic, exitCode, renderDiagnostics } from '../config/diagnostics.js';
import { fileSource } from '../config/io.js';
import { loadConfig, loadDpvs, loadKeepalived } from '../config/load.js';

export interface CheckOptions {
  readonly files: readonly string[];
  readonly json: boolean;
  readonly strict: boolean;
  readonly hostName: string;
}

interface Checked {
  readonly diagnostics: readonly Diagnostic[];
  readonly files: ReadonlyMap<string, string>;
}

const isDirectory = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();
const isDpvs = (path: string): boolean => basename(path).includes('dpvs');

/** A pair is checked together; a file alone only for what it can tell itself. */
const checkAll = (o: CheckOptions): readonly Checked[] => {
  const paths = o.files.flatMap((f) =>
    isDirectory(f) ? [join(f, 'keepalived.conf'), join(f, 'dpvs.conf')] : [f],
  );
  const dpvs = paths.filter(isDpvs);
  const keepalived = paths.filter((p) => !isDpvs(p));
  const paired = new Set<string>();
  const results: Checked[] = [];
  for (const k of keepalived) {
    const partner =
      dpvs.find((d) => dirname(d) === dirname(k) && !paired.has(d)) ??
      (keepalived.length === 1 && dpvs.length === 1 ? dpvs[0] : undefined);
    if (partner === undefined) {
      results.push(loadKeepalived(fileSource, k, o.hostName));
      continue;
    }
    paired.add(partner);
    results.push(
      loadConfig(fileSource, { keepalivedPath: k, dpvsPath: partner, hostName: o.hostName }),
    );
  }
  for (const d of dpvs) if (!paired.has(d)) results.push(loadDpvs(fileSource, d));
  return results;
};

export const check = (o: CheckOptions): number => {
  const results = checkAll(o);
  const diagnostics = results.flatMap((r) => r.diagnostics);
  const files = new Map(results.flatMap((r) => [...r.files]));
  if (o.json) process.stdout.write(`${JSON.stringify({ diagnostics }, null, 2)}\n`);
  else process.stdout.write(renderDiagnostics(diagnostics, files) || 'no complaints\n');
  return exitCode(diagnostics, o.strict);
};
