/** Plays the steps one after the other; the first that could not be done ends the play. */
import { capture } from '../lab/capture.js';
import { buildNetwork, type Network } from './network.js';
import type { Progress, StepResult } from './step.js';
import { type Step, steps } from './steps.js';

export interface Play {
  readonly results: readonly StepResult[];
  readonly network: Network;
}

export const allSeen = (results: readonly StepResult[]): boolean =>
  results.length === steps.length && results.every((r) => r.ok);

export interface PlayOptions {
  readonly prefix: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The network stays until its lab is closed, by whoever asked for the play. */
export async function play(o: PlayOptions, use: (p: Play) => Promise<void>): Promise<void> {
  const network = await buildNetwork(o.prefix);
  const aborted = new Promise<never>((_, reject) => {
    o.signal.addEventListener('abort', () => reject(new Error('broken off')), { once: true });
  });
  // Nobody may be waiting when it comes.
  aborted.catch(() => undefined);
  try {
    await Promise.race([aborted, playIn(network, o, use)]);
  } finally {
    await network.lab.close();
  }
}

async function playIn(
  network: Network,
  o: PlayOptions,
  use: (p: Play) => Promise<void>,
): Promise<void> {
  const captures = [await capture(network.lab, 'wan'), await capture(network.lab, 'lan')];
  const scene = { network, captures, progress: o.progress };
  const results: StepResult[] = [];
  for (const step of steps) {
    o.progress.begin(step.title);
    const result = await playStep(step, scene);
    o.progress.end(result);
    results.push(result);
    if (result.figures.length === 0 && !result.ok) break;
  }
  await use({ results, network });
}

async function playStep(step: Step, scene: Parameters<Step['run']>[0]): Promise<StepResult> {
  const named = { name: step.name, title: step.title };
  try {
    const { figures, problems } = await step.run(scene);
    return { ...named, figures, problems, ok: problems.length === 0 };
  } catch (e) {
    const problem = e instanceof Error ? e.message : String(e);
    return { ...named, figures: [], problems: [problem], ok: false };
  }
}
