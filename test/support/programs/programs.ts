/**
 * The one place through which tests start programs. A program must be part of Node.js, of this checkout, compiled by
 * the test itself, or of a Debian package that scripts/setup installs; so a test cannot need what a fresh machine lacks.
 * Names are looked up in the system's directories only: PATH may have a bundler's `nft` or another Python first.
 */
import {
  type ChildProcess,
  execFileSync,
  type ForkOptions,
  fork,
  type SpawnOptions,
  type SpawnSyncReturns,
  spawn,
  spawnSync,
} from 'node:child_process';
import { accessSync, constants, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  namedPackages,
  notFound,
  notNamed,
  programsOf,
  readInstalled,
  readOwners,
  reliable,
  rowFormat,
  unowned,
} from './packages.js';

export const root = fileURLToPath(new URL('../../../../', import.meta.url));
const directories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const;

const dpkg = (...argv: readonly string[]): string =>
  spawnSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout ?? '';

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const locate = (program: string): string => {
  if (program.includes('/')) return program;
  const found = directories.map((d) => `${d}/${program}`).find(isExecutable);
  if (found === undefined) throw new Error(notFound(program, directories));
  return found;
};

/** The file and every link on the way to it, also by the names they had before /usr was merged. */
const namesOf = (file: string): readonly string[] => {
  const hops: string[] = [];
  for (let at: string | null = file; at !== null && hops.length < 10; ) {
    hops.push(at);
    try {
      at = path.resolve(path.dirname(at), readlinkSync(at));
    } catch {
      at = null;
    }
  }
  const names = [...hops, realpathSync(file)];
  return [...new Set(names.flatMap((n) => [n, n.replace(/^\/usr\/(s?bin)\//, '/$1/')]))];
};

let allowed: ReadonlySet<string> | null = null;
const allowedPackages = (): ReadonlySet<string> => {
  if (allowed !== null) return allowed;
  const named = namedPackages(readFileSync(path.join(root, 'scripts/packages'), 'utf8'));
  allowed = reliable(named, readInstalled(dpkg('dpkg-query', '-W', `-f=${rowFormat}`)));
  return allowed;
};

const isOurs = (file: string): boolean =>
  [root, `${tmpdir()}/`, path.dirname(realpathSync(process.execPath))].some((dir) =>
    path.resolve(file).startsWith(dir),
  ) || path.resolve(file) === process.execPath;

/** `file`, when it belongs to one of `packages`. */
export function owned(program: string, file: string, packages: ReadonlySet<string>): string {
  const owners = readOwners(dpkg('dpkg', '-S', ...namesOf(file)));
  if (owners.length === 0) throw new Error(unowned(program, file));
  if (!owners.some((o) => packages.has(o))) throw new Error(notNamed(program, file, owners));
  return file;
}

const checked = new Map<string, string>();

/** The file to start for `program`; throws, with what to do about it, when the program may be missing elsewhere. */
export function checkedProgram(program: string): string {
  const known = checked.get(program);
  if (known !== undefined) return known;
  const located = locate(program);
  const file = isOurs(located) ? located : owned(program, located, allowedPackages());
  checked.set(program, file);
  return file;
}

/** The command line with each program replaced by its file. */
export const checkedArgv = (argv: readonly string[]): readonly [string, ...string[]] => {
  const programs = new Set(programsOf(argv));
  const [program = '', ...rest] = argv.map((word, i) =>
    programs.has(i) ? checkedProgram(word) : word,
  );
  return [program, ...rest];
};

export const spawnProgram = (argv: readonly string[], o: SpawnOptions): ChildProcess => {
  const [program, ...args] = checkedArgv(argv);
  return spawn(program, args, o);
};

/** `input` is its standard input; the result says how it ended, whichever way. */
export const askProgram = (
  argv: readonly string[],
  o: {
    readonly input?: string;
    readonly timeout?: number;
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
  } = {},
): SpawnSyncReturns<string> => {
  const [program, ...args] = checkedArgv(argv);
  return spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...o });
};

/** Runs to the end and gives the standard output; throws when the exit code is not 0. */
export const outputOf = (
  argv: readonly string[],
  o: { readonly input?: string; readonly timeout?: number } = {},
): Buffer => {
  const [program, ...args] = checkedArgv(argv);
  return execFileSync(program, args, { maxBuffer: 64 << 20, stdio: 'pipe', ...o });
};

/** Another Node.js process with a channel to this one; `execPath` may be a wrapper such as `ip`. */
export const forkModule = (
  entry: string,
  args: readonly string[] = [],
  o: ForkOptions = {},
): ChildProcess =>
  fork(entry, args, o.execPath === undefined ? o : { ...o, execPath: checkedProgram(o.execPath) });
