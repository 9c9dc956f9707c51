/**
 * Shapes of values that come from outside. A shape takes an unknown value and returns it with a type, or throws a
 * ShapeError that says where, what was found and what was expected. Objects are exact: a field that no shape names is
 * refused, because it would be accepted and have no effect. Pure.
 */

/** Found something else than what was expected, at a place such as `commands[3].service.port`. */
export class ShapeError extends Error {
  /** Index in the outermost list; null: outside of it. */
  readonly index: number | null;
  constructor(at: string, message: string) {
    super(`${at === '' ? 'the body' : at}: ${message}`);
    const index = /^\w*\[(\d+)\]/.exec(at)?.[1];
    this.index = index === undefined ? null : Number(index);
    this.name = 'ShapeError';
  }
}

export type Shape<T> = (x: unknown, at: string) => T;
export type Shaped<S> = S extends Shape<infer T> ? T : never;

/** Short, whatever the value is. */
const found = (x: unknown): string => {
  if (x === undefined) return 'nothing';
  if (Array.isArray(x)) return 'a list';
  if (typeof x === 'object' && x !== null) return 'an object';
  const text = typeof x === 'string' ? `'${x}'` : String(x);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
};

const refuse = (x: unknown, at: string, expected: string): never => {
  throw new ShapeError(at, `found ${found(x)}, expected ${expected}`);
};

export const text =
  (longest = 256): Shape<string> =>
  (x, at) => {
    if (typeof x !== 'string') return refuse(x, at, 'text');
    return x.length <= longest ? x : refuse(x, at, `at most ${longest} characters`);
  };

export const integer =
  (min: number, max: number): Shape<number> =>
  (x, at) =>
    typeof x === 'number' && Number.isInteger(x) && x >= min && x <= max
      ? x
      : refuse(x, at, `a whole number from ${min} to ${max}`);

/** A finite number that is not negative; the node checks its range. */
export const amount: Shape<number> = (x, at) =>
  typeof x === 'number' && Number.isFinite(x) && x >= 0 ? x : refuse(x, at, 'a number from 0');

export const flag: Shape<boolean> = (x, at) =>
  typeof x === 'boolean' ? x : refuse(x, at, 'true or false');

export const oneOf =
  <const T extends string | number>(...words: readonly T[]): Shape<T> =>
  (x, at) =>
    words.find((w) => w === x) ?? refuse(x, at, words.join(' or '));

export const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (x, at) =>
    x === null ? null : shape(x, at);

export const list =
  <T>(item: Shape<T>, longest: number): Shape<readonly T[]> =>
  (x, at) => {
    if (!Array.isArray(x)) return refuse(x, at, 'a list');
    if (x.length > longest) throw new ShapeError(at, `more than ${longest} items`);
    return x.map((v: unknown, i) => item(v, `${at}[${i}]`));
  };

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Exact<R extends Fields, O extends Fields> = {
  readonly [K in keyof R]: Shaped<R[K]>;
} & { readonly [K in keyof O]?: Shaped<O[K]> };

/** Own properties only: `__proto__` and `constructor` are names like any other, and nobody names them. */
const entriesOf = (x: unknown, at: string): ReadonlyMap<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x)
    ? new Map(Object.entries(x))
    : refuse(x, at, 'an object');

const inside = (at: string, name: string): string => (at === '' ? name : `${at}.${name}`);

/** An object with all of `required`, some of `optional`, and nothing else. */
export const object =
  <R extends Fields, O extends Fields = Record<never, never>>(
    required: R,
    optional: O = {} as O,
  ): Shape<Exact<R, O>> =>
  (x, at) => {
    const given = entriesOf(x, at);
    const names = [...Object.keys(required), ...Object.keys(optional)];
    for (const name of given.keys())
      if (!names.includes(name))
        throw new ShapeError(
          inside(at, name.slice(0, 40)),
          `unknown field; ${names.length === 0 ? 'there is none' : `there is ${names.join(', ')}`}`,
        );
    const read = (fields: Fields, must: boolean): readonly (readonly [string, unknown])[] =>
      Object.entries(fields).flatMap(([name, shape]) =>
        !must && !given.has(name) ? [] : [[name, shape(given.get(name), inside(at, name))]],
      );
    return Object.fromEntries([...read(required, true), ...read(optional, false)]) as Exact<R, O>;
  };

/** One of several objects, told apart by the text in `tag`. */
export const tagged =
  <T>(tag: string, shapes: Readonly<Record<string, Shape<T>>>): Shape<T> =>
  (x, at) => {
    const name = entriesOf(x, at).get(tag);
    const shape =
      typeof name === 'string' && Object.hasOwn(shapes, name) ? shapes[name] : undefined;
    return shape === undefined
      ? refuse(name, inside(at, tag), `one of ${Object.keys(shapes).join(', ')}`)
      : shape(x, at);
  };
