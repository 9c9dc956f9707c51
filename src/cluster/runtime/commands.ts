/** The state as the commands that make it. Law: applied to nothing they give the same state; this is how it is saved and kept. */
import type { ServiceEntry } from '../../dataplane/snapshot.js';
import { endText } from './identity.js';
import { familyOf } from './read.js';
import type { Runtime, RuntimeCommand, ServiceWords } from './types.js';

const orNull = (s: string): string | null => (s === '' ? null : s);

export const wordsOf = (s: ServiceEntry): ServiceWords =>
  s.match === null
    ? { protocol: s.protocol, address: s.address, port: s.port, match: null }
    : {
        protocol: s.protocol,
        address: '',
        port: 0,
        match: {
          family: familyOf(s.address),
          source: orNull(endText(s.match.source)),
          destination: orNull(endText(s.match.destination)),
          iif: s.match.source.device,
          oif: s.match.destination.device,
        },
      };

const ofService = (s: ServiceEntry): readonly RuntimeCommand[] => {
  const service = wordsOf(s);
  return [
    {
      op: 'service.add',
      service,
      set: {
        scheduler: s.scheduler,
        schedulerPort: s.schedulerPort,
        expireQuiescent: s.expireQuiescent,
        onePacket: s.onePacket,
        quic: s.quic !== null,
        persistenceMs: s.persistenceMs,
        persistencePrefixLength: s.persistencePrefixLength,
        establishedTimeoutMs: s.establishedTimeoutMs,
      },
    },
    ...s.localAddresses.map(
      ({ device, address }): RuntimeCommand => ({ op: 'local.add', service, device, address }),
    ),
    ...s.realServers.map(
      ({ address, port, ...set }): RuntimeCommand => ({
        op: 'server.add',
        service,
        server: { address, port },
        set,
      }),
    ),
  ];
};

const seconds = (ms: number | null): number => (ms === null ? 0 : ms / 1000);

export const commandsOf = (r: Runtime): readonly RuntimeCommand[] => [
  ...(Object.values(r.timeouts).every((ms) => ms === null)
    ? []
    : [
        {
          op: 'timeouts.set',
          tcp: seconds(r.timeouts.tcp),
          tcpFin: seconds(r.timeouts.tcpFin),
          udp: seconds(r.timeouts.udp),
        } as const,
      ]),
  ...r.addresses.map(
    (a): RuntimeCommand => ({
      op: 'address.add',
      device: a.device,
      prefix: `${a.address}/${a.prefixLength}`,
      local: a.local,
    }),
  ),
  ...r.routes.map(
    (x): RuntimeCommand => ({
      op: 'route.add',
      prefix: `${x.destination}/${x.prefixLength}`,
      family: familyOf(x.destination),
      device: x.device,
      gateway: x.gateway,
      source: x.source,
      mtu: x.mtu,
      metric: x.metric,
      scope: x.scope,
    }),
  ),
  ...r.neighbours.map((n): RuntimeCommand => ({ op: 'neighbour.add', ...n })),
  ...r.services.flatMap(ofService),
];
