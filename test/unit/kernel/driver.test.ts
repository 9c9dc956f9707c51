import test from 'ava';
import { drive, type Entry } from '../../../src/kernel/driver.js';
import { replay } from '../../../src/kernel/journal.js';
import { after, type Machine, type Millis } from '../../../src/kernel/machine.js';
import { manualClock } from '../../support/kernel/clock.js';

interface State {
  readonly ticks: number;
  readonly next: Millis | null;
}
type Input = { readonly type: 'start' } | { readonly type: 'stop' };
type Effect = { readonly type: 'said'; readonly what: string };

/** Ticks every 10 ms between start and stop. */
const metronome: Machine<State, Input, Effect> = {
  deadline: (s) => s.next,
  step: (s, input, now) => {
    const said = (what: string): readonly Effect[] => [{ type: 'said', what: `${what}@${now}` }];
    if (input.type === 'start') return [{ ...s, next: after(now, 10) }, said('start')];
    if (input.type === 'stop') return [{ ...s, next: null }, said('stop')];
    return [{ ticks: s.ticks + 1, next: after(now, 10) }, said('tick')];
  },
};
const silent: State = { ticks: 0, next: null };

test('the driver wakes the machine at its deadlines and hands effects out in order', (t) => {
  const clock = manualClock();
  const said: string[] = [];
  const d = drive({
    machine: metronome,
    initial: silent,
    clock,
    perform: (e) => said.push(e.what),
  });
  d.feed({ type: 'start' });
  clock.moveTo(25);
  d.feed({ type: 'stop' });
  clock.moveTo(100);
  t.deepEqual(said, ['start@0', 'tick@10', 'tick@20', 'stop@25']);
  t.is(clock.pending(), 0);
});

test('input fed while effects are performed is taken after them', (t) => {
  const clock = manualClock();
  const said: string[] = [];
  const d = drive<State, Input, Effect>({
    machine: metronome,
    initial: silent,
    clock,
    perform: (e) => {
      if (e.what === 'start@0') d.feed({ type: 'stop' });
      said.push(e.what);
    },
  });
  d.feed({ type: 'start' });
  t.deepEqual(said, ['start@0', 'stop@0']);
  t.is(clock.pending(), 0);
});

test('a stopped driver has no timer and takes nothing', (t) => {
  const clock = manualClock();
  const said: string[] = [];
  const d = drive({
    machine: metronome,
    initial: silent,
    clock,
    perform: (e) => said.push(e.what),
  });
  d.feed({ type: 'start' });
  d.stop();
  d.feed({ type: 'start' });
  clock.moveTo(100);
  t.deepEqual(said, ['start@0']);
  t.is(clock.pending(), 0);
});

test('replaying the journal gives the same effects and the same state', (t) => {
  const clock = manualClock();
  const said: Effect[] = [];
  const journal: Entry<Input>[] = [];
  const d = drive({
    machine: metronome,
    initial: silent,
    clock,
    perform: (e) => said.push(e),
    journal: (entry) => journal.push(entry),
  });
  d.feed({ type: 'start' });
  clock.moveTo(55);
  d.feed({ type: 'stop' });
  const again = replay(metronome, silent, journal);
  t.deepEqual(
    again.steps.flatMap((s) => s.effects),
    said,
  );
  t.deepEqual(again.state, d.state());
  t.is(again.state.ticks, 5);
});
