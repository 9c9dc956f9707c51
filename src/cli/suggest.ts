/** The known word that a mistyped one was meant to be. */

/** Insertions, deletions, replacements and exchanges of neighbours between two words. */
const distance = (a: string, b: string): number => {
  let older: number[] = [];
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let n = Math.min((before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (before[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        n = Math.min(n, (older[j - 2] ?? 0) + 1);
      row.push(n);
    }
    older = before;
    before = row;
  }
  return before[b.length] ?? 0;
};

/** null when none is near. A long word may differ more. */
export const suggest = (word: string, known: readonly string[]): string | null => {
  if (word.length > 40) return null;
  const most = word.length > 5 ? 2 : 1;
  const near = known
    .map((k) => ({ k, n: k.startsWith(word) && word.length > 1 ? 1 : distance(word, k) }))
    .filter(({ n }) => n <= most)
    .sort((a, b) => a.n - b.n);
  return near[0]?.k ?? null;
};

/** `; did you mean 'x'?`, or what else to say. */
export const orSuggest = (word: string, known: readonly string[], otherwise: string): string => {
  const near = suggest(word, known);
  return near === null ? otherwise : `did you mean '${near}'?`;
};
