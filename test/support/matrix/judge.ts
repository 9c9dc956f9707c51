/** What of a case's figures must not be. Pure. */
import type { Case } from './cases.js';

export interface Figures {
  readonly name: string;
  readonly gapMs: number;
  readonly failed: number;
  readonly requests: number;
  readonly lost: number;
  /** How often the virtual address went to the other node. */
  readonly moves: number;
  /** The active node's longest silence as the peer saw it. */
  readonly silenceMs: number;
  /** Probes that two answered. */
  readonly dual: number;
  readonly dualMs: number;
}

/** Connections that are held open. */
export const connections = 30;

/** `vrrp of a` and its pid; null: it does not run. */
export type Pids = ReadonlyMap<string, number | null>;

/** What is wrong when a process that was hit has another pid afterwards; null: nothing. */
const wrongIfNew = (c: Case, strict: boolean): string | null => {
  if (c.signal !== 'SIGSTOP') return null;
  if (c.processes.includes('supervisor'))
    return 'was replaced by a watcher that did not run itself';
  // One that hangs for long may be killed by its watcher.
  return strict && c.pauseMs <= 3000 ? 'was replaced after a short stop' : null;
};

/** Who was replaced although nothing was done to it, and who was not although it was killed. */
export const replaced = (
  c: Case,
  before: Pids,
  after: Pids,
  strict: boolean,
): readonly string[] => {
  const hit = new Set(c.processes.map((name) => `${name} of ${c.node}`));
  const ifNew = wrongIfNew(c, strict);
  const ifOld = c.signal === 'SIGSTOP' ? null : `survived ${c.signal}`;
  return [...before].flatMap(([who, pid]) => {
    const isNew = after.get(who) !== pid;
    const hitProblem = isNew ? ifNew : ifOld;
    const problem = hit.has(who) ? hitProblem : isNew ? 'was replaced' : null;
    return problem === null ? [] : [`${who} ${problem}`];
  });
};

export interface Observed extends Figures {
  readonly wrong: number;
  readonly answered: number;
  /** The other node advertised. */
  readonly moved: boolean;
}

const those = (list: readonly (readonly [boolean, string])[]): readonly string[] =>
  list.flatMap(([is, what]) => (is ? [what] : []));

/** These hold on any machine, however busy. */
export const lawsBroken = (o: Observed): readonly string[] =>
  those([
    [o.dual > 0, `two owners answered ${o.dual} probes within ${o.dualMs} ms`],
    [o.answered === 0, 'nobody answered any ARP probe'],
    [o.wrong > 0, `${o.wrong} wrong answers`],
    // The peer has no other reason to take over than silence.
    [
      o.moved && o.silenceMs < 2900,
      `the role moved although the active node was silent for ${o.silenceMs} ms only`,
    ],
  ]);

/** Bounds of a quiet machine; `strict`: it is one. */
export const tooDear = (
  c: Case,
  f: Figures,
  moved: boolean,
  strict: boolean,
): readonly string[] => {
  const always = those([
    [!(c.mayLose || moved) && f.lost > 0, `${f.lost} established connections lost`],
  ]);
  if (!strict) return always;
  // There, and back by preemption; each costs every connection once.
  const mostMoves = c.mayMove ? 2 : 0;
  const mostLost = c.mayLose ? connections * Math.max(1, f.moves) : 0;
  return those([
    [f.moves > mostMoves, `the address moved ${f.moves} times, not ${mostMoves}`],
    [moved && !c.mayMove, 'the other node advertised'],
    [f.lost > mostLost, `${f.lost} established connections lost, not ${mostLost}`],
    [!c.mayMove && c.mayLose && f.gapMs > 2500, `${f.gapMs} ms without an answer`],
  ]);
};
