/**
 * The checks between a packet and the state machine (RFC 9568 §7.1, RFC 3768 §7.1). The result is an
 * advert that may move the machine, or the counter to raise and what to report to the operator.
 */
import { err, ok, type Result } from '../kernel/result.js';
import { type Datagram, decodeIpv4, formatIpv4, type Ipv4, isMulticast } from '../net/ipv4.js';
import { describe, type PacketError } from './errors.js';
import type { InstanceCounters } from './messages.js';
import {
  type Advertisement,
  authNone,
  authSimple,
  decodeAdvertisement,
  vrrpProtocol,
  vrrpTtl,
} from './packet.js';
import type { State } from './state.js';

export interface Advert {
  readonly source: Ipv4;
  readonly priority: number;
  readonly intervalMs: number;
  /** Accepted, but the operator should know. */
  readonly remark: string | null;
}

export interface Drop {
  readonly counter: keyof InstanceCounters;
  readonly why: string;
  /** null: the packet was not meant for us. */
  readonly level: 'warn' | null;
}

const drop = (counter: keyof InstanceCounters, why: string): Drop => ({
  counter,
  why,
  level: 'warn',
});

const packetCounter: Readonly<Record<PacketError['kind'], keyof InstanceCounters>> = {
  length: 'packetLengthErrors',
  version: 'versionErrors',
  type: 'invalidType',
  vrid: 'invalidType',
  checksum: 'checksumErrors',
};

/** Who sent it, and to whom. */
function checkEnds(s: State, d: Datagram): Drop | null {
  const unicast = s.peers.length > 0;
  // RFC 9568 §5.1.1.3: a TTL below 255 has crossed a router. Unicast peers may sit behind one.
  if (!unicast && d.ttl !== vrrpTtl)
    return drop('ttlErrors', `invalid TTL ${d.ttl}, expected ${vrrpTtl}`);
  if (isMulticast(d.destination) === unicast)
    return drop(
      'sourceErrors',
      `expected ${unicast ? 'unicast' : 'multicast'} adverts, received one sent to ${formatIpv4(d.destination)}`,
    );
  if (unicast && s.config.checkUnicastSource && !s.peers.includes(d.source))
    return drop('sourceErrors', `unicast source ${formatIpv4(d.source)} is not a configured peer`);
  return null;
}

const passwordBytes = (password: string): Uint8Array => {
  const out = new Uint8Array(8);
  new TextEncoder().encodeInto(password, out);
  return out;
};

/** RFC 2338 §5.3.6, §7.1: version 2 only. */
function checkAuthentication(s: State, a: Advertisement): Drop | null {
  if (a.version !== 2) return null;
  const { type, data } = a.authentication;
  const mine = s.config.authentication;
  if (type !== authNone && type !== authSimple)
    return drop('invalidAuthType', `unknown authentication type ${type}`);
  const expected = mine.type === 'none' ? authNone : authSimple;
  if (type !== expected)
    return drop('authTypeMismatch', `authentication type ${type}, expected ${expected}`);
  if (mine.type === 'none') return null;
  const password = passwordBytes(mine.password);
  return data.every((byte, i) => byte === password[i])
    ? null
    : drop('authFailures', 'wrong password');
}

/** Version 2 wants equal intervals (RFC 3768 §7.1); version 3 learns them. */
function checkInterval(s: State, a: Advertisement): Drop | null {
  if (a.version !== 2 || a.intervalMs === s.config.advertMs) return null;
  const seconds = (ms: number): string => `${ms / 1000} sec`;
  return drop(
    'advertIntervalErrors',
    `advertisement interval mismatch mine=${seconds(s.config.advertMs)} rcv'd=${seconds(a.intervalMs)}`,
  );
}

function sameAddresses(mine: readonly Ipv4[], theirs: readonly Ipv4[]): boolean {
  if (mine.length !== theirs.length) return false;
  if (mine.every((a, i) => a === theirs[i])) return true;
  const set = new Set(theirs);
  return set.size === theirs.length && mine.every((a) => set.has(a));
}

type AddressCheck =
  | { readonly verdict: 'same' }
  | { readonly verdict: 'differs' | 'stranger'; readonly why: string };

/**
 * RFC 9568 §7.1. A list that shares an address with ours is a peer's whose configuration is being
 * changed: dropping its adverts would make two owners of what is shared. A list that shares none is
 * another group's that uses our VRID by mistake: following it would leave our addresses to nobody.
 * With skip_check_adv_addr the list is looked at only when the sender is not the one followed.
 */
function checkAddresses(s: State, a: Advertisement, from: Ipv4): AddressCheck {
  if (s.config.skipCheckAdvertAddresses && s.peer?.address === from) return { verdict: 'same' };
  if (sameAddresses(s.addresses, a.addresses)) return { verdict: 'same' };
  const list = a.addresses.map(formatIpv4);
  const own = new Set([...s.config.addresses, ...s.config.excludedAddresses]);
  const why = `${formatIpv4(from)} advertises ${list.join(' ') || 'no address'}, ours are ${
    s.config.addresses.join(' ') || 'none'
  }`;
  if (list.some((address) => own.has(address)))
    return { verdict: 'differs', why: `address list mismatch: ${why}` };
  return {
    verdict: 'stranger',
    why: `ignores an advert with our virtual_router_id ${a.vrid} and other addresses: ${why}; another group uses this id, give one of them another`,
  };
}

/** A raw socket's packet. */
export function receive(s: State, packet: Uint8Array): Result<Advert, Drop> {
  const ip = decodeIpv4(packet);
  if (!ip.ok) return err(drop('packetLengthErrors', `IPv4 packet ${ip.error.kind}`));
  const d = ip.value;
  if (d.protocol !== vrrpProtocol)
    return err({ counter: 'sourceErrors', why: 'not VRRP', level: null });
  const ends = checkEnds(s, d);
  if (ends !== null) return err(ends);
  const decoded = decodeAdvertisement(
    d.payload,
    d,
    s.config.v3ChecksumAsV2 ? 'asV2' : 'pseudoHeader',
  );
  const from = formatIpv4(d.source);
  if (!decoded.ok)
    return err(drop(packetCounter[decoded.error.kind], `${describe(decoded.error)}, from ${from}`));
  const a = decoded.value;
  if (a.version !== s.config.version)
    return err(
      drop(
        'versionErrors',
        `wrong version. Received ${a.version} and expect ${s.config.version}, from ${from}`,
      ),
    );
  const wrong = checkAuthentication(s, a) ?? checkInterval(s, a);
  if (wrong !== null) return err({ ...wrong, why: `${wrong.why}, from ${from}` });
  const addresses = checkAddresses(s, a, d.source);
  if (addresses.verdict === 'stranger') return err(drop('addressListErrors', addresses.why));
  return ok({
    source: d.source,
    priority: a.priority,
    intervalMs: a.intervalMs,
    remark: addresses.verdict === 'same' ? null : addresses.why,
  });
}
