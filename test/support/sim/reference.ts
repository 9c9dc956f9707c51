/**
 * FNAT for IPv4 as a user of DPVS would describe it (dpvs.md section 1), kept apart from the packet path: what must
 * come out for a packet that goes in, given what came out before. Which local port is taken is the data plane's choice;
 * that nobody else has it, and that it stays, is held against it.
 */
import type { Frame, Segment } from './frames.js';

export interface Service {
  readonly vip: string;
  readonly port: number;
  readonly realServers: readonly string[];
  readonly realServerPort: number;
  readonly localAddresses: readonly string[];
}

interface Mapping {
  readonly client: string;
  readonly clientPort: number;
  readonly local: string;
  readonly localPort: number;
  readonly realServer: string;
}

const end = (address: string, port: number): string => `${address}:${port}`;

/** Everything of a segment that FNAT leaves alone. */
const kept = (s: Segment): unknown => ({
  protocol: s.protocol,
  ttl: s.ttl,
  flags: s.flags,
  seq: s.seq,
  ack: s.ack,
  options: [...s.options],
  data: [...s.data],
});

export interface Reference {
  /** What is wrong with `out` as the answer to a client's packet; [] when nothing. */
  readonly fromClient: (packet: Segment, out: Frame | null, worker: number) => readonly string[];
  /** A packet of a real server to the local end it was given; null when it has none yet. */
  readonly reply: (client: string, clientPort: number, s: Partial<Segment>) => Segment | null;
  readonly fromServer: (packet: Segment, out: Frame | null) => readonly string[];
  readonly sessions: () => number;
}

export function fnatReference(protocol: 'TCP' | 'UDP', service: Service): Reference {
  const byClient = new Map<string, Mapping>();
  const byLocal = new Map<string, Mapping>();
  /** Each worker takes the real servers in turn, from wherever it begins. */
  const last = new Map<number, number>();

  const differences = (want: unknown, got: unknown, what: string): readonly string[] =>
    JSON.stringify(want) === JSON.stringify(got)
      ? []
      : [`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`];

  const checkNew = (m: Mapping, worker: number): readonly string[] => {
    const index = service.realServers.indexOf(m.realServer);
    const before = last.get(worker);
    const expected = before === undefined ? index : (before + 1) % service.realServers.length;
    last.set(worker, index);
    const taken = byLocal.get(`${end(m.local, m.localPort)} ${m.realServer}`);
    return [
      ...differences(expected, index, 'round robin'),
      ...(index >= 0 ? [] : [`${m.realServer} is no real server`]),
      ...(service.localAddresses.includes(m.local) ? [] : [`${m.local} is no local address`]),
      ...(taken === undefined ? [] : [`${end(m.local, m.localPort)} is ${taken.client}'s already`]),
      ...(m.localPort >= 1024 ? [] : [`local port ${m.localPort}`]),
    ];
  };

  return {
    sessions: () => byClient.size,
    fromClient: (packet, out, worker) => {
      const key = end(packet.src, packet.sport);
      const known = byClient.get(key);
      const opens = protocol === 'UDP' || packet.flags === 'S';
      if (known === undefined && !opens)
        return out === null ? [] : ['a packet without a session was forwarded'];
      if (out === null) return ['nothing came out'];
      const seen: Mapping = {
        client: packet.src,
        clientPort: packet.sport,
        local: out.src,
        localPort: out.sport,
        realServer: out.dst,
      };
      const wrong =
        known === undefined ? checkNew(seen, worker) : differences(known, seen, 'mapping');
      if (known === undefined) {
        byClient.set(key, seen);
        byLocal.set(`${end(seen.local, seen.localPort)} ${seen.realServer}`, seen);
      }
      return [
        ...wrong,
        ...out.faults,
        ...differences(service.realServerPort, out.dport, 'port of the real server'),
        ...differences(kept({ ...packet, ttl: packet.ttl - 1 }), kept(out), 'contents'),
      ];
    },
    reply: (client, clientPort, s) => {
      const m = byClient.get(end(client, clientPort));
      if (m === undefined) return null;
      return {
        src: m.realServer,
        sport: service.realServerPort,
        dst: m.local,
        dport: m.localPort,
        ttl: 64,
        protocol,
        flags: protocol === 'TCP' ? 'A' : '',
        seq: 0,
        ack: 0,
        options: new Uint8Array(0),
        data: new Uint8Array(0),
        ...s,
      };
    },
    fromServer: (packet, out) => {
      const m = byLocal.get(`${end(packet.dst, packet.dport)} ${packet.src}`);
      if (m === undefined) return out === null ? [] : ['a stray packet was forwarded'];
      if (out === null) return ['nothing came out'];
      return [
        ...out.faults,
        ...differences(
          [service.vip, service.port, m.client, m.clientPort],
          [out.src, out.sport, out.dst, out.dport],
          'addresses',
        ),
        ...differences(kept({ ...packet, ttl: packet.ttl - 1 }), kept(out), 'contents'),
      ];
    },
  };
}
