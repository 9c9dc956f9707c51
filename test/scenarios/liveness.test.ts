/** A node that does not run for a while: it sends and answers nothing before it has listened. KEELSON_MATRIX=long: 30 s. */
import test from 'ava';
import { longPauses, pauses } from '../support/matrix/cases.js';
import { playCase } from '../support/matrix/play.js';
import { openScene, type Scene } from '../support/matrix/scene.js';

let scene: Scene | null = null;

test.before(async (t) => {
  t.timeout(3_600_000);
  scene = await openScene();
});
test.after.always(async () => {
  await scene?.close();
});

for (const c of process.env['KEELSON_MATRIX'] === 'long' ? longPauses : pauses)
  test.serial(`a whole node is paused: ${c.name}`, async (t) => {
    t.timeout(3_600_000);
    if (scene === null) throw new Error('there is no scene');
    const result = await playCase(scene, c);
    t.log(
      `gap ${result.gapMs} ms, lost ${result.lost}, moves ${result.moves}, two owners ${result.dualMs} ms`,
    );
    t.deepEqual(result.problems, []);
  });
