/** What a vrrp_instance must fulfil as a whole: families that fit, intervals of its version, preemption. */
import type { Node, Word } from '../text.js';
import type { Context } from '../values.js';
import type { InstanceDraft } from './vrrp.js';

/** Version 3 counts in units of 10 ms up to 40.95 s, version 2 in whole seconds. */
const checkInterval = (c: Context, d: InstanceDraft, at: Word): void => {
  const rounded = (message: string, ms: number): void => {
    c.report.add('warning', 'KS_CONF_VALUE', at, `${d.name}: ${message}`, {
      found: `${d.advertMs / 1000}`,
      hint: `${ms / 1000} is used`,
    });
    d.advertMs = ms;
  };
  // keepalived rounds as well: peers of version 2 compare intervals, so both must come to the same.
  if (d.version === 2 && d.advertMs % 1000 !== 0)
    rounded(
      'version 2 counts advert_int in whole seconds; version 3 has fractions',
      Math.max(1000, Math.round(d.advertMs / 1000) * 1000),
    );
  if (d.version === 3 && d.advertMs > 40_950) rounded('advert_int is at most 40.95', 40_950);
  if (d.version === 3 && d.advertMs % 10 !== 0)
    rounded('advert_int counts in hundredths', Math.max(10, Math.round(d.advertMs / 10) * 10));
};

const checkPreemption = (c: Context, d: InstanceDraft, at: Word): void => {
  const reset = (message: string): void =>
    c.report.add('warning', 'KS_CONF_PREEMPT', at, `${d.name}: ${message}; it is not used`);
  if (!d.preempt && d.priority === 255) {
    reset('nopreempt does not go with priority 255');
    d.preempt = true;
  }
  if (d.preemptDelayMs > 0 && !d.preempt) {
    reset('preempt_delay does not go with nopreempt');
    d.preemptDelayMs = 0;
  }
  if (d.preemptDelayMs > 0 && d.state === 'MASTER') {
    reset('preempt_delay does not go with state MASTER');
    d.preemptDelayMs = 0;
  }
};

const isIpv6 = (a: string): boolean => a.includes(':');

/** The addresses an instance advertises, and those it sends from and to, are of one family. */
const checkFamilies = (c: Context, d: InstanceDraft, words: ReadonlyMap<string, Word>): void => {
  const six = isIpv6(d.held[0]?.address ?? d.sourceAddress ?? d.peers[0] ?? '');
  const family = six ? 'IPv6' : 'IPv4';
  const differs = (at: Word | undefined, what: string, address: string): void => {
    if (at !== undefined && isIpv6(address) !== six)
      c.report.add(
        'error',
        'KS_CONF_FAMILY',
        at,
        `${what} ${address} is not of the family ${family}`,
      );
  };
  for (const a of d.held)
    if (isIpv6(a.address) !== six)
      c.report.add(
        'error',
        'KS_CONF_FAMILY',
        { ...a.place, length: a.address.length },
        `${a.address} is not of the family of the instance, ${family}`,
        { hint: 'virtual_ipaddress_excluded holds addresses of the other family' },
      );
  const source = words.get('unicast_src_ip') ?? words.get('mcast_src_ip');
  if (d.sourceAddress !== null) differs(source, source?.text ?? '', d.sourceAddress);
  for (const p of d.peers) differs(words.get('unicast_peer'), 'unicast_peer', p);
  differs(words.get('mcast_dst_ip'), 'mcast_dst_ip', d.multicastGroup);
};

/** How adverts travel: to whom, and with which authentication. */
const checkTransport = (
  c: Context,
  d: InstanceDraft,
  at: Word,
  words: ReadonlyMap<string, Word>,
): void => {
  const error = (code: string, message: string, found?: string, hint?: string): void =>
    c.report.add('error', code, at, `${d.name}: ${message}`, {
      ...(found === undefined ? {} : { found }),
      hint,
    });
  const warn = (code: string, message: string): void =>
    c.report.add('warning', code, at, `${d.name}: ${message}`);
  const unicast = ['unicast_peer', 'unicast_src_ip', 'unicast_ttl'].find((w) => words.has(w));
  if (unicast !== undefined && d.peers.length === 0)
    warn('KS_CONF_UNICAST', `${unicast} without a unicast_peer: adverts go by multicast`);
  if (!/^2(2[4-9]|3\d)\.|^ff/.test(d.multicastGroup))
    error('KS_CONF_VALUE', 'mcast_dst_ip is no multicast address', d.multicastGroup);
  if (d.version === 3 && d.authentication.type !== 'none')
    warn('KS_CONF_AUTH', 'version 3 has no authentication; it is not used');
  if (d.authentication.type === 'ah')
    error('KS_CONF_AUTH', 'auth_type AH is not supported', undefined, 'use PASS, or none');
};

export const checkInstance = (
  c: Context,
  d: InstanceDraft,
  at: Word,
  nodes: readonly Node[],
): void => {
  const error = (code: string, message: string, found?: string, hint?: string): void =>
    c.report.add('error', code, at, `${d.name}: ${message}`, {
      ...(found === undefined ? {} : { found }),
      hint,
    });
  const missing = (what: string): void =>
    c.report.add('error', 'KS_CONF_MISSING', at, `vrrp_instance ${d.name} has no ${what}`);
  const warn = (code: string, message: string): void =>
    c.report.add('warning', code, at, `${d.name}: ${message}`);
  if (!d.vridGiven) missing('virtual_router_id');
  if (d.interface === '') missing('interface');
  if (d.interface === 'lo') error('KS_CONF_VALUE', 'VRRP cannot run on lo');
  if (d.held.length === 0 && d.version === 3) missing('virtual_ipaddress');
  if (d.held.length === 0 && d.version === 2) warn('KS_CONF_MISSING', 'no virtual_ipaddress');
  if (d.held.length > 255)
    error(
      'KS_CONF_VALUE',
      'an advertisement carries 255 addresses',
      `${d.held.length}`,
      'move the rest to virtual_ipaddress_excluded',
    );
  if (d.version === 2 && d.held[0] !== undefined && isIpv6(d.held[0].address)) {
    warn('KS_CONF_VALUE', 'version 2 carries no IPv6 addresses; version 3 is used');
    d.version = 3;
  }
  // the first of each word is the one that is pointed at
  const words = new Map([...nodes].reverse().map((n) => [n.keyword.text, n.keyword] as const));
  checkTransport(c, d, at, words);
  checkFamilies(c, d, words);
  checkInterval(c, d, at);
  checkPreemption(c, d, at);
};
