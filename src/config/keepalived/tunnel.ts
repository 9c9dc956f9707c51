/** Kinds of tunnels behind `lb_kind TUN` (keepalived.md 2.10). */
import type { Node, Word } from '../text.js';
import { type Context, integerOf, wrong } from '../values.js';
import type { TunnelKind } from './types.js';

/** `port N` behind gue. */
const guePort = (c: Context, kind: Word, words: readonly Word[]): number | null => {
  const [word, value] = words;
  if (word?.text !== 'port' || value === undefined) return wrong(c, word ?? kind, 'port N');
  return integerOf(c, value, 1, 65_535);
};

/**
 * `type ipip | gue port N | gre`, then `nocsum` or `csum` (keepalived 2.x); null: plain IP in IP, or
 * after an error.
 */
export const tunnelKind = (c: Context, n: Node, words: readonly Word[]): TunnelKind | null => {
  const [type, kind, ...rest] = words;
  if (type?.text !== 'type' || kind === undefined || !['ipip', 'gue', 'gre'].includes(kind.text))
    return wrong(c, kind ?? type ?? n.keyword, 'type ipip, type gue port N, or type gre');
  const gue = kind.text === 'gue';
  const [sum, more] = rest.slice(gue ? 2 : 0);
  if (more !== undefined) return wrong(c, more, 'the end of the line');
  if (sum !== undefined && (kind.text === 'ipip' || !['nocsum', 'csum'].includes(sum.text)))
    return wrong(c, sum, 'nocsum or csum, with gue and gre (remcsum is not supported)');
  const checksum = sum?.text === 'csum';
  if (!gue) return kind.text === 'gre' ? { type: 'gre', checksum } : null;
  const port = guePort(c, kind, rest);
  return port === null ? null : { type: 'gue', port, checksum };
};
