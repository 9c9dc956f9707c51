import test from 'ava';
import { encodeLine, readJournal, replayable, replayLines } from '../../../src/kernel/journal.js';
import { millis } from '../../../src/kernel/machine.js';
import { groupState, planGroups } from '../../../src/vrrp/groups.js';
import { vrrpKind } from '../../../src/vrrp/journal.js';
import { initial } from '../../../src/vrrp/state.js';
import { type MemberEffect, type MemberInput, syncGroup } from '../../../src/vrrp/syncgroup.js';
import { address, instance, packetsOf, startInputs } from '../../support/vrrp/simulation.js';

const id = 'eth0 51 inet';
const better = { ...initial(instance({ priority: 200 })), source: address('10.9.0.2') };

test('a journal with packets in it replays to the same effects and the same end', (t) => {
  const [plan] = planGroups([instance()], []);
  if (plan === undefined) return t.fail('nothing planned');
  const first = groupState(plan, () => undefined);
  const inputs: readonly (readonly [number, MemberInput | { readonly type: 'tick' }])[] = [
    ...startInputs('10.9.0.1').map((input) => [0, { type: 'member', member: id, input }] as const),
    [3609.375, { type: 'tick' }],
    ...packetsOf(better, 200).map(
      (bytes) => [4000, { type: 'member', member: id, input: { type: 'packet', bytes } }] as const,
    ),
  ];
  let state = first;
  const lived: MemberEffect[][] = [];
  const lines = [
    encodeLine({
      type: 'state',
      kind: vrrpKind.name,
      unit: id,
      state: vrrpKind.encodeState(first),
    }),
  ];
  for (const [at, input] of inputs) {
    const [next, effects] = syncGroup.step(state, input, millis(at));
    state = next;
    lived.push([...effects]);
    const line = { type: 'input', kind: vrrpKind.name, unit: id, at: millis(at) } as const;
    lines.push(encodeLine({ ...line, input: vrrpKind.encodeInput(input) }));
  }
  const again = [...replayLines(readJournal(lines.join('')), [replayable(vrrpKind)])];
  t.deepEqual(
    again.flatMap((s) => ('effects' in s ? [s.effects] : [])),
    lived,
  );
  t.is(state.members[id]?.phase.tag, 'backup');
  return undefined;
});
