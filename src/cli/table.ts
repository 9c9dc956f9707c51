/** Columns for a terminal: as wide as their widest cell, numbers to the right. */

const isNumber = (s: string): boolean => /^-?[\d.,]+%?$/.test(s);

/** One line a row, the first being the head; every row has the same number of cells. */
export const table = (rows: readonly (readonly string[])[], indent = ''): string => {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => (r[i] ?? '').length)));
  const line = (row: readonly string[], head: boolean): string =>
    row
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        const right = !head && isNumber(cell);
        return right ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return rows.map((r, i) => `${indent}${line(r, i === 0)}\n`).join('');
};
