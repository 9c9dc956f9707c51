/**
 * static_ipaddress and static_routes on the kernel's side: the one place where the node's own
 * addresses are written; the data plane mirrors them from the kernel. Done by ip(8), because it is
 * there wherever a network is configured, and by one run of it for all of a plan.
 */
import { execFile } from 'node:child_process';
import type { KernelPlan } from '../cluster/plan.js';

type Route = KernelPlan['routes'][number];

/** A route as ip(8) writes it; a deletion names all of it, so that it meets no route of others. */
const routeText = (r: Route): string =>
  [
    `${r.destination}/${r.prefixLength}`,
    ...(r.via === null ? [] : [`via ${r.via}`]),
    ...(r.dev === null ? [] : [`dev ${r.dev}`]),
    ...(r.src === null ? [] : [`src ${r.src}`]),
    ...(r.metric === null ? [] : [`metric ${r.metric}`]),
  ].join(' ');

/** Linux keeps one route for each destination and metric; `replace` finds it by both. */
const routeKey = (r: Route): string => `${r.destination}/${r.prefixLength} ${r.metric ?? '-'}`;

/** One `ip` command line for each address and route. */
const commands = (plan: KernelPlan): readonly string[] => [
  ...plan.addresses.map((a) => `address replace ${a.address}/${a.prefixLength} dev ${a.dev}`),
  ...plan.routes.map((r) => `route replace ${routeText(r)}`),
];

/** What an earlier plan had and this one has not, as deletions. */
const removals = (before: KernelPlan | null, plan: KernelPlan): readonly string[] => {
  const kept = new Set(plan.addresses.map((a) => `${a.dev} ${a.address}/${a.prefixLength}`));
  const routes = new Set(plan.routes.map(routeKey));
  return [
    ...(before?.routes ?? [])
      .filter((r) => !routes.has(routeKey(r)))
      .map((r) => `route del ${routeText(r)}`),
    ...(before?.addresses ?? [])
      .filter((a) => !kept.has(`${a.dev} ${a.address}/${a.prefixLength}`))
      .map((a) => `address del ${a.address}/${a.prefixLength} dev ${a.dev}`),
  ];
};

/** What one run of `ip -batch` came to: null when all is well, else what it wrote about it. */
export type RunBatch = (lines: readonly string[]) => Promise<string | null>;

const timeoutMs = 60_000;

const runIp: RunBatch = (lines) =>
  new Promise((resolve) => {
    const child = execFile(
      'ip',
      ['-force', '-batch', '-'],
      { timeout: timeoutMs, maxBuffer: 16 << 20 },
      (error, _out, stderr) => resolve(error === null ? null : stderr.trim() || error.message),
    );
    // A program that ends early is reported by its exit.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${lines.join('\n')}\n`);
  });

/** What a deletion is answered when there is nothing to delete: an interface that is new, say. */
const isGone = (command: string, answer: string): boolean =>
  / del /.test(command) &&
  /No such process|Cannot assign requested address|Cannot find device/.test(answer);

/** With -force, ip goes on after a failure: what went wrong, then `Command failed -:LINE`. */
const failuresIn = (text: string, lines: readonly string[]): readonly string[] => {
  const failures: string[] = [];
  let said: string[] = [];
  for (const line of text.split('\n')) {
    const at = /^Command failed -:(\d+)$/.exec(line)?.[1];
    if (at === undefined) said.push(line);
    else {
      const command = lines[Number(at) - 1] ?? '';
      if (!isGone(command, said.join(' '))) failures.push(`ip ${command}: ${said.join(' ')}`);
      said = [];
    }
  }
  return said.length === 0 ? failures : [...failures, `ip -batch: ${said.join(' ')}`];
};

/** Brings the kernel to `plan`; resolves with one line for each command that failed. */
export const applyKernelPlan = async (
  plan: KernelPlan,
  before: KernelPlan | null,
  run: RunBatch = runIp,
): Promise<readonly string[]> => {
  const lines = [...removals(before, plan), ...commands(plan)];
  if (lines.length === 0) return [];
  const text = await run(lines);
  return text === null ? [] : failuresIn(text, lines);
};
