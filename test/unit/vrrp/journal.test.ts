import test from 'ava';
import { drive } from '../../../src/kernel/driver.js';
import { groupState, planGroups } from '../../../src/vrrp/groups.js';
import { encodeLine, replayJournal } from '../../../src/vrrp/journal.js';
import { initial } from '../../../src/vrrp/state.js';
import { type MemberEffect, syncGroup } from '../../../src/vrrp/syncgroup.js';
import { manualClock } from '../../support/kernel/clock.js';
import { address, instance, packetsOf, startInputs } from '../../support/vrrp/simulation.js';

test('a journal as text, lived again, has the same effects and the same end', (t) => {
  const clock = manualClock();
  const effects: MemberEffect[] = [];
  const lines: string[] = [];
  const [plan] = planGroups([instance()], []);
  if (plan === undefined) return t.fail('nothing planned');
  const begin = groupState(plan, () => undefined);
  lines.push(encodeLine({ unit: plan.key, initial: begin }));
  const driver = drive({
    machine: syncGroup,
    initial: begin,
    clock,
    perform: (e) => effects.push(e),
    journal: (entry) => lines.push(encodeLine({ unit: plan.key, entry })),
  });
  const member = plan.key;
  for (const input of startInputs('10.9.0.5')) driver.feed({ type: 'member', member, input });
  clock.moveTo(6000.25);
  const peer = { ...initial(instance()), source: address('10.9.0.2') };
  for (const bytes of packetsOf(peer, 200))
    driver.feed({ type: 'member', member, input: { type: 'packet', bytes } });
  clock.moveTo(12_000);

  // The last line is one that a crash cut off.
  const again = replayJournal(`${lines.join('\n')}\n{"unit":"eth0 5`);
  t.deepEqual(
    again.steps.flatMap((s) => s.effects),
    effects,
  );
  t.deepEqual(again.states.get(plan.key), driver.state());
  const moves = effects.flatMap(({ effect: e }) => (e.type === 'transition' ? [e.to] : []));
  t.deepEqual(moves, ['backup', 'active', 'backup', 'active']);
  return undefined;
});
