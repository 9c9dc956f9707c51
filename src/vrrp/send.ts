/** The datagrams of one advertisement: to the group, or to every unicast peer. */
import { type Ipv4, parseIpv4 } from '../net/ipv4.js';
import type { Authentication } from './messages.js';
import {
  type AuthField,
  authNone,
  authSimple,
  encodeAdvertisement,
  vrrpGroup,
  vrrpTtl,
} from './packet.js';
import type { State } from './state.js';

export interface OutDatagram {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly ttl: number;
  readonly payload: Uint8Array;
}

/** RFC 2338 §5.3.6.2: the password zero-padded to 8 bytes. */
function authField(a: Authentication): AuthField {
  const data = new Uint8Array(8);
  if (a.type === 'none') return { type: authNone, data };
  new TextEncoder().encodeInto(a.password, data);
  return { type: authSimple, data };
}

/** Empty without a source address. */
export function advertDatagrams(s: State, priority: number): readonly OutDatagram[] {
  const { config, source } = s;
  if (source === null) return [];
  const common = {
    vrid: config.vrid,
    priority,
    intervalMs: config.advertMs,
    addresses: s.addresses,
  };
  const advert =
    config.version === 2
      ? { version: 2 as const, ...common, authentication: authField(config.authentication) }
      : { version: 3 as const, ...common };
  const rule = config.v3ChecksumAsV2 ? 'asV2' : 'pseudoHeader';
  const to = (destination: Ipv4, ttl: number): OutDatagram => ({
    source,
    destination,
    ttl,
    payload: encodeAdvertisement(advert, { source, destination }, rule),
  });
  if (s.peers.length > 0) return s.peers.map((peer) => to(peer, config.unicastTtl));
  return [to(parseIpv4(config.multicastGroup) ?? vrrpGroup, vrrpTtl)];
}
