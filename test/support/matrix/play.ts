/** Plays one case of the matrix in a scene, and says what it cost and what of that must not be. */
import { setTimeout as pause } from 'node:timers/promises';
import { longestGap, summarise } from '../lab/answers.js';
import { wallClock } from '../lab/load.js';
import { pidOf, processNames } from '../lab/processes.js';
import { signalIfThere } from '../lab/programs.js';
import { patience } from '../patience.js';
import type { Case } from './cases.js';
import { type Figures, lawsBroken, type Pids, replaced, tooDear } from './judge.js';
import { activeAddress, activeDownMs, type Scene } from './scene.js';
import { lostIn, ownersOf, rolesOf } from './watched.js';

export interface Played extends Figures {
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

const pidsOf = (scene: Scene): Pids =>
  new Map(
    [scene.a, scene.b].flatMap((node) =>
      processNames.map((name) => [`${name} of ${node.host}`, pidOf(node.runDir, name)] as const),
    ),
  );

export async function playCase(scene: Scene, c: Case): Promise<Played> {
  await scene.settled(`before ${c.name}`);
  const wasQuiet = isQuiet();
  const pidsBefore = pidsOf(scene);
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
  const all = scene.seen();
  const seen = all.filter((s) => s.at >= begun);
  const before = all.filter((s) => s.at < begun && s.at > begun - 5000);
  const answers = scene.load.answers().slice(answersBefore);
  const s = summarise(answers);
  const owners = ownersOf(seen, before);
  const roles = rolesOf(seen, begun, activeAddress, before);
  const figures = {
    name: c.name,
    gapMs: Math.round(longestGap(answers, begun, ended)),
    failed: s.errors,
    requests: s.requests,
    lost: lostIn(seen),
    moves: owners.moves,
    silenceMs: Math.round(roles.silenceMs),
    dual: owners.dual,
    dualMs: Math.round(owners.dualMs),
  };
  const strict = wasQuiet && isQuiet();
  const problems = [
    ...replaced(c, pidsBefore, pidsOf(scene), strict),
    ...lawsBroken({ ...figures, wrong: s.wrong, answered: owners.answered, moved: roles.moved }),
    ...tooDear(c, figures, roles.moved, strict),
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
