/**
 * A map that is never changed: an update gives a new map that shares everything but one bucket with
 * the old one. The cluster machine keeps its facts in it: its state stays a value (replay, undo and
 * comparison with the state before), and one message about one server of 100,000 costs a copy of
 * 2,048 references and a bucket, not of all facts. A plain object, so it can be written as JSON.
 */
export interface PersistentMap<V> {
  readonly size: number;
  readonly buckets: readonly (ReadonlyMap<string, V> | null)[];
}

const bucketCount = 2048;

export const emptyMap: PersistentMap<never> = {
  size: 0,
  buckets: Array.from({ length: bucketCount }, () => null),
};

/** FNV-1a, 32 bits. */
const bucketOf = (key: string): number => {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return ((h >>> 16) ^ h) & (bucketCount - 1);
};

export const getIn = <V>(m: PersistentMap<V>, key: string): V | undefined =>
  m.buckets[bucketOf(key)]?.get(key);

/** `undefined` as a value removes the key. The same map when nothing changes. */
export const withAll = <V>(
  m: PersistentMap<V>,
  entries: Iterable<readonly [string, V | undefined]>,
): PersistentMap<V> => {
  const fresh = new Map<number, Map<string, V>>();
  let { size } = m;
  for (const [key, value] of entries) {
    const n = bucketOf(key);
    const old = fresh.get(n) ?? m.buckets[n] ?? null;
    if (old?.get(key) === value && (value !== undefined || old?.has(key) !== true)) continue;
    const bucket = fresh.get(n) ?? new Map(old ?? []);
    fresh.set(n, bucket);
    size -= bucket.size;
    if (value === undefined) bucket.delete(key);
    else bucket.set(key, value);
    size += bucket.size;
  }
  if (fresh.size === 0) return m;
  const buckets = m.buckets.slice();
  for (const [n, bucket] of fresh) buckets[n] = bucket.size === 0 ? null : bucket;
  return { size, buckets };
};

export function* entriesOf<V>(m: PersistentMap<V>): Generator<readonly [string, V]> {
  for (const bucket of m.buckets) if (bucket !== null) yield* bucket;
}

type Bucket<V> = ReadonlyMap<string, V> | null;

function* changedIn<V>(x: Bucket<V>, y: Bucket<V>): Generator<string> {
  for (const [key, value] of y ?? []) if (x?.get(key) !== value) yield key;
  for (const key of x?.keys() ?? []) if (y?.has(key) !== true) yield key;
}

/** Keys whose values are not the same reference in both; what both share is not looked at. */
export function* changedKeys<V>(a: PersistentMap<V>, b: PersistentMap<V>): Generator<string> {
  if (a === b) return;
  for (let n = 0; n < bucketCount; n++) {
    const x = a.buckets[n] ?? null;
    const y = b.buckets[n] ?? null;
    if (x !== y) yield* changedIn(x, y);
  }
}
