/**
 * static_ipaddress and static_routes on the kernel's side: the one place where the node's own addresses are written; the data plane
 * mirrors them from the kernel. Done by ip(8), because it is there wherever a network is configured.
 */
import { execFile } from 'node:child_process';
import type { KernelPlan } from '../cluster/plan.js';

const run = (args: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    execFile('ip', args, { timeout: 5000 }, (error, _out, stderr) =>
      resolve(error === null ? null : stderr.trim() || error.message),
    );
  });

/** `default` does not tell by itself. */
const familyOf = (destination: string): readonly string[] =>
  destination.includes(':') ? ['-6'] : [];

/** One `ip` command line a wish. */
const commands = (plan: KernelPlan): readonly (readonly string[])[] => [
  ...plan.addresses.map((a) => [
    'address',
    'replace',
    `${a.address}/${a.prefixLength}`,
    'dev',
    a.dev,
  ]),
  ...plan.routes.map((r) => [
    ...familyOf(r.destination),
    'route',
    'replace',
    r.prefixLength === 0 ? 'default' : `${r.destination}/${r.prefixLength}`,
    ...(r.via === null ? [] : ['via', r.via]),
    ...(r.dev === null ? [] : ['dev', r.dev]),
    ...(r.src === null ? [] : ['src', r.src]),
    ...(r.metric === null ? [] : ['metric', String(r.metric)]),
  ]),
];

/** What an earlier plan had and this one has not, as deletions. */
const removals = (before: KernelPlan | null, plan: KernelPlan): readonly (readonly string[])[] => {
  const kept = new Set(plan.addresses.map((a) => `${a.dev} ${a.address}/${a.prefixLength}`));
  const routes = new Set(plan.routes.map((r) => `${r.destination}/${r.prefixLength}`));
  return [
    ...(before?.routes ?? [])
      .filter((r) => !routes.has(`${r.destination}/${r.prefixLength}`))
      .map((r) => [
        ...familyOf(r.destination),
        'route',
        'del',
        r.prefixLength === 0 ? 'default' : `${r.destination}/${r.prefixLength}`,
      ]),
    ...(before?.addresses ?? [])
      .filter((a) => !kept.has(`${a.dev} ${a.address}/${a.prefixLength}`))
      .map((a) => ['address', 'del', `${a.address}/${a.prefixLength}`, 'dev', a.dev]),
  ];
};

/** Brings the kernel to `plan`; resolves with one line for each command that failed. */
export const applyKernelPlan = async (
  plan: KernelPlan,
  before: KernelPlan | null,
): Promise<readonly string[]> => {
  const failures: string[] = [];
  for (const args of [...removals(before, plan), ...commands(plan)]) {
    const failed = await run(args);
    if (failed !== null) failures.push(`ip ${args.join(' ')}: ${failed}`);
  }
  return failures;
};
