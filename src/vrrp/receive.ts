/**
 * The checks between a packet and the state machine (RFC 9568 §7.1, RFC 3768 §7.1): an advert that may move the machine,
 * or which counter to raise and what to tell the operator.
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
  /** Accepted all the same, but worth a word to the operator. */
  readonly remark: string | null;
}

export interface Drop {
  readonly counter: keyof InstanceCounters;
  readonly why: string;
  /** null: nobody needs to know, the packet was not meant for us. */
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

/**
 * RFC 9568 §7.1: a differing address list is logged and accepted; dropping it would make two active routers. With
 * skip_check_adv_addr the list is looked at only when the active router changes.
 */
function remarkOn(s: State, a: Advertisement, from: Ipv4): string | null {
  if (a.priority === 0) return null;
  if (s.config.skipCheckAdvertAddresses && s.peer?.address === from) return null;
  if (sameAddresses(s.addresses, a.addresses)) return null;
  return `address list mismatch: ${formatIpv4(from)} advertises ${
    a.addresses.map(formatIpv4).join(' ') || 'none'
  }, expected ${s.config.addresses.join(' ') || 'none'}`;
}

/** A raw socket's packet; our own, looped back, is told by its source. */
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
  return ok({
    source: d.source,
    priority: a.priority,
    intervalMs: a.intervalMs,
    remark: remarkOn(s, a, d.source),
  });
}
