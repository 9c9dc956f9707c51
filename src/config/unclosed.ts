/** Which block lacks its closing brace: the first one that holds a word it cannot hold. */
import type { Language } from './language.js';
import type { Node, Word } from './text.js';
import { topLevel } from './values.js';

export interface Unclosed {
  readonly block: Word;
  readonly noticed: Word;
}

/** Walks the tree of the outermost open block in the order of the file, without recursion. */
export const unclosedBlock = (language: Language, root: Node): Unclosed | null => {
  const open: { readonly node: Node; readonly above: readonly string[] }[] = [
    { node: root, above: [topLevel] },
  ];
  while (open.length > 0) {
    const next = open.pop();
    if (next === undefined) break;
    const { node, above } = next;
    const name = node.keyword.text;
    if (!language.isBlock(name)) continue;
    const inner: typeof open = [];
    for (const n of node.block ?? []) {
      const word = n.keyword.text;
      if (!language.takes(name, word) && above.some((b) => language.takes(b, word)))
        return { block: node.keyword, noticed: n.keyword };
      if (n.block !== null) inner.push({ node: n, above: [...above, name] });
    }
    open.push(...inner.reverse());
  }
  return null;
};
