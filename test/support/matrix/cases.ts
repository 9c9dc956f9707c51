/** The kill matrix: what is done to which processes of which node, and what it may cost. */
import type { ProcessName } from '../lab/processes.js';

export interface Case {
  readonly name: string;
  readonly node: 'a' | 'b';
  readonly processes: readonly ProcessName[];
  readonly signal: NodeJS.Signals;
  /** SIGSTOP: for so long, then SIGCONT. */
  readonly pauseMs: number;
  /** The role may move to the other node: the data plane or vrrp is away for longer than the peer waits. */
  readonly mayMove: boolean;
  /** Established connections may be lost: the sessions were in a data plane that died, or the role moved. */
  readonly mayLose: boolean;
}

const all: readonly ProcessName[] = [
  'supervisor',
  'controller',
  'vrrp',
  'healthcheck',
  'dataplane',
];
const control: readonly ProcessName[] = ['supervisor', 'controller', 'vrrp', 'healthcheck'];

const isAll = (processes: readonly ProcessName[]): boolean => processes.length === all.length;

const named = (
  verb: string,
  node: 'a' | 'b',
  processes: readonly ProcessName[],
  signal: NodeJS.Signals,
  pauseMs: number,
): Case => {
  const which = isAll(processes) ? 'all' : processes.join('+');
  const needsDataplane = processes.includes('dataplane');
  const isLong = pauseMs > 3000;
  const carries = needsDataplane || processes.includes('vrrp');
  const dies = signal !== 'SIGSTOP' && needsDataplane;
  // Nobody restarts a node whose supervisor has died together with what carries the role.
  const isOrphaned = signal !== 'SIGSTOP' && processes.includes('supervisor') && carries;
  const mayMove = node === 'a' && ((isLong && carries) || isOrphaned);
  return {
    name: `${verb} ${which} ${node === 'a' ? 'active' : 'backup'}`,
    node,
    processes,
    signal,
    pauseMs,
    mayMove,
    mayLose: mayMove || (node === 'a' && dies),
  };
};

const kill = (node: 'a' | 'b', ...processes: readonly ProcessName[]): Case =>
  named('KILL', node, processes, 'SIGKILL', 0);
const term = (node: 'a' | 'b', ...processes: readonly ProcessName[]): Case =>
  named('TERM', node, processes, 'SIGTERM', 0);
const abort = (node: 'a' | 'b', ...processes: readonly ProcessName[]): Case =>
  named('ABRT', node, processes, 'SIGABRT', 0);
const stop = (ms: number, node: 'a' | 'b', ...processes: readonly ProcessName[]): Case =>
  named(`STOP ${ms / 1000}`, node, processes, 'SIGSTOP', ms);

/** A supervisor that gets SIGTERM stops its node in order: that is not a fault and not in here. */
export const shortMatrix: readonly Case[] = [
  ...all.map((p) => kill('a', p)),
  ...(['controller', 'vrrp', 'healthcheck', 'dataplane'] as const).map((p) => term('a', p)),
  kill('a', 'supervisor', 'controller'),
  kill('a', 'controller', 'vrrp'),
  kill('a', 'vrrp', 'healthcheck'),
  kill('a', ...all),
  // With the interval before it still below three intervals, whenever it begins.
  ...all.map((p) => stop(1500, 'a', p)),
  // Resumed after the peer has taken over, and before the watcher would replace it.
  stop(4200, 'a', 'vrrp'),
  stop(12_000, 'a', 'vrrp'),
  stop(12_000, 'a', 'dataplane'),
  stop(12_000, 'a', 'controller', 'supervisor'),
  ...(['controller', 'vrrp', 'dataplane'] as const).map((p) => kill('b', p)),
];

const pairs = (of: readonly ProcessName[]): readonly (readonly [ProcessName, ProcessName])[] =>
  of.flatMap((p, i) => of.slice(i + 1).map((q) => [p, q] as const));

/** Half an hour: every process, every pair, every way. */
export const longMatrix: readonly Case[] = [
  ...shortMatrix,
  ...all.map((p) => abort('a', p)),
  ...pairs(all).map((p) => kill('a', ...p)),
  kill('a', ...control),
  ...all.map((p) => stop(30_000, 'a', p)),
  stop(30_000, 'a', 'vrrp', 'controller'),
  stop(30_000, 'a', 'dataplane', 'vrrp'),
  stop(30_000, 'a', 'dataplane', 'controller'),
  ...all.map((p) => kill('b', p)),
  ...all.map((p) => stop(30_000, 'b', p)),
];

/** A whole node that does not run for a while: a virtual machine that is paused or moved. */
export const pauses: readonly Case[] = [
  stop(1500, 'a', ...all),
  stop(8000, 'a', ...all),
  stop(8000, 'b', ...all),
];
export const longPauses: readonly Case[] = [...pauses, stop(30_000, 'a', ...all)];
