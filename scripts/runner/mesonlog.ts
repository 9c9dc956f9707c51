/**
 * Reads meson-logs/testlog.json: a JSON object a line, one a test program. A program that prints `ok NAME` for each of
 * its cases counts by cases, another one counts as one. Anything but OK is one failure, a skipped program too.
 */
import { add, emptyTally, failure, type Tally } from './tally.js';

const lastLines = (text: string, count: number): string =>
  text.trimEnd().split('\n').slice(-count).join('\n');

const textOf = (record: object, key: string): string => {
  const value: unknown = Reflect.get(record, key);
  return typeof value === 'string' ? value : '';
};

const readProgram = (line: string): Tally => {
  const record: unknown = JSON.parse(line);
  if (typeof record !== 'object' || record === null)
    return failure('unreadable line in the log of meson', line);
  const out = textOf(record, 'stdout');
  const cases = out.match(/^ok /gm)?.length ?? 0;
  if (textOf(record, 'result') === 'OK') return { passed: Math.max(1, cases), failures: [] };
  const detail = `${lastLines(out, 10)}\n${lastLines(textOf(record, 'stderr'), 60)}`;
  return add(
    { passed: cases, failures: [] },
    failure(`${textOf(record, 'name')}: ${textOf(record, 'result')}`, detail.trim()),
  );
};

export const readMesonLog = (text: string): Tally =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map(readProgram)
    .reduce(add, emptyTally);
