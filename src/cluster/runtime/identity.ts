/** How a service is named: by its address and port, or by what it matches. */

import type { Config } from '../../config/config.js';
import type { AddressRange } from '../../config/keepalived/types.js';
import {
  type MatchEnd,
  matchAddress,
  type Protocol,
  type ServiceEntry,
} from '../../dataplane/snapshot.js';
import { endpoint } from '../../net/endpoint.js';
import {
  device,
  type Fields,
  familyOf,
  fieldsOf,
  host,
  integer,
  isIpv6,
  oneOf,
  onlyFields,
  orNull,
  range,
} from './read.js';
import { refuse } from './types.js';

/** What the data plane serves today, by an address and by a match. */
const servedProtocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const matchedProtocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPV6'];
const allProtocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPV6'];

export type Identity = Pick<ServiceEntry, 'protocol' | 'address' | 'port' | 'match'>;

const rangeText = (r: AddressRange | MatchEnd): string => {
  const { first, last, firstPort, lastPort } = r;
  if (first === null || last === null) return '';
  const ends = first === last ? first : `${first}-${last}`;
  if (lastPort === 0) return ends;
  const ports = firstPort === lastPort ? `${firstPort}` : `${firstPort}-${lastPort}`;
  return isIpv6(first) ? `[${ends}]:${ports}` : `${ends}:${ports}`;
};

/** One end as ipvsadm -H writes it; '' for any. */
export const endText = rangeText;

const end = (r: AddressRange | null, dev: string | null): MatchEnd =>
  r === null
    ? { first: null, last: null, firstPort: 0, lastPort: 0, device: dev }
    : { ...r, device: dev };

const checkMatched = (
  protocol: Protocol,
  own: number,
  source: AddressRange | null,
  destination: AddressRange | null,
): void => {
  if (!matchedProtocols.includes(protocol)) refuse(`-H: proto ${protocol} is not there yet`);
  if (protocol.startsWith('ICMP') && (protocol === 'ICMPV6') !== (own === 6))
    refuse(`-H: proto ${protocol} is not that of IPv${own}`);
  if (protocol.startsWith('ICMP') && [source, destination].some((r) => (r?.lastPort ?? 0) > 0))
    refuse(`-H: proto ${protocol} has no ports`);
};

const matchIdentity = (config: Config, protocol: Protocol, f: Fields): Identity => {
  onlyFields(f, ['family', 'source', 'destination', 'iif', 'oif'], '-H');
  const source = orNull(f['source'], (x) => range(x, 'src-range'));
  const destination = orNull(f['destination'], (x) => range(x, 'dst-range'));
  const named = source ?? destination;
  const family = orNull(f['family'], (x) => integer(x, 'af', 4, 6)) ?? null;
  const own = named === null ? family : familyOf(named.first);
  if (own === null) return refuse('-H needs src-range, dst-range or af');
  for (const r of [source, destination])
    if (r !== null && (familyOf(r.first) !== own || (family !== null && family !== own)))
      refuse(`-H: ${rangeText(r)} is not of the family of the rest`);
  const oif = orNull(f['oif'], (x) => device(config, x, 'oif'));
  const iif = orNull(f['iif'], (x) => device(config, x, 'iif'));
  checkMatched(protocol, own, source, destination);
  const match = { order: 0, source: end(source, iif), destination: end(destination, oif) };
  const name = `runtime ${protocol} ${JSON.stringify(match)}`;
  return { protocol, address: matchAddress(name, own === 6 ? 6 : 4), port: 0, match };
};

export const identity = (config: Config, x: unknown): Identity => {
  const f = fieldsOf(x, 'service');
  onlyFields(f, ['protocol', 'address', 'port', 'match'], 'service');
  const protocol = oneOf(f['protocol'], 'protocol', allProtocols);
  const matched = orNull(f['match'], (m) => matchIdentity(config, protocol, fieldsOf(m, 'match')));
  if (matched !== null) return matched;
  const at = host(f['address'], 'service');
  const port = integer(f['port'], `port of service ${at}`, 0, 65_535);
  if (!servedProtocols.includes(protocol))
    refuse(`${protocol} ${at}:${port}: services of ${protocol} are not there yet`);
  if (port === 0)
    refuse(`${protocol} ${at}: a service on all ports (port 0) is not there yet; name a port`);
  return { protocol, address: at, port, match: null };
};

export const serviceName = (s: Identity): string => {
  if (s.match === null) return `${s.protocol} ${endpoint(s.address, s.port)}`;
  const words = [
    ['from', rangeText(s.match.source)],
    ['to', rangeText(s.match.destination)],
    ['iif', s.match.source.device ?? ''],
    ['oif', s.match.destination.device ?? ''],
  ].filter(([, value]) => value !== '');
  return `MATCH ${[s.protocol.toLowerCase(), ...words.map((w) => w.join('='))].join(',')}`;
};
