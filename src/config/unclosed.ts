/** Which block lacks its closing brace: the first one that holds a word it cannot hold. */
import type { Language } from './language.js';
import type { Node, Word } from './text.js';
import { topLevel } from './values.js';

export interface Unclosed {
  readonly block: Word;
  readonly noticed: Word;
}

interface Step {
  readonly node: Node;
  /** The block it stands in, and those around that one. */
  readonly parent: Node | null;
  readonly above: readonly string[];
}

/** Whether a word shows that a block around it was left open: it belongs further out. */
const showsOpen = (language: Language, { node, parent, above }: Step): boolean => {
  const word = node.keyword.text;
  return (
    parent !== null &&
    !language.takes(parent.keyword.text, word) &&
    above.some((b) => language.takes(b, word))
  );
};

/** What stands in a block, the last first. */
const inside = ({ node, parent, above }: Step): readonly Step[] =>
  (node.block ?? [])
    .map((inner) => ({
      node: inner,
      parent: node,
      above: [...above, parent?.keyword.text ?? topLevel],
    }))
    .reverse();

/** Walks the tree of the outermost open block in the order of the file, without recursion. */
export const unclosedBlock = (language: Language, root: Node): Unclosed | null => {
  const open: Step[] = [{ node: root, parent: null, above: [] }];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const { node, parent } = step;
    if (parent !== null && showsOpen(language, step))
      return { block: parent.keyword, noticed: node.keyword };
    const word = node.keyword.text;
    const isKnown = language.takes(parent?.keyword.text ?? topLevel, word);
    if (isKnown && language.isBlock(word)) for (const s of inside(step)) open.push(s);
  }
  return null;
};
