/**
 * The kernel interfaces of a data plane outlive it, so that the next one attaches to them. Where the
 * node is stopped after its data plane died, nobody else removes them. They are known by their alias
 * (native/dpdk/kni.c): who made them.
 */
import { execFile } from 'node:child_process';

/** One run of ip(8); rejects with its message. */
export type RunIp = (args: readonly string[]) => Promise<string>;

const timeoutMs = 10_000;
const mark = 'keelson-dataplane ';
/** As much of the owner as the alias holds. */
const longestOwner = 64;

const runIp: RunIp = (args) =>
  new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, maxBuffer: 64 << 20 };
    execFile('ip', [...args], options, (error, out) =>
      error === null ? resolve(out) : reject(error),
    );
  });

/** The alias of what a data plane with this command line makes. */
export const aliasOf = (dataplaneArgs: readonly string[]): string | null => {
  const own = dataplaneArgs.includes('--')
    ? dataplaneArgs.slice(0, dataplaneArgs.indexOf('--'))
    : dataplaneArgs;
  const after = (option: string): string | null => {
    const at = own.indexOf(option);
    return at < 0 ? null : (own[at + 1] ?? null);
  };
  const owner = after('--file-prefix') ?? after('--socket');
  return owner === null ? null : `${mark}${owner.slice(0, longestOwner)}`;
};

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
}

/** Names of those that were removed; to be called when the data plane does not run any more. */
export const removeLeftInterfaces = async (
  dataplaneArgs: readonly string[],
  run: RunIp = runIp,
): Promise<readonly string[]> => {
  const alias = aliasOf(dataplaneArgs);
  if (alias === null) return [];
  const links = JSON.parse((await run(['-j', 'link', 'show'])) || '[]') as readonly Link[];
  const names = links.filter((l) => l.ifalias === alias).map((l) => l.ifname);
  for (const name of names) await run(['link', 'delete', 'dev', name]);
  return names;
};
