/**
 * Which words stand in which blocks, and what becomes of each: acted on (it has a reader), refused
 * (it limits, protects or decides, and nothing here does so), without effect (it only informs), or
 * without a meaning here (tuning of another program). A word of another block is misplaced.
 */

export type Status = 'refused' | 'informs' | 'inert';

export interface KnownWord {
  readonly status: Status;
  /** What is lost, or what to do instead; null: nothing to add. */
  readonly why: string | null;
}

export interface Language {
  /** What is known of a word without a reader in a block. */
  readonly known: (block: string, word: string) => KnownWord | undefined;
  /** Whether a block takes a word, whatever becomes of it. */
  readonly takes: (block: string, word: string) => boolean;
  readonly isBlock: (block: string) => boolean;
  /** The blocks a word belongs in. */
  readonly homes: (word: string) => readonly string[];
  /** Every word of a block, for suggestions. */
  readonly words: (block: string) => readonly string[];
}

/** Words of one block by status, separated by blanks. */
export interface Row {
  readonly block: string;
  readonly refused?: string;
  readonly informs?: string;
  readonly inert?: string;
}

/** A block with readers; only their names count here. */
interface Acted {
  readonly block: string;
  readonly readers: ReadonlyMap<string, unknown>;
}

const split = (s: string | undefined): readonly string[] =>
  (s ?? '').split(/\s+/).filter((w) => w !== '');

export const languageOf = (
  tables: readonly Acted[],
  rows: readonly Row[],
  reasons: ReadonlyMap<string, string>,
): Language => {
  const acted = new Map(tables.map((t) => [t.block, t.readers]));
  const known = new Map<string, Map<string, KnownWord>>();
  for (const row of rows)
    for (const status of ['refused', 'informs', 'inert'] as const)
      for (const word of split(row[status])) {
        const block = known.get(row.block) ?? new Map<string, KnownWord>();
        block.set(word, { status, why: reasons.get(word) ?? null });
        known.set(row.block, block);
      }
  const blocks = [...new Set([...acted.keys(), ...known.keys()])];
  const takes = (block: string, word: string): boolean =>
    acted.get(block)?.has(word) === true || known.get(block)?.has(word) === true;
  return {
    known: (block, word) => known.get(block)?.get(word),
    takes,
    isBlock: (block) => acted.has(block) || known.has(block),
    homes: (word) => blocks.filter((b) => takes(b, word)),
    words: (block) => [...(acted.get(block)?.keys() ?? []), ...(known.get(block)?.keys() ?? [])],
  };
};
