import test from 'ava';
import { type HeardLine, heardLog } from '../../../src/vrrp/heard-log.js';
import { manualClock } from '../../support/kernel/clock.js';

test('a flood of one kind is a line at once and one a second, and none is uncounted', (t) => {
  const clock = manualClock();
  const lines: HeardLine[] = [];
  const heard = heardLog(clock, (_key, line) => lines.push(line));
  for (let i = 0; i < 10_000; i++) {
    heard('eth0 51 inet lower', `advert ${i}`);
    if (i % 1000 === 999) clock.moveTo(clock.now() + 300);
  }
  clock.moveTo(clock.now() + 5000);
  t.true(lines.length <= 5, `${lines.length} lines`);
  t.is(
    lines.reduce((n, l) => n + Math.max(1, l.repeated), 0),
    10_000,
  );
  t.is(lines.at(-1)?.msg, 'advert 9999');
});

test('kinds do not hide each other, and a quiet second starts anew', (t) => {
  const clock = manualClock();
  const lines: string[] = [];
  const heard = heardLog(clock, (key, line) => lines.push(`${key}: ${line.msg}`));
  heard('a', 'one');
  heard('b', 'two');
  clock.moveTo(clock.now() + 1500);
  heard('a', 'three');
  t.deepEqual(lines, ['a: one', 'b: two', 'a: three']);
});
