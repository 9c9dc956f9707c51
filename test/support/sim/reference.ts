/**
 * The forwarding modes as a user of DPVS would describe them (dpvs.md 1.5), kept apart from the packet path:
 * what must come out for a packet that goes in, given what came out before. Which local port FNAT takes is the data
 * plane's choice; that nobody else has it, and that it stays, is held against it.
 */
import type { Frame, Segment } from './frames.js';

/** Between the families only addresses, the header and the time to live change: nothing of what is kept. */
export type Mode = 'FNAT' | 'NAT' | 'DR' | 'TUN';

export interface Service {
  readonly vip: string;
  readonly port: number;
  readonly realServers: readonly string[];
  readonly realServerPort: number;
  readonly localAddresses: readonly string[];
  /** Of the node towards the real servers, in the family of theirs: the outer source of a tunnel. */
  readonly ownAddress: string;
  readonly macOf: (address: string) => string;
}

interface Mapping {
  readonly client: string;
  readonly clientPort: number;
  /** The real server's other end. */
  readonly local: string;
  readonly localPort: number;
  readonly realServer: string;
}

const end = (address: string, port: number): string => `${address}:${port}`;

/** Everything of a segment that no mode touches. */
const kept = (s: Segment): unknown => ({
  protocol: s.protocol,
  ttl: s.ttl,
  flags: s.flags,
  seq: s.seq,
  ack: s.ack,
  options: [...s.options],
  data: [...s.data],
});

const differences = (want: unknown, got: unknown, what: string): readonly string[] =>
  JSON.stringify(want) === JSON.stringify(got)
    ? []
    : [`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(want)}`];

/** Which real server a frame goes to: its destination, its tunnel's, or by its MAC alone. */
const realServerOf = (mode: Mode, service: Service, out: Frame): string => {
  if (mode === 'DR') return service.realServers.find((r) => service.macOf(r) === out.to) ?? out.to;
  return mode === 'TUN' ? (out.outer?.dst ?? '') : out.dst;
};

/** Addresses and ports a packet of the client must have on the real server's side. */
const towardsServer = (
  mode: Mode,
  service: Service,
  packet: Segment,
  out: Frame,
): readonly string[] => {
  const server = realServerOf(mode, service, out);
  const got = [out.src, out.sport, out.dst, out.dport, out.to];
  const mac = service.macOf(server);
  switch (mode) {
    case 'FNAT':
      return differences([out.src, out.sport, server, service.realServerPort, mac], got, 'FNAT');
    case 'NAT':
      return differences(
        [packet.src, packet.sport, server, service.realServerPort, mac],
        got,
        'NAT',
      );
    case 'DR':
    case 'TUN':
      return [
        ...differences([packet.src, packet.sport, packet.dst, packet.dport, mac], got, mode),
        ...differences(
          mode === 'TUN' ? { src: service.ownAddress, dst: server, ttl: packet.ttl - 1 } : null,
          out.outer,
          'outer header',
        ),
      ];
  }
};

export interface Reference {
  /** What is wrong with `out` as the answer to a client's packet; [] when nothing. */
  readonly fromClient: (packet: Segment, out: Frame | null, worker: number) => readonly string[];
  /** A packet of a real server to the end it was given; null when it has none, or answers past us. */
  readonly reply: (client: string, clientPort: number, s: Partial<Segment>) => Segment | null;
  readonly fromServer: (packet: Segment, out: Frame | null) => readonly string[];
  readonly sessions: () => number;
}

export function reference(mode: Mode, protocol: 'TCP' | 'UDP', service: Service): Reference {
  const byClient = new Map<string, Mapping>();
  const byLocal = new Map<string, Mapping>();
  /** Each worker takes the real servers in turn, from wherever it begins. */
  const last = new Map<number, number>();

  const checkLocal = (m: Mapping): readonly string[] => {
    const taken = byLocal.get(`${end(m.local, m.localPort)} ${m.realServer}`);
    return [
      ...(service.localAddresses.includes(m.local) ? [] : [`${m.local} is no local address`]),
      ...(taken === undefined ? [] : [`${end(m.local, m.localPort)} is ${taken.client}'s already`]),
      ...(m.localPort >= 1024 ? [] : [`local port ${m.localPort}`]),
    ];
  };

  const checkNew = (m: Mapping, worker: number): readonly string[] => {
    const index = service.realServers.indexOf(m.realServer);
    const before = last.get(worker);
    const expected = before === undefined ? index : (before + 1) % service.realServers.length;
    last.set(worker, index);
    return [
      ...differences(expected, index, 'round robin'),
      ...(index >= 0 ? [] : [`${m.realServer} is no real server`]),
      ...(mode === 'FNAT' ? checkLocal(m) : []),
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
        realServer: realServerOf(mode, service, out),
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
        ...towardsServer(mode, service, packet, out),
        ...differences(kept({ ...packet, ttl: packet.ttl - 1 }), kept(out), 'contents'),
      ];
    },
    reply: (client, clientPort, s) => {
      const m = byClient.get(end(client, clientPort));
      if (m === undefined || mode === 'DR' || mode === 'TUN') return null;
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
          [service.vip, service.port, m.client, m.clientPort, service.macOf(m.client)],
          [out.src, out.sport, out.dst, out.dport, out.to],
          'addresses',
        ),
        ...differences(kept({ ...packet, ttl: packet.ttl - 1 }), kept(out), 'contents'),
      ];
    },
  };
}
