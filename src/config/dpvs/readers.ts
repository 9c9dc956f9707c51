/** Readers of single items. As in DPVS a bad value is a warning and the default is used; here it is said with its place. */
import type { Node, Word } from '../text.js';
import type { Context, Reader, Readers } from '../values.js';

export type Draft<T> = { -readonly [K in keyof T]: T[K] };

export const lenient = (c: Context, w: Word, expected: string): void =>
  c.report.add('warning', 'KS_CONF_VALUE', w, 'wrong value, the default is used', {
    found: `'${w.text}'`,
    expected,
  });

export const int =
  (c: Context, min: number, max: number, set: (n: number, w: Word) => void): Reader =>
  (n) => {
    const w = n.args[0];
    const expected = `a whole number from ${min} to ${max}`;
    if (w === undefined)
      c.report.add('warning', 'KS_CONF_MISSING', n.keyword, `'${n.keyword.text}' has no value`, {
        expected,
      });
    else if (!/^\d+$/.test(w.text) || Number(w.text) < min || Number(w.text) > max)
      lenient(c, w, expected);
    else set(Number(w.text), w);
  };

export const onOff =
  (c: Context, set: (b: boolean) => void): Reader =>
  (n) => {
    const w = n.args[0];
    if (w === undefined || ['on', 'enable', 'true'].includes(w.text)) set(true);
    else if (['off', 'disable', 'false'].includes(w.text)) set(false);
    else lenient(c, w, 'on or off');
  };

/** Items that are checked by nobody yet: accepted, and said to be without effect. */
export const inert = (c: Context, names: readonly string[]): Readers =>
  Object.fromEntries(
    names.map((name) => [
      name,
      (n: Node) =>
        c.report.add(
          'info',
          'KS_CONF_NOT_ACTED_ON',
          n.keyword,
          `'${name}' is read and not acted on`,
        ),
    ]),
  );
