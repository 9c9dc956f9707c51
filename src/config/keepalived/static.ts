/** static_ipaddress and static_routes: what the node has whatever the state of its instances. */
import { type Node, placeOf, type Word } from '../text.js';
import { type Context, canonicalAddress, integerOf, prefixOf } from '../values.js';
import type { StaticAddress, StaticRoute } from './types.js';
import { addressEntry } from './vrrp.js';

/** `device`: default_interface, for an address without one. */
export const staticAddress = (c: Context, n: Node, device: string | null): StaticAddress | null => {
  const a = addressEntry(c, n);
  if (a === null) return null;
  const dev = a.dev?.text ?? device;
  if (dev === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a static address needs its interface', {
      expected: 'ADDRESS/LENGTH dev INTERFACE',
      hint: 'default_interface in global_defs names one for all',
    });
    return null;
  }
  return {
    address: a.address,
    prefixLength: a.prefixLength,
    dev,
    place: placeOf(n.keyword),
  };
};

type Key = 'to' | 'via' | 'dev' | 'src' | 'metric';

const routeWords: ReadonlyMap<string, Key> = new Map<string, Key>([
  ['to', 'to'],
  ['via', 'via'],
  ['gw', 'via'],
  ['dev', 'dev'],
  ['oif', 'dev'],
  ['src', 'src'],
  ['from', 'src'],
  ['metric', 'metric'],
  ['priority', 'metric'],
  ['preference', 'metric'],
]);

/** Words without a value that change nothing here. */
const plainWords: ReadonlySet<string> = new Set(['add', 'unicast', 'no_track', 'onlink']);

/** The words of a route by key; null after an error: no route is better than half of one. */
const routeParts = (c: Context, n: Node): ReadonlyMap<Key, Word> | null => {
  const parts = new Map<Key, Word>();
  if (n.block !== null) {
    c.report.add('error', 'KS_CONF_MISPLACED', n.keyword, 'a block cannot stand among routes');
    return null;
  }
  const words = [n.keyword, ...n.args].filter((w) => !plainWords.has(w.text));
  for (let i = 0; i < words.length; i++) {
    const w = words[i];
    if (w === undefined) break;
    const key = routeWords.get(w.text) ?? 'to';
    const value = routeWords.has(w.text) ? words[++i] : w;
    if (value === undefined) {
      c.report.add('error', 'KS_CONF_MISSING', w, `'${w.text}' needs a value`);
      return null;
    }
    if (key === 'to' && parts.has('to') && !routeWords.has(w.text)) {
      c.report.add('error', 'KS_CONF_ROUTE', w, `'${w.text}' is not supported in a route`, {
        expected: '[to] PREFIX|default [via A] [dev IF] [src A] [metric N]',
        hint: 'the route would lead elsewhere without it',
      });
      return null;
    }
    parts.set(key, value);
  }
  return parts;
};

const host = (c: Context, w: Word | undefined): string | null | undefined => {
  if (w === undefined) return null;
  const a = canonicalAddress(w.text);
  if (a !== null) return a;
  c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
    found: `'${w.text}'`,
    expected: 'an IP address',
  });
  return undefined;
};

/** Reports an address that is not of the route's family. */
const sameFamily = (c: Context, to: Word, six: boolean, list: readonly (string | null)[]) => {
  const other = list.find((a) => a !== null && a.includes(':') !== six);
  if (other !== undefined)
    c.report.add('error', 'KS_CONF_FAMILY', to, `${other} is not of the family of ${to.text}`);
  return other === undefined;
};

/** `default` is of the family of its gateway. */
const destinationOf = (c: Context, to: Word, near: string | null) =>
  to.text === 'default'
    ? { address: near?.includes(':') === true ? '::' : '0.0.0.0', prefixLength: 0 }
    : prefixOf(c, to);

/** `[to] PREFIX|default [via A] [dev IF] [src A] [metric N]` */
export const staticRoute = (c: Context, n: Node): StaticRoute | null => {
  const parts = routeParts(c, n);
  const to = parts?.get('to');
  if (parts === null || to === undefined) {
    if (parts !== null)
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a route needs a destination');
    return null;
  }
  const [via, src] = [host(c, parts.get('via')), host(c, parts.get('src'))];
  const m = parts.get('metric');
  const metric = m === undefined ? null : (integerOf(c, m, 0, 0xffffffff) ?? undefined);
  if (via === undefined || src === undefined || metric === undefined) return null;
  const prefix = destinationOf(c, to, via ?? src);
  if (prefix === null) return null;
  const dev = parts.get('dev')?.text ?? null;
  if (via === null && dev === null) {
    c.report.add('error', 'KS_CONF_MISSING', to, 'a route needs via or dev');
    return null;
  }
  const { address: destination, prefixLength } = prefix;
  return sameFamily(c, to, destination.includes(':'), [via, src])
    ? { destination, prefixLength, via, dev, src, metric, place: placeOf(to) }
    : null;
};
