/** What the terminal can show: its size, whether it has colours, and text that fits. */

export interface Screen {
  /** null: as wide as the text is, because it goes into a file or a pipe. */
  readonly columns: number | null;
  readonly rows: number | null;
  readonly hasColour: boolean;
}

interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** NO_COLOR (https://no-color.org): any value but the empty one. */
export const screenOf = (
  out: Output,
  env: Readonly<Record<string, string | undefined>>,
): Screen => {
  if (out.isTTY !== true) return { columns: null, rows: null, hasColour: false };
  const isPlain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return { columns: out.columns ?? 80, rows: out.rows ?? 24, hasColour: !isPlain };
};

export const plain: Screen = { columns: null, rows: null, hasColour: false };

export type Style = 'bad' | 'warn' | 'good' | 'head';

const codes: Readonly<Record<Style, string>> = { bad: '31', warn: '33', good: '32', head: '1' };

export const paint = (s: Screen, style: Style | null, text: string): string =>
  style === null || !s.hasColour ? text : `\u001b[${codes[style]}m${text}\u001b[0m`;

/** Cut to the width, with a sign that it was. */
export const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** Lines of at most the screen's width; those after the first are indented. */
export const wrap = (s: Screen, text: string, indent = '  '): readonly string[] => {
  if (s.columns === null || text.length <= s.columns) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`;
    if (next.length <= s.columns || line.trim() === '') line = next;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  return [...lines, line].map((l) => cut(l, s.columns ?? l.length));
};
