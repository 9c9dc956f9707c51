/**
 * JSON for the values that machines hold: Map, Set, bigint, bytes, and numbers that JSON has no
 * words for. Each is an object with a single key that begins with `$`; a plain object that has such
 * a key is written as a list of its entries. `undefined` is left out, as JSON does.
 */

const toHex = (b: Uint8Array): string => {
  let s = '';
  for (const byte of b) s += byte.toString(16).padStart(2, '0');
  return s;
};

const fromHex = (text: string): Uint8Array => {
  const out = new Uint8Array(text.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
};

/** JSON has neither NaN nor infinities, and drops the sign of -0. */
const isPlainNumber = (n: number): boolean => Number.isFinite(n) && !Object.is(n, -0);

const hasMark = (o: object): boolean => Object.keys(o).some((k) => k.startsWith('$'));

const encodeNumber = (n: number): unknown =>
  isPlainNumber(n) ? n : { $number: Object.is(n, -0) ? '-0' : `${n}` };

const encodeObject = (o: object, given: unknown): unknown => {
  if (Array.isArray(o)) return o;
  if (o instanceof Map) return { $map: [...o] };
  if (o instanceof Set) return { $set: [...o] };
  if (o instanceof Uint8Array) return { $bytes: toHex(o) };
  return hasMark(o) ? { $object: Object.entries(o) } : given;
};

/**
 * Called by JSON.stringify; `this` holds the value before any toJSON (Buffer has one). What it
 * answers is not handed to it again, only what that contains.
 */
function replacer(this: unknown, key: string, given: unknown): unknown {
  const value = (this as Readonly<Record<string, unknown>>)[key];
  if (typeof value === 'number') return encodeNumber(value);
  if (typeof value === 'bigint') return { $bigint: `${value}` };
  return typeof value === 'object' && value !== null ? encodeObject(value, given) : given;
}

export const encodeJson = (value: unknown): string => JSON.stringify(value, replacer);

type Decode = (content: unknown) => unknown;
const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['$number', (c) => Number(c)],
  ['$bigint', (c) => BigInt(String(c))],
  ['$map', (c) => new Map(c as readonly (readonly [unknown, unknown])[])],
  ['$set', (c) => new Set(c as readonly unknown[])],
  ['$bytes', (c) => fromHex(String(c))],
  ['$object', (c) => Object.fromEntries(c as readonly (readonly [string, unknown])[])],
]);

const reviver = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  const [mark] = keys;
  if (keys.length !== 1 || mark === undefined) return value;
  const decode = decoders.get(mark);
  return decode === undefined ? value : decode(Reflect.get(value, mark));
};

/** Throws a SyntaxError for what is not JSON. */
export const decodeJson = (text: string): unknown => JSON.parse(text, reviver);
