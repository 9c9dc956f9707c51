/** The demo is the main job end to end, so it is a test: each step, with its bound, is one that must be seen. */
import test from 'ava';
import { play } from '../support/demo/play.js';
import { type StepResult, silent } from '../support/demo/step.js';
import { steps } from '../support/demo/steps.js';

let results: readonly StepResult[] = [];

test.before(async () => {
  const { signal } = new AbortController();
  await play({ prefix: `demo-${process.pid}-`, progress: silent, signal }, async (p) => {
    results = p.results;
  });
});

for (const step of steps) {
  test(step.title, (t) => {
    const result = results.find((r) => r.name === step.name);
    t.deepEqual(result?.problems, []);
    t.log(result?.figures.map((f) => `${f.name} ${f.value} ${f.unit}`).join(', '));
  });
}
