/** What tests must not leave behind: processes, network namespaces, mounts, huge pages, files of DPDK. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { patience } from '../../test/support/patience.js';

export interface Traces {
  /** `pid command line`; the reader and those above it are not among them. */
  readonly processes: readonly string[];
  readonly namespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly hugePages: readonly string[];
}

const listed = (dir: string): readonly string[] => {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
};

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

const parentOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);

const ancestry = (pid: number): readonly number[] =>
  pid <= 0 ? [] : [pid, ...ancestry(parentOf(pid))];

/** Ended processes whose parent has not asked yet run no more and hold nothing. */
const isZombie = (pid: string): boolean => /^State:\s*Z/m.test(textOf(`/proc/${pid}/status`));

const processes = (): readonly string[] => {
  const own = new Set(ancestry(process.pid));
  return listed('/proc')
    .filter((name) => /^\d+$/.test(name) && !own.has(Number(name)) && !isZombie(name))
    .map((pid) => `${pid} ${textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()}`)
    .filter((text) => text.includes(' ') && !text.endsWith(' '));
};

const mounts = (): readonly string[] =>
  textOf('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    // `ip netns add` makes /run/netns a mount of its own and leaves it so.
    .filter((where) => where !== '' && where !== '/run/netns');

const hugePages = (): readonly string[] => {
  const inUse = (text: string, key: string): number =>
    Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const info = textOf('/proc/meminfo');
  const used = inUse(info, 'HugePages_Total') - inUse(info, 'HugePages_Free');
  return [`in use: ${used}`, ...listed('/dev/hugepages')];
};

export const traces = (): Traces => ({
  processes: processes(),
  namespaces: listed('/run/netns'),
  mounts: mounts(),
  hugePages: hugePages(),
});

const without = (now: readonly string[], before: readonly string[]): readonly string[] => {
  const left = [...now];
  for (const item of before) {
    const at = left.indexOf(item);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
};

/** One line for each trace of `now` that was not there `before`. */
export const leftBehind = (before: Traces, now: Traces): readonly string[] => [
  ...without(now.processes, before.processes).map((p) => `process ${p}`),
  ...without(now.namespaces, before.namespaces).map((n) => `network namespace ${n}`),
  ...without(now.mounts, before.mounts).map((m) => `mount ${m}`),
  ...without(now.hugePages, before.hugePages).map((h) => `huge pages, ${h}`),
];

/** Programs that were told to end may need a moment; what is still there after it was left behind. */
export async function settledLeftovers(
  before: Traces,
  now: () => Traces = traces,
): Promise<readonly string[]> {
  const begun = performance.now();
  for (;;) {
    const left = leftBehind(before, now());
    if (left.length === 0 || performance.now() - begun > 2000 * patience()) return left;
    await pause(100);
  }
}

/**
 * Takes away what a suite left behind, so that it does not disturb the next: kills its processes, deletes its network
 * namespaces, unmounts. Only inside a sandbox, where nothing belongs to anybody else.
 */
export function sweep(before: Traces): void {
  if (process.env['KEELSON_SANDBOX'] !== '1') return;
  for (const entry of without(processes(), before.processes)) {
    try {
      process.kill(Number.parseInt(entry, 10), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const name of without(listed('/run/netns'), before.namespaces))
    spawnSync('ip', ['netns', 'delete', name]);
  for (const where of [...without(mounts(), before.mounts)].reverse())
    spawnSync('umount', ['-l', where]);
}
