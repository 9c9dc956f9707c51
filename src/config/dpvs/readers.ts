/** Readers of single items. As in DPVS a bad value is a warning with its place, and the default is used. */
import type { Word } from '../text.js';
import { type Context, noMore, type Reader } from '../values.js';

export const lenient = (c: Context, w: Word, expected: string): void =>
  c.report.add('warning', 'KS_CONF_VALUE', w, 'wrong value, the default is used', {
    found: `'${w.text}'`,
    expected,
  });

export const int =
  <D>(min: number, max: number, set: (d: D, n: number, c: Context, w: Word) => void): Reader<D> =>
  (c, n, d) => {
    const w = n.args[0];
    const expected = `a whole number from ${min} to ${max}`;
    if (w === undefined)
      c.report.add('warning', 'KS_CONF_MISSING', n.keyword, `'${n.keyword.text}' has no value`, {
        expected,
      });
    else if (!/^\d+$/.test(w.text) || Number(w.text) < min || Number(w.text) > max)
      lenient(c, w, expected);
    else set(d, Number(w.text), c, w);
    noMore(c, n, 1);
  };

const truths: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['enable', true],
  ['true', true],
  ['off', false],
  ['disable', false],
  ['false', false],
]);

export const onOff =
  <D>(set: (d: D, b: boolean) => void): Reader<D> =>
  (c, n, d) => {
    const w = n.args[0];
    const value = w === undefined ? true : truths.get(w.text);
    if (value !== undefined) set(d, value);
    else if (w !== undefined) lenient(c, w, 'on or off');
    noMore(c, n, 1);
  };

/** An item that decides nothing while it is off; `report` says what is lost when it is on. */
export const whenOn =
  <D>(report: (c: Context, at: Word) => void): Reader<D> =>
  (c, n, d) =>
    onOff<D>((_d, on) => {
      if (on) report(c, n.keyword);
    })(c, n, d);
