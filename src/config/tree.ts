/**
 * Words and braces to a tree. Braces split a line anywhere outside quotes; a block may begin on the line after its keyword, and its first entry may stand
 * on the brace's line (keepalived.md 1.1 items 6 and 8).
 */
import type { Node, Report, SourceLine, Word } from './text.js';

type Token = { readonly type: 'word' | 'open' | 'close'; readonly word: Word };

const blank = /[ \t\f\r\v\n]/;

/** Splits one line. `comment` starts a comment where it stands outside quotes; a backslash before it makes it a plain character. */
export const tokens = (
  line: SourceLine,
  comment: ReadonlySet<string>,
  report: Report,
): readonly Token[] => {
  const out: Token[] = [];
  const { text } = line;
  const placeAt = (i: number) => ({
    file: line.file,
    line: line.line,
    column: line.columns[i] ?? (line.columns.at(-1) ?? 0) + 1,
  });
  const wordOf = (from: number, to: number, value: string, quoted: boolean): Word => {
    const place = placeAt(from);
    const end = placeAt(Math.max(from, to - 1)).column;
    return { text: value, place, length: Math.max(1, end - place.column + 1), quoted };
  };
  let i = 0;
  while (i < text.length) {
    const c = text[i] ?? '';
    if (blank.test(c)) i++;
    else if (comment.has(c)) break;
    else if (c === '{' || c === '}') {
      out.push({ type: c === '{' ? 'open' : 'close', word: wordOf(i, i + 1, c, false) });
      i++;
    } else {
      const from = i;
      let value = '';
      let inside = false;
      let quoted = false;
      for (; i < text.length; i++) {
        const ch = text[i] ?? '';
        if (ch === '"') {
          inside = !inside;
          quoted = true;
        } else if (ch === '\\' && !inside && comment.has(text[i + 1] ?? '')) {
          i++;
          value += text[i] ?? '';
        } else if (!inside && (blank.test(ch) || ch === '{' || ch === '}')) break;
        else if (!inside && comment.has(ch)) {
          report.add(
            'warning',
            'KS_CONF_COMMENT_IN_VALUE',
            wordOf(i, i + 1, ch, false),
            `'${ch}' begins a comment here, the rest of the line is not read`,
            { hint: `quote the word, or write \\${ch}` },
          );
          break;
        } else value += ch;
      }
      const word = wordOf(from, i, value, quoted);
      if (inside)
        report.add('error', 'KS_CONF_QUOTE', word, 'the quote is not closed on its line', {
          expected: '"',
        });
      out.push({ type: 'word', word });
    }
  }
  return out;
};

interface Open {
  readonly keyword: Word | null;
  readonly args: readonly Word[];
  readonly nodes: Node[];
}

/** Builds the tree; braces that do not match are errors, and what can be read is read. */
export const buildTree = (lines: Iterable<readonly Token[]>, report: Report): readonly Node[] => {
  const root: Open = { keyword: null, args: [], nodes: [] };
  const stack: Open[] = [root];
  const top = (): Open => stack.at(-1) ?? root;
  const closeTop = (): void => {
    const o = stack.pop();
    if (o?.keyword) top().nodes.push({ keyword: o.keyword, args: o.args, block: o.nodes });
  };
  for (const line of lines) {
    let words: Word[] = [];
    const end = (): void => {
      const [keyword, ...args] = words;
      if (keyword !== undefined) top().nodes.push({ keyword, args, block: null });
      words = [];
    };
    for (const t of line) {
      if (t.type === 'word') words.push(t.word);
      else if (t.type === 'open') {
        const [keyword, ...args] = words;
        words = [];
        const last = top().nodes.at(-1);
        if (keyword !== undefined) stack.push({ keyword, args, nodes: [] });
        else if (last !== undefined && last.block === null) {
          top().nodes.pop();
          stack.push({ keyword: last.keyword, args: last.args, nodes: [] });
        } else {
          report.add('error', 'KS_CONF_BRACE', t.word, "'{' without a keyword before it");
          stack.push({ keyword: null, args: [], nodes: [] });
        }
      } else {
        end();
        if (stack.length === 1) report.add('error', 'KS_CONF_BRACE', t.word, "'}' closes nothing");
        else closeTop();
      }
    }
    end();
  }
  while (stack.length > 1) {
    const open = top().keyword;
    if (open !== null)
      report.add('error', 'KS_CONF_BRACE', open, `block '${open.text}' is not closed`, {
        expected: "'}' before the end of the file",
      });
    closeTop();
  }
  return root.nodes;
};
