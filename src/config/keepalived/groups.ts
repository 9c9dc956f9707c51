/** local_address_group and virtual_server_group: addresses, some as ranges in their last octet (keepalived.md 2.12, dpvs.md 4.1). */
import { formatIpv4, ipv4, parseIpv4 } from '../../net/ipv4.js';
import type { Node, Word } from '../text.js';
import { addressOf, type Context, integerOf, noMore } from '../values.js';
import type { LocalAddressGroup, VirtualServerGroup } from './types.js';

const widestRange = 255;

/** `A.B.C.D` or `A.B.C.D-E`, the range in the last octet. */
const expandRange = (c: Context, w: Word): readonly string[] => {
  const [from = '', to] = w.text.split('-');
  const first = parseIpv4(from);
  if (first === null) {
    const a = addressOf(c, w);
    return a === null ? [] : [a];
  }
  if (to === undefined) return [from];
  const last = integerOf(c, { ...w, text: to }, 0, 255);
  if (last === null) return [];
  const start = first & 0xff;
  if (last <= start || last - start > widestRange) {
    c.report.add('error', 'KS_CONF_RANGE', w, 'the end of the range must be above its start', {
      found: `'${w.text}'`,
    });
    return [];
  }
  return Array.from({ length: last - start + 1 }, (_, i) => formatIpv4(ipv4(first + i)));
};

export const localAddressGroup = (c: Context, n: Node): LocalAddressGroup | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a name and a block are missing');
    return null;
  }
  const addresses = n.block.flatMap((entry) => {
    const device = entry.args[0];
    if (device === undefined)
      c.report.add('error', 'KS_CONF_MISSING', entry.keyword, 'a local address needs its device', {
        expected: 'ADDRESS[-LAST] DEVICE',
      });
    noMore(c, entry, 1);
    if (device === undefined) return [];
    return expandRange(c, entry.keyword).map((address) => ({ address, device: device.text }));
  });
  return { name: name.text, addresses, place: name.place };
};

export const virtualServerGroup = (c: Context, n: Node): VirtualServerGroup | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a name and a block are missing');
    return null;
  }
  const entries = n.block.flatMap((entry) => {
    if (entry.keyword.text === 'fwmark') {
      c.report.add('info', 'KS_CONF_NOT_ACTED_ON', entry.keyword, 'fwmark is not acted on');
      return [];
    }
    const port = entry.args[0] === undefined ? 0 : integerOf(c, entry.args[0], 0, 65_535);
    if (port === null) return [];
    return expandRange(c, entry.keyword).map((address) => ({ address, port }));
  });
  if (entries.length === 0)
    c.report.add('error', 'KS_CONF_MISSING', name, `virtual_server_group ${name.text} is empty`);
  return { name: name.text, entries, place: name.place };
};
