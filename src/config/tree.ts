/**
 * Words and braces to a tree. Braces split a line anywhere outside quotes; a block may begin on the line after its keyword, and its first entry may stand
 * on the brace's line (keepalived.md 1.1 items 6 and 8).
 */
import { columnOf, type Node, type Report, type SourceLine, type Word } from './text.js';

type Token = { readonly type: 'word' | 'open' | 'close'; readonly word: Word };

const blanks: ReadonlySet<string> = new Set(' \t\f\r\v\n');

interface Scan {
  readonly line: SourceLine;
  readonly comment: ReadonlySet<string>;
  readonly report: Report;
}

const placeAt = ({ line }: Scan, i: number) => ({
  file: line.file,
  line: line.line,
  column: columnOf(line, i),
});

const wordOf = (s: Scan, from: number, to: number, text: string, quoted: boolean): Word => {
  const place = placeAt(s, from);
  const end = placeAt(s, Math.max(from, to - 1)).column;
  return { text, place, length: Math.max(1, end - place.column + 1), quoted };
};

/** What a character means in a word: taken as it is, an escape, a quote, or the word's end. */
const meaning = (
  s: Scan,
  i: number,
  inside: boolean,
): 'take' | 'escape' | 'quote' | 'end' | 'comment' => {
  const c = s.line.text[i] ?? '';
  if (c === '"') return 'quote';
  if (inside) return 'take';
  if (c === '\\' && s.comment.has(s.line.text[i + 1] ?? '')) return 'escape';
  if (blanks.has(c) || c === '{' || c === '}') return 'end';
  return s.comment.has(c) ? 'comment' : 'take';
};

/** One word from `from`; a comment glued to it ends the line, which is warned of. */
const scanWord = (s: Scan, from: number): { readonly token: Token; readonly next: number } => {
  const { text } = s.line;
  let value = '';
  let inside = false;
  let quoted = false;
  let i = from;
  for (; i < text.length; i++) {
    const m = meaning(s, i, inside);
    if (m === 'end' || m === 'comment') break;
    if (m === 'quote') {
      inside = !inside;
      quoted = true;
      continue;
    }
    if (m === 'escape') i++;
    value += text[i] ?? '';
  }
  const word = wordOf(s, from, i, value, quoted);
  const at = text[i] ?? '';
  if (!inside && s.comment.has(at))
    s.report.add(
      'warning',
      'KS_CONF_COMMENT_IN_VALUE',
      wordOf(s, i, i + 1, at, false),
      `'${at}' begins a comment here, the rest of the line is not read`,
      { hint: `quote the word, or write \\${at}` },
    );
  if (inside)
    s.report.add('error', 'KS_CONF_QUOTE', word, 'the quote is not closed on its line', {
      expected: '"',
    });
  return { token: { type: 'word', word }, next: i };
};

/** Splits one line. `comment` starts a comment where it stands outside quotes; a backslash before it makes it a plain character. */
export const tokens = (
  line: SourceLine,
  comment: ReadonlySet<string>,
  report: Report,
): readonly Token[] => {
  const s: Scan = { line, comment, report };
  const out: Token[] = [];
  for (let i = 0; i < line.text.length; ) {
    const c = line.text[i] ?? '';
    if (comment.has(c)) break;
    if (blanks.has(c)) i++;
    else if (c === '{' || c === '}') {
      out.push({ type: c === '{' ? 'open' : 'close', word: wordOf(s, i, i + 1, c, false) });
      i++;
    } else {
      const { token, next } = scanWord(s, i);
      out.push(token);
      i = next;
    }
  }
  return out;
};

interface Open {
  readonly keyword: Word | null;
  readonly args: readonly Word[];
  readonly nodes: Node[];
}

/** The blocks that are open while a tree is built, the root first. */
const treeBuilder = (report: Report) => {
  const root: Open = { keyword: null, args: [], nodes: [] };
  const stack: Open[] = [root];
  const top = (): Open => stack.at(-1) ?? root;

  const statement = (words: readonly Word[]): void => {
    const [keyword, ...args] = words;
    if (keyword !== undefined) top().nodes.push({ keyword, args, block: null });
  };
  const open = (words: readonly Word[], brace: Word): void => {
    const [keyword, ...args] = words;
    const last = top().nodes.at(-1);
    if (keyword !== undefined) stack.push({ keyword, args, nodes: [] });
    else if (last !== undefined && last.block === null) {
      // the brace stands on the line after its keyword
      top().nodes.pop();
      stack.push({ keyword: last.keyword, args: last.args, nodes: [] });
    } else {
      report.add('error', 'KS_CONF_BRACE', brace, "'{' without a keyword before it");
      stack.push({ keyword: null, args: [], nodes: [] });
    }
  };
  const pop = (): void => {
    const o = stack.pop();
    if (o?.keyword) top().nodes.push({ keyword: o.keyword, args: o.args, block: o.nodes });
  };
  const close = (brace: Word): void => {
    if (stack.length === 1) report.add('error', 'KS_CONF_BRACE', brace, "'}' closes nothing");
    else pop();
  };
  const finish = (): readonly Node[] => {
    while (stack.length > 1) {
      const { keyword } = top();
      if (keyword !== null)
        report.add('error', 'KS_CONF_BRACE', keyword, `block '${keyword.text}' is not closed`, {
          expected: "'}' before the end of the file",
        });
      pop();
    }
    return root.nodes;
  };
  return { statement, open, close, finish };
};

/** Builds the tree; braces that do not match are errors, and what can be read is read. */
export const buildTree = (lines: Iterable<readonly Token[]>, report: Report): readonly Node[] => {
  const tree = treeBuilder(report);
  for (const line of lines) {
    let words: Word[] = [];
    for (const t of line) {
      if (t.type === 'word') {
        words.push(t.word);
        continue;
      }
      if (t.type === 'open') tree.open(words, t.word);
      else {
        tree.statement(words);
        tree.close(t.word);
      }
      words = [];
    }
    tree.statement(words);
  }
  return tree.finish();
};
