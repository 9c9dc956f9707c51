/** Columns for a terminal: as wide as their widest cell, numbers to the right, narrower where the screen is. */
import { cut, paint, plain, type Screen, type Style } from './terminal.js';

export interface Styled {
  readonly text: string;
  readonly style: Style | null;
}

export type Cell = string | Styled;

export interface TableOptions {
  readonly screen?: Screen;
  readonly indent?: string;
  /** Columns that are left out, first one first, until the last column has room. */
  readonly spare?: readonly number[];
  /** Room that the last column should have. */
  readonly least?: number;
}

const isNumber = (s: string): boolean => /^-?[\d.,]+ ?%?$/.test(s);
const textOf = (c: Cell | undefined): string => (typeof c === 'object' ? c.text : (c ?? ''));
const styleOf = (c: Cell | undefined): Style | null => (typeof c === 'object' ? c.style : null);
const gap = '  ';
/** A last column with less room says little. */
const leastLast = 40;

const widthsOf = (rows: readonly (readonly Cell[])[]): readonly number[] =>
  (rows[0] ?? []).map((_, i) => rows.reduce((w, r) => Math.max(w, textOf(r[i]).length), 0));

/** The columns that are shown: all, or as many as leave room for the last one. */
const shown = (
  widths: readonly number[],
  room: number,
  { spare = [], least = leastLast }: TableOptions,
): number[] => {
  const columns = widths.map((_, i) => i);
  const last = widths.length - 1;
  const needed = (): number =>
    columns.reduce((n, i) => n + (i === last ? 0 : (widths[i] ?? 0) + gap.length), 0) +
    Math.min(least, widths[last] ?? 0);
  for (const i of spare) {
    if (needed() <= room) break;
    columns.splice(columns.indexOf(i), 1);
  }
  return columns;
};

/** One line a row, the first being the head; every row has the same number of cells. */
export const tableLines = (
  rows: readonly (readonly Cell[])[],
  o: TableOptions = {},
): readonly string[] => {
  const { screen = plain, indent = '' } = o;
  const widths = widthsOf(rows);
  const room = (screen.columns ?? Number.POSITIVE_INFINITY) - indent.length;
  const columns = shown(widths, room, o);
  /** How wide each shown column may be, so that no line is wider than the screen. */
  let left = room;
  const places = columns.map((i) => {
    const width = Math.min(widths[i] ?? 0, Math.max(0, left));
    left -= width + gap.length;
    return { i, width };
  });
  const cellAt = (cell: Cell | undefined, width: number, isHead: boolean): string => {
    const text = cut(textOf(cell), width);
    const padded = !isHead && isNumber(text) ? text.padStart(width) : text.padEnd(width);
    return paint(screen, isHead ? 'head' : styleOf(cell), padded);
  };
  const line = (row: readonly Cell[], isHead: boolean): string =>
    `${indent}${places.map(({ i, width }) => cellAt(row[i], width, isHead)).join(gap)}`.trimEnd();
  return rows.map((r, i) => line(r, i === 0));
};

export const table = (rows: readonly (readonly Cell[])[], o: TableOptions = {}): string =>
  tableLines(rows, o)
    .map((l) => `${l}\n`)
    .join('');
