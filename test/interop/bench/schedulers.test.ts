/** The benchmark of schedulers runs and says everything it should; how fast anything is, no test judges. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { outputOf } from '../../support/programs/programs.js';

interface Pick {
  readonly scheduler: string;
  readonly workers: number;
  readonly thresholds: boolean;
  readonly real_servers: number;
  readonly ns: number;
}

test('every scheduler has a cost for every number of real servers', (t) => {
  const program = fileURLToPath(
    new URL('../../../../build/native/bench/schedulers', import.meta.url),
  );
  const text = outputOf([program, '--json', '--quick']).toString();
  const { picks } = JSON.parse(text) as { readonly picks: readonly Pick[] };
  t.is(new Set(picks.map((p) => p.scheduler)).size, 12);
  const kinds = picks.map((p) => [p.scheduler, p.workers, p.thresholds, p.real_servers].join());
  t.is(new Set(kinds).size, 12 * 2 * 2 * 3);
  for (const p of picks) t.true(p.ns > 0 && p.ns < 1e9, JSON.stringify(p));
});
