/**
 * Reads TAP as ava writes it: `ok N - title`, `not ok N - title`, indented YAML and `#` comments behind the failure they
 * belong to. A test that was skipped or is only planned counts as failed: a result nobody has seen is none.
 */
import { emptyTally, type Failure, type Tally } from './tally.js';

const result = /^(not )?ok\b(?: \d+)?(?: -)? ?(.*)$/;
const directive = /# ?(SKIP|TODO)\b/i;

export const readTap = (text: string): Tally => {
  let passed = 0;
  const failures: { title: string; detail: string[] }[] = [];
  let open: { title: string; detail: string[] } | null = null;
  for (const line of text.split('\n')) {
    const found = result.exec(line);
    if (found === null) {
      if (open !== null && /^\s|^#/.test(line)) open.detail.push(line);
      continue;
    }
    const title = found[2] ?? '';
    if (found[1] === undefined && !directive.test(title)) {
      passed++;
      open = null;
      continue;
    }
    open = { title, detail: [] };
    failures.push(open);
  }
  const told: readonly Failure[] = failures.map((f) => ({
    title: f.title,
    detail: f.detail.join('\n'),
  }));
  return { ...emptyTally, passed, failures: told };
};

/** How many tests the summary says there were, null when the run broke off before it. */
export const summaryOf = (text: string): number | null => {
  const found = /^# tests (\d+)$/m.exec(text);
  return found === null ? null : Number(found[1]);
};
