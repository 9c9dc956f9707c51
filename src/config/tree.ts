/**
 * Words and braces to a tree. Braces split a line anywhere outside quotes; a block may begin on the
 * line after its keyword, and its first entry may stand on the brace's line (keepalived.md 1.1 items
 * 6 and 8). Blocks of the top level are handed over as soon as they are closed, so that the tree of a
 * large file never exists as a whole.
 */
import type { Node, Report, SourceLine, Word } from './text.js';
import type { Unclosed } from './unclosed.js';
import { unescaped } from './unescape.js';
import { closeBrace, isBlank, isComment, openBrace, plainEnd, scanned, wordOf } from './words.js';

/** Keywords whose value is one word in the manner of a script: quotes of both kinds, escapes. */
const scriptWords: ReadonlySet<string> = new Set(['regex']);

interface Open {
  readonly keyword: Word | null;
  readonly args: readonly Word[];
  readonly nodes: Node[];
}

export interface TreeOptions {
  readonly report: Report;
  /** Takes a statement or block of the top level. */
  readonly take: (n: Node) => void;
  /** Which block lacks its brace, when blocks are open at the end; null: no guess but the outermost. */
  readonly unclosed: (root: Node) => Unclosed | null;
}

export interface Tree {
  readonly line: (l: SourceLine) => void;
  readonly finish: () => void;
}

/** The blocks that are open, and what has been said in each. */
const blocks = ({ report, take, unclosed }: TreeOptions) => {
  const stack: Open[] = [];
  /** A statement of the top level whose block may yet begin on the next line. */
  let pending: Node | null = null;

  const flush = (): void => {
    if (pending !== null) take(pending);
    pending = null;
  };
  const add = (n: Node): void => {
    const top = stack.at(-1);
    if (top !== undefined) top.nodes.push(n);
    else {
      flush();
      pending = n;
    }
  };
  /** The statement before a brace that stands on a line of its own. */
  const withdrawn = (): Node | null => {
    const top = stack.at(-1);
    const last = top === undefined ? pending : (top.nodes.at(-1) ?? null);
    if (last === null || last.block !== null) return null;
    if (top === undefined) pending = null;
    else top.nodes.pop();
    return last;
  };
  const pop = (): Node | null => {
    const o = stack.pop();
    return o === undefined || o.keyword === null
      ? null
      : { keyword: o.keyword, args: o.args, block: o.nodes };
  };
  /** The outermost open block with all that is in it. */
  const rest = (): Node | null => {
    let root: Node | null = null;
    while (stack.length > 0) {
      const n = pop();
      if (n !== null) stack.at(-1)?.nodes.push(n);
      root = n ?? root;
    }
    return root;
  };
  const reportUnclosed = (root: Node): void => {
    const guess = unclosed(root);
    const block = guess?.block ?? root.keyword;
    const hint =
      guess === null
        ? undefined
        : `noticed at ${guess.noticed.file}:${guess.noticed.line}: '${guess.noticed.text}' cannot stand in '${block.text}'`;
    report.add('error', 'KS_CONF_BRACE', block, `block '${block.text}' is not closed`, {
      expected: "'}'",
      hint,
    });
  };
  return {
    add,
    open: (keyword: Word | undefined, args: readonly Word[], brace: Word): void => {
      const before = keyword === undefined ? withdrawn() : null;
      if (keyword === undefined && before === null)
        report.add('error', 'KS_CONF_BRACE', brace, "'{' without a keyword before it");
      stack.push({
        keyword: keyword ?? before?.keyword ?? null,
        args: before?.args ?? args,
        nodes: [],
      });
    },
    close: (brace: Word): void => {
      if (stack.length === 0) report.add('error', 'KS_CONF_BRACE', brace, "'}' closes nothing");
      const n = pop();
      if (n !== null) add(n);
    },
    finish: (): void => {
      const root = rest();
      if (root !== null) reportUnclosed(root);
      flush();
    },
  };
};

/** A word that needs a second look: quotes, escapes, or a comment that cuts it. */
const hardWord = (report: Report, l: SourceLine, from: number, words: Word[]): number => {
  const r = scanned(l.text, from);
  const word = wordOf(l, from, r.end, r.value, r.quoted);
  words.push(word);
  const sign = l.text[r.end] ?? '';
  if (r.closed && isComment(l.text.charCodeAt(r.end)))
    report.add(
      'warning',
      'KS_CONF_COMMENT_IN_VALUE',
      wordOf(l, r.end, r.end + 1, sign, false),
      `'${sign}' begins a comment here, the rest of the line is not read`,
      { hint: `quote the word, or write \\${sign}` },
    );
  if (!r.closed)
    report.add('error', 'KS_CONF_QUOTE', word, 'the quote is not closed on its line', {
      expected: '"',
    });
  return r.end;
};

/** The value of a script word: one argument, quotes of both kinds and escapes taken off. */
const scriptValue = (report: Report, l: SourceLine, from: number, words: Word[]): number => {
  const r = unescaped(l.text, from);
  const word = wordOf(l, from, r.end, r.value, true);
  words.push(word);
  if (!r.closed)
    report.add('error', 'KS_CONF_QUOTE', word, 'the quote is not closed on its line', {
      expected: l.text[from] ?? '"',
    });
  return r.end;
};

const isScript = (words: readonly Word[]): boolean =>
  words.length === 1 && scriptWords.has(words[0]?.text ?? '');

export const treeBuilder = (o: TreeOptions): Tree => {
  const tree = blocks(o);
  let words: Word[] = [];
  const statement = (): void => {
    const keyword = words[0];
    if (keyword === undefined) return;
    tree.add({ keyword, args: words.slice(1), block: null });
    words = [];
  };
  const brace = (l: SourceLine, i: number, opens: boolean): number => {
    const w = wordOf(l, i, i + 1, opens ? '{' : '}', false);
    if (opens) tree.open(words[0], words.slice(1), w);
    else {
      statement();
      tree.close(w);
    }
    words = [];
    return i + 1;
  };
  /** Most words have neither quotes nor escapes and are a slice of the line. */
  const word = (l: SourceLine, i: number): number => {
    if (isScript(words)) return scriptValue(o.report, l, i, words);
    const end = plainEnd(l.text, i);
    if (end < 0) return hardWord(o.report, l, i, words);
    words.push(wordOf(l, i, end, l.text.slice(i, end), false));
    return end;
  };
  return {
    line: (l) => {
      for (let i = 0; i < l.text.length; ) {
        const c = l.text.charCodeAt(i);
        if (isBlank(c)) i++;
        else if (isComment(c)) break;
        else if (c === openBrace || c === closeBrace) i = brace(l, i, c === openBrace);
        else i = word(l, i);
      }
      statement();
    },
    finish: tree.finish,
  };
};
