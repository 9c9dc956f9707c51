/**
 * Arrays of thousands of objects that change by a few at a time. A table is such an array while it
 * is changed; finishing it gives a new array, and what is derived from the array (an index by key)
 * is carried over by what changed instead of being built anew. The derived value belongs to the
 * newest array that asked for it; an older one builds its own again, so values stay right.
 */
interface Lineage {
  readonly base: object;
  readonly gone: readonly unknown[];
  readonly come: readonly unknown[];
}

const lineages = new WeakMap<object, Lineage>();

/** `update` may change its argument: nobody else has it any more. */
export const derived = <T, X>(
  build: (items: readonly T[]) => X,
  update: (x: X, gone: readonly T[], come: readonly T[]) => void,
): ((items: readonly T[]) => X) => {
  const known = new WeakMap<object, X>();
  const inherited = (items: readonly T[]): X | undefined => {
    const line = lineages.get(items);
    const x = line === undefined ? undefined : known.get(line.base);
    if (line === undefined || x === undefined) return undefined;
    known.delete(line.base);
    update(x, line.gone as readonly T[], line.come as readonly T[]);
    return x;
  };
  return (items) => {
    const kept = known.get(items);
    if (kept !== undefined) return kept;
    const x = inherited(items) ?? build(items);
    known.set(items, x);
    return x;
  };
};

export interface Table<T> {
  readonly get: (key: string) => T | undefined;
  readonly has: (key: string) => boolean;
  /** One that is there keeps its place; a new one comes last. */
  readonly set: (key: string, item: T) => void;
  /** False: there was none. */
  readonly delete: (key: string) => boolean;
  readonly clear: () => void;
  readonly values: () => readonly T[];
}

export interface Changes<T> {
  readonly items: readonly T[];
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

export interface DraftTable<T> extends Table<T> {
  /** The same array when nothing changed. */
  readonly finish: () => Changes<T>;
}

export const keyedBy = <T>(keyOf: (t: T) => string): ((items: readonly T[]) => Map<string, T>) =>
  derived(
    (items) => new Map(items.map((t) => [keyOf(t), t])),
    (map, gone, come) => {
      for (const t of gone) map.delete(keyOf(t));
      for (const t of come) map.set(keyOf(t), t);
    },
  );

export const draftTable = <T extends object>(
  base: readonly T[],
  index: (items: readonly T[]) => ReadonlyMap<string, T>,
): DraftTable<T> => {
  const byKey = index(base);
  /** What stands in the place of an object of `base`; null: nothing. */
  const instead = new Map<T, T | null>();
  const added = new Map<string, T>();
  const inBase = (key: string): T | null => {
    const old = byKey.get(key);
    if (old === undefined) return null;
    const now = instead.get(old);
    return now === undefined ? old : now;
  };
  const get = (key: string): T | undefined => added.get(key) ?? inBase(key) ?? undefined;
  const remove = (key: string): boolean => {
    const old = byKey.get(key);
    const wasThere = get(key) !== undefined;
    if (old !== undefined) instead.set(old, null);
    added.delete(key);
    return wasThere;
  };
  const values = (): readonly T[] => {
    if (instead.size === 0 && added.size === 0) return base;
    const kept =
      instead.size === 0
        ? base
        : base.flatMap((t) => {
            const now = instead.get(t);
            return now === undefined ? [t] : now === null ? [] : [now];
          });
    return added.size === 0 ? kept : kept.concat([...added.values()]);
  };
  return {
    get,
    has: (key) => get(key) !== undefined,
    set: (key, item) => {
      const old = byKey.get(key);
      if (old === undefined || instead.get(old) === null) added.set(key, item);
      else instead.set(old, item);
    },
    delete: remove,
    clear: () => {
      for (const t of base) instead.set(t, null);
      added.clear();
    },
    values,
    finish: () => {
      const items = values();
      const changed = [...instead].filter(([old, now]) => old !== now);
      const gone = changed.map(([old]) => old);
      const come = [...changed.flatMap(([, now]) => now ?? []), ...added.values()];
      if (items !== base) lineages.set(items, { base, gone, come });
      return { items, gone, come };
    },
  };
};
