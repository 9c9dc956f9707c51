/**
 * local_address_group and virtual_server_group: addresses, some as ranges in their last octet or
 * their last group of digits (keepalived.md 2.12, dpvs.md 4.1).
 */
import { formatIpv4, ipv4, parseIpv4 } from '../../net/ipv4.js';
import { formatIpv6, parseIpv6 } from '../../net/ipv6.js';
import { type Node, placeOf, type Word } from '../text.js';
import { type Context, integerOf, noMore, wrong } from '../values.js';
import type { LocalAddressGroup, VirtualServerGroup } from './types.js';

const widestRange = 65_536;
const forms = 'ADDRESS or ADDRESS-LAST, LAST being the last octet, or the last group of IPv6';

const backwards = (c: Context, w: Word): readonly string[] => {
  c.report.add('error', 'KS_CONF_RANGE', w, 'the end of the range must be above its start', {
    found: `'${w.text}'`,
  });
  return [];
};

const ipv4Range = (c: Context, w: Word, from: string, to: string): readonly string[] => {
  const first = parseIpv4(from) ?? 0;
  // a whole address as the end is read too, as newer keepaliveds do
  const whole = parseIpv4(to);
  const end =
    whole !== null && whole >>> 8 === first >>> 8
      ? whole & 0xff
      : integerOf(c, { ...w, text: to }, 0, 255);
  if (end === null) return [];
  const start = first & 0xff;
  if (end <= start) return backwards(c, w);
  return Array.from({ length: end - start + 1 }, (_, i) => formatIpv4(ipv4(first + i)));
};

const ipv6Range = (c: Context, w: Word, bytes: Uint8Array, to: string): readonly string[] => {
  if (!/^[0-9a-fA-F]{1,4}$/.test(to)) {
    wrong(c, w, forms);
    return [];
  }
  const start = ((bytes[14] ?? 0) << 8) | (bytes[15] ?? 0);
  const end = Number.parseInt(to, 16);
  if (end <= start || end - start >= widestRange) return backwards(c, w);
  return Array.from({ length: end - start + 1 }, (_, i) => {
    const b = bytes.slice();
    b[14] = (start + i) >> 8;
    b[15] = (start + i) & 0xff;
    return formatIpv6(b);
  });
};

const expandRange = (c: Context, w: Word): readonly string[] => {
  const dash = w.text.indexOf('-');
  const from = dash < 0 ? w.text : w.text.slice(0, dash);
  if (parseIpv4(from) !== null)
    return dash < 0 ? [from] : ipv4Range(c, w, from, w.text.slice(dash + 1));
  const bytes = parseIpv6(from);
  if (bytes !== null)
    return dash < 0 ? [formatIpv6(bytes)] : ipv6Range(c, w, bytes, w.text.slice(dash + 1));
  wrong(c, w, forms);
  return [];
};

/** The name of a group; null and an error when the name or the block is missing. */
const named = (c: Context, n: Node): Word | null => {
  const name = n.args[0];
  if (name !== undefined && n.block !== null) return name;
  c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a name and a block are missing');
  return null;
};

/** A block inside a list of addresses cannot be meant: a brace is missing before it. */
const isEntry = (c: Context, n: Node, group: string): boolean => {
  if (n.block === null) return true;
  c.report.add(
    'error',
    'KS_CONF_MISPLACED',
    n.keyword,
    `block '${n.keyword.text}' cannot stand in '${group}'`,
  );
  return false;
};

export const localAddressGroup = (c: Context, n: Node): LocalAddressGroup | null => {
  const name = named(c, n);
  if (name === null || n.block === null) return null;
  noMore(c, n, 1);
  const addresses: { readonly address: string; readonly device: string }[] = [];
  const seen = new Set<string>();
  for (const entry of n.block) {
    if (!isEntry(c, entry, 'local_address_group')) continue;
    const device = entry.args[0];
    if (device === undefined)
      c.report.add('error', 'KS_CONF_MISSING', entry.keyword, 'a local address needs its device', {
        expected: 'ADDRESS[-LAST] DEVICE',
      });
    noMore(c, entry, 1);
    if (device === undefined) continue;
    for (const address of expandRange(c, entry.keyword)) {
      if (seen.has(address))
        c.report.add('warning', 'KS_CONF_DUPLICATE', entry.keyword, `${address} is there twice`);
      else addresses.push({ address, device: device.text });
      seen.add(address);
    }
  }
  return { name: name.text, addresses, place: placeOf(name) };
};

export const virtualServerGroup = (c: Context, n: Node): VirtualServerGroup | null => {
  const name = named(c, n);
  if (name === null || n.block === null) return null;
  noMore(c, n, 1);
  const entries: { readonly address: string; readonly port: number }[] = [];
  for (const entry of n.block) {
    if (!isEntry(c, entry, 'virtual_server_group')) continue;
    if (entry.keyword.text === 'fwmark') {
      c.report.add('error', 'KS_CONF_UNSUPPORTED', entry.keyword, "'fwmark' is not supported yet", {
        hint: 'its packets would not be served; name addresses and ports',
      });
      continue;
    }
    const port = entry.args[0] === undefined ? 0 : integerOf(c, entry.args[0], 0, 65_535);
    noMore(c, entry, 1);
    if (port === null) continue;
    for (const address of expandRange(c, entry.keyword)) entries.push({ address, port });
  }
  if (entries.length === 0)
    c.report.add('error', 'KS_CONF_MISSING', name, `virtual_server_group ${name.text} is empty`);
  return { name: name.text, entries, place: placeOf(name) };
};
