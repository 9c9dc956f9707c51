/**
 * `keelson check`: every diagnostic of the files, with a caret under its place. Errors come last, so
 * that they are seen; a line sums up, and names what is without effect.
 */
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Diagnostic, exitCode, renderDiagnostics } from '../config/diagnostics.js';
import { fileSource } from '../config/io.js';
import {
  type CheckedFile,
  type LoadOptions,
  loadConfig,
  loadDpvs,
  loadForeign,
  loadKeepalived,
} from '../config/load.js';
import { readMachine } from './machine.js';
import { patternCheck } from './patterns.js';

export interface CheckOptions {
  readonly files: readonly string[];
  readonly json: boolean;
  readonly strict: boolean;
  readonly hostName: string;
}

const isDirectory = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
};
const isDpvs = (path: string): boolean => basename(path).includes('dpvs');

/** A pair is checked together; a file alone only for what it can tell itself. */
export const checkFiles = (
  files: readonly string[],
  hostName: string,
  options: LoadOptions,
): readonly CheckedFile[] => {
  const paths = files.flatMap((f) =>
    isDirectory(f) ? [join(f, 'keepalived.conf'), join(f, 'dpvs.conf')] : [f],
  );
  const results: CheckedFile[] = [];
  const own = paths.filter((p) => {
    const foreign = loadForeign(fileSource, p);
    if (foreign !== null) results.push(foreign);
    return foreign === null;
  });
  const dpvs = own.filter(isDpvs);
  const keepalived = own.filter((p) => !isDpvs(p));
  const paired = new Set<string>();
  for (const k of keepalived) {
    const partner =
      dpvs.find((d) => dirname(d) === dirname(k) && !paired.has(d)) ??
      (keepalived.length === 1 && dpvs.length === 1 ? dpvs[0] : undefined);
    if (partner === undefined) results.push(loadKeepalived(fileSource, k, hostName, options));
    else {
      paired.add(partner);
      const pair = { keepalivedPath: k, dpvsPath: partner, hostName };
      results.push(loadConfig(fileSource, pair, options));
    }
  }
  for (const d of dpvs) if (!paired.has(d)) results.push(loadDpvs(fileSource, d));
  return results;
};

export const check = (o: CheckOptions): number => {
  const options = { machine: readMachine(), pattern: patternCheck() };
  const results = checkFiles(o.files, o.hostName, options);
  const diagnostics: readonly Diagnostic[] = results.flatMap((r) => r.diagnostics);
  const files = new Map(results.flatMap((r) => [...r.files]));
  if (o.json) process.stdout.write(`${JSON.stringify({ diagnostics }, null, 2)}\n`);
  else process.stdout.write(renderDiagnostics(diagnostics, files) || 'no complaints\n');
  return exitCode(diagnostics, o.strict);
};
