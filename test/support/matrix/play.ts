/** Plays one case of the matrix in a scene, and says what it cost and what of that must not be. */
import { setTimeout as pause } from 'node:timers/promises';
import { longestGap, summarise } from '../lab/answers.js';
import { wallClock } from '../lab/load.js';
import { pidOf } from '../lab/processes.js';
import { signalIfThere } from '../lab/programs.js';
import { patience } from '../patience.js';
import type { Case } from './cases.js';
import { activeAddress, activeDownMs, type Scene } from './scene.js';
import { lostIn, ownersOf, rolesOf } from './watched.js';

export interface Played {
  readonly name: string;
  readonly gapMs: number;
  readonly failed: number;
  readonly requests: number;
  readonly lost: number;
  readonly moves: number;
  /** The active node's longest silence as the peer saw it. */
  readonly silenceMs: number;
  readonly dual: number;
  readonly dualMs: number;
  readonly problems: readonly string[];
}

/** On a machine that is too busy, real time decides what a case costs; the laws below hold all the same. */
const isQuiet = (): boolean => patience() <= 3;

const act = async (scene: Scene, c: Case): Promise<void> => {
  const node = scene[c.node];
  const pids = c.processes.map((name) => {
    const pid = pidOf(node.runDir, name);
    if (pid === null) throw new Error(`${name} of node ${c.node} does not run`);
    return pid;
  });
  // All are stopped first, so that none sees another one die.
  if (pids.length > 1) for (const pid of pids) signalIfThere(pid, 'SIGSTOP');
  for (const pid of pids) signalIfThere(pid, c.signal);
  if (c.signal !== 'SIGSTOP') {
    if (pids.length > 1 && c.signal !== 'SIGKILL')
      for (const pid of pids) signalIfThere(pid, 'SIGCONT');
    return;
  }
  await pause(c.pauseMs);
  for (const pid of pids) signalIfThere(pid, 'SIGCONT');
};

export async function playCase(scene: Scene, c: Case): Promise<Played> {
  await scene.settled(`before ${c.name}`);
  const wasQuiet = isQuiet();
  const answersBefore = scene.load.answers().length;
  const begun = wallClock();
  await act(scene, c);
  // The peer would take over now at the latest; then what is restarted or taken back settles.
  await pause(activeDownMs + 700);
  if (c.signal !== 'SIGSTOP' && c.processes.includes('supervisor')) {
    // Adopts what still runs, starts what does not.
    scene[c.node].start();
  }
  await scene.settled(`after ${c.name}`);
  const ended = wallClock();
  const seen = scene.seen().filter((s) => s.at >= begun);
  const answers = scene.load.answers().slice(answersBefore);
  const s = summarise(answers);
  const owners = ownersOf(seen);
  const roles = rolesOf(seen, begun, activeAddress);
  const figures = {
    name: c.name,
    gapMs: Math.round(longestGap(answers, begun, ended)),
    failed: s.errors,
    requests: s.requests,
    lost: lostIn(seen),
    moves: roles.moves,
    silenceMs: Math.round(roles.silenceMs),
    dual: owners.dual,
    dualMs: Math.round(owners.dualMs),
  };
  const strict = wasQuiet && isQuiet();
  const problems = [
    ...(owners.dual > 0
      ? [`two owners answered ${owners.dual} probes within ${figures.dualMs} ms`]
      : []),
    ...(owners.answered === 0 ? ['nobody answered any ARP probe'] : []),
    ...(s.wrong > 0 ? [`${s.wrong} wrong answers`] : []),
    // The peer has no other reason to take over than silence: this holds on any machine.
    ...(roles.moves > 0 && roles.silenceMs < 2900
      ? [`the role moved although the active node was silent for ${figures.silenceMs} ms only`]
      : []),
    ...(!c.mayMove && roles.moves > 0 && strict ? [`the role moved ${roles.moves} times`] : []),
    ...(!c.mayLose && figures.lost > 0 && (strict || roles.moves === 0)
      ? [`${figures.lost} established connections lost`]
      : []),
    ...(strict && !c.mayMove && c.mayLose && figures.gapMs > 2500
      ? [`${figures.gapMs} ms without an answer`]
      : []),
  ];
  return { ...figures, problems };
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

export const table = (played: readonly Played[]): string =>
  [
    row([
      'case',
      'longest HTTP gap',
      'failed',
      'connections lost',
      'moves',
      'silence',
      'two owners',
    ]),
    row(Array.from({ length: 7 }, () => '---')),
    ...played.map((p) =>
      row([
        p.name,
        `${p.gapMs} ms`,
        `${p.failed}/${p.requests}`,
        String(p.lost),
        String(p.moves),
        `${p.silenceMs} ms`,
        p.dual === 0 ? '-' : `${p.dualMs} ms`,
      ]),
    ),
  ].join('\n');
