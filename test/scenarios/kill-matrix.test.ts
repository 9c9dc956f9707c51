/**
 * The kill matrix: processes of a node are killed, ended, aborted and stopped, alone and together, on the active node and
 * on the backup, under load. KEELSON_MATRIX=long plays all pairs and stops of 30 s.
 */
import test from 'ava';
import { type Case, longMatrix, shortMatrix } from '../support/matrix/cases.js';
import { type Played, playCase, table } from '../support/matrix/play.js';
import { openScene, type Scene } from '../support/matrix/scene.js';

const cases: readonly Case[] = process.env['KEELSON_MATRIX'] === 'long' ? longMatrix : shortMatrix;
const only = process.env['KEELSON_MATRIX_CASES'];

let scene: Scene | null = null;
const played: Played[] = [];

test.before(async (t) => {
  t.timeout(3_600_000);
  scene = await openScene();
});
test.after.always(async () => {
  await scene?.close();
  process.stderr.write(`\n${table(played)}\n`);
});

for (const c of cases.filter((x) => only === undefined || x.name.match(only) !== null))
  test.serial(c.name, async (t) => {
    t.timeout(3_600_000);
    if (scene === null) throw new Error('there is no scene');
    const result = await playCase(scene, c);
    played.push(result);
    t.log(
      `gap ${result.gapMs} ms, failed ${result.failed}/${result.requests}, lost ${result.lost}, ` +
        `moves ${result.moves}, silence ${result.silenceMs} ms, two owners ${result.dualMs} ms`,
    );
    t.deepEqual(result.problems, []);
  });
