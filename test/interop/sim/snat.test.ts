/**
 * SNAT packet by packet: any history of hosts that speak to others through us, held against a table of who has which address and port. It
 * shares nothing with the packet path but the words of the rule.
 */
import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { emptySnapshot, matchAddress, type Snapshot } from '../../../src/dataplane/snapshot.js';
import { decodeEcho, encodeEcho } from '../../support/sim/echo.js';
import {
  decodeAsk,
  decodeFrame,
  decodeIcmpError,
  encodeFrame,
  encodeGreeting,
  encodeIcmpError,
  fragment,
  packetOf,
  reassemble,
} from '../../support/sim/frames.js';
import { type Outcome, type Sim, startSim } from '../../support/sim/sim.js';
import { delivered } from '../../support/sim/toeplitz.js';
import {
  type Family,
  macOf,
  ports,
  sides,
  addresses as simAddresses,
} from '../../support/sim/world.js';

type Kind = 'TCP' | 'UDP' | 'ICMP';
const ways = {
  4: { out: ['198.51.100.80', '198.51.100.81'], hosts: '10.1.0.', last: '10.1.0.19', prefix: 24 },
  6: {
    out: ['2001:db8:1::80', '2001:db8:1::81'],
    hosts: 'fd00:1::',
    last: 'fd00:1::19',
    prefix: 64,
  },
} as const;
/** Hosts 11 to 13 are in the rule, 20 is not. */
const hostOf = (f: Family, i: number): string => `${ways[f].hosts}${[11, 12, 13, 20][i % 4]}`;
const remoteOf = (f: Family, i: number): string => sides[f].client(i % 3);

const wanted = (f: Family, kind: Kind): Snapshot => {
  const any = { first: null, last: null, firstPort: 0, lastPort: 0, device: null };
  const protocol = kind === 'ICMP' && f === 6 ? 'ICMPV6' : kind;
  return {
    ...emptySnapshot,
    addresses: ways[f].out.map((address) => ({
      device: 'dpdk1',
      address,
      prefixLength: sides[f].host,
      leased: true,
      local: false,
    })),
    services: [
      {
        protocol,
        address: matchAddress('egress', f),
        port: 0,
        match: {
          order: 0,
          source: { ...any, first: hostOf(f, 0), last: ways[f].last, device: 'dpdk0' },
          destination: { ...any, device: 'dpdk1' },
        },
        scheduler: 'rr',
        expireQuiescent: false,
        onePacket: false,
        quic: null,
        schedulerPort: false,
        persistenceMs: 0,
        persistencePrefixLength: 32,
        expireTemplate: false,
        establishedTimeoutMs: 0,
        realServers: ways[f].out.map((address) => ({
          address,
          port: 0,
          forwarding: 'SNAT',
          weight: 1,
        })),
        localAddresses: [],
      },
    ],
  };
};

const started = async (
  f: Family,
  kind: Kind,
  workers: number,
  seed: number,
  rss: { readonly rssKey?: Uint8Array } = {},
): Promise<Sim> => {
  const sim = startSim({ ports, addresses: simAddresses, workers, seed, ...rss });
  await sim.apply(wanted(f, kind));
  for (const i of [0, 1, 2, 3]) {
    const to = { mac: ports.dpdk0, address: sides[f].lan };
    await sim.frame('dpdk0', encodeGreeting(hostOf(f, i), macOf(hostOf(f, i)), to));
  }
  for (const i of [0, 1, 2]) {
    const to = { mac: ports.dpdk1, address: sides[f].wan };
    await sim.frame('dpdk1', encodeGreeting(remoteOf(f, i), macOf(remoteOf(f, i)), to));
  }
  return sim;
};

/** Who speaks to whom: of an echo the identifier is the near port, and there is no far one. */
interface Ends {
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

const frameOf = (
  kind: Kind,
  e: Ends,
  to: string,
  answer: boolean,
  flags: string,
  ttl = 64,
): Uint8Array =>
  kind === 'ICMP'
    ? encodeEcho(macOf(e.src), to, {
        src: e.src,
        dst: e.dst,
        ttl,
        request: !answer,
        id: answer ? e.dport : e.sport,
        data: 'ping',
      })
    : encodeFrame(macOf(e.src), to, {
        ...e,
        ttl,
        protocol: kind,
        flags: kind === 'TCP' ? flags : '',
        seq: 1,
        ack: 0,
        options: new Uint8Array(0),
        data: new TextEncoder().encode('data'),
      });

const endsOf = (kind: Kind, o: Outcome): (Ends & { readonly ttl: number }) | null => {
  if (kind !== 'ICMP') {
    const f = decodeFrame(o.bytes);
    if (f === null || f.faults.length > 0) return null;
    return { src: f.src, sport: f.sport, dst: f.dst, dport: f.dport, ttl: f.ttl };
  }
  const e = decodeEcho(o.bytes);
  if (e === null) return null;
  const near = e.request ? { sport: e.id, dport: 0 } : { sport: 0, dport: e.id };
  return { src: e.src, dst: e.dst, ...near, ttl: e.ttl };
};

const sent = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  outcomes.filter((o) => o.fate === 'tx' && decodeAsk(o.bytes) === null);

const text = (e: Ends): string => `${e.src} ${e.sport} > ${e.dst} ${e.dport}`;

interface Action {
  readonly what: 'out' | 'back' | 'stray';
  readonly host: number;
  readonly port: number;
  readonly remote: number;
  readonly worker: number;
}

/** The test's own table: what a host's packet leaves as, once that is known. */
class Table {
  readonly #out = new Map<string, Ends>();
  readonly #taken = new Set<string>();
  readonly t: ExecutionContext;
  readonly f: Family;
  readonly kind: Kind;
  readonly sim: Sim;

  constructor(t: ExecutionContext, f: Family, kind: Kind, sim: Sim) {
    this.t = t;
    this.f = f;
    this.kind = kind;
    this.sim = sim;
  }

  sessions(): number {
    return this.#out.size;
  }

  inner(a: Action): Ends {
    return {
      src: hostOf(this.f, a.host),
      sport: 1000 + (a.port % 4),
      dst: remoteOf(this.f, a.remote),
      dport: this.kind === 'ICMP' ? 0 : 53 + (a.port % 2),
    };
  }

  async out(a: Action, workers: number): Promise<void> {
    const inner = this.inner(a);
    const known = this.#out.get(text(inner));
    const flags = known === undefined ? 'S' : 'A';
    const frame = frameOf(this.kind, inner, ports.dpdk0, false, flags);
    const got = sent(await this.sim.frame('dpdk0', frame, a.worker % workers));
    if (a.host % 4 === 3) {
      this.t.deepEqual(got, [], 'not in the rule');
      return;
    }
    const [o] = got;
    const ends = o === undefined ? null : endsOf(this.kind, o);
    if (o === undefined || ends === null || got.length !== 1)
      throw new Error(`${text(inner)} did not leave whole`);
    const { ttl, ...outer } = ends;
    this.t.is(o.device, 'dpdk1');
    this.t.is(ttl, 63);
    this.t.is(`${outer.dst} ${outer.dport}`, `${inner.dst} ${inner.dport}`);
    if (known !== undefined) {
      this.t.is(text(outer), text(known), 'the same for all of a session');
      return;
    }
    this.t.true((ways[this.f].out as readonly string[]).includes(outer.src));
    this.t.true(outer.sport >= 1025);
    this.t.false(this.#taken.has(text(outer)), 'two sessions never look the same outside');
    this.#taken.add(text(outer));
    this.#out.set(text(inner), outer);
  }

  async back(a: Action, workers: number): Promise<void> {
    const inner = this.inner(a);
    const outer = this.#out.get(text(inner));
    if (outer === undefined) return;
    const answer = { src: outer.dst, sport: outer.dport, dst: outer.src, dport: outer.sport };
    const frame = frameOf(this.kind, answer, ports.dpdk1, true, 'A');
    const got = sent(await this.sim.frame('dpdk1', frame, a.worker % workers));
    const ends = got[0] === undefined ? null : endsOf(this.kind, got[0]);
    if (ends === null || got.length !== 1) throw new Error(`${text(answer)} did not come in`);
    this.t.is(got[0]?.device, 'dpdk0');
    this.t.is(
      text(ends),
      text({ src: inner.dst, sport: inner.dport, dst: inner.src, dport: inner.sport }),
    );
    this.t.is(ends.ttl, 63);
  }

  /** From a remote port nobody has spoken to: nothing comes in. */
  async stray(a: Action, workers: number): Promise<void> {
    const outer = this.#out.get(text(this.inner(a)));
    if (outer === undefined) return;
    const dport = this.kind === 'ICMP' ? outer.sport ^ 0x400 || 1 : outer.sport;
    const sport = this.kind === 'ICMP' ? 0 : 4444;
    const answer = { src: outer.dst, sport, dst: outer.src, dport };
    if (this.#taken.has(text({ src: answer.dst, sport: dport, dst: answer.src, dport: sport })))
      return;
    const frame = frameOf(this.kind, answer, ports.dpdk1, true, 'A');
    const got = await this.sim.frame('dpdk1', frame, a.worker % workers);
    this.t.false(sent(got).some((o) => o.device === 'dpdk0'));
  }
}

const action: fc.Arbitrary<Action> = fc.record({
  what: fc.constantFrom('out', 'out', 'back', 'stray'),
  host: fc.nat(3),
  port: fc.nat(7),
  remote: fc.nat(2),
  worker: fc.nat(7),
});

for (const f of [4, 6] as const)
  for (const kind of ['TCP', 'UDP', 'ICMP'] as const)
    test(`SNAT IPv${f} ${kind}: any history, any number of workers`, async (t) => {
      let sessions = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { minLength: 5, maxLength: 40 }),
          fc.integer({ min: 1, max: 8 }),
          fc.nat(0xffff),
          async (actions, workers, seed) => {
            const sim = await started(f, kind, workers, seed);
            try {
              const table = new Table(t, f, kind, sim);
              for (const a of actions) await table[a.what](a, workers);
              sessions += table.sessions();
            } finally {
              await sim.close();
            }
          },
        ),
        { numRuns: 60, includeErrorInReport: true },
      );
      t.true(sessions > 100, `${sessions} sessions`);
    });

const rssKey = Uint8Array.from(createHash('sha512').update('snat').digest().subarray(0, 40));

for (const f of [4, 6] as const)
  for (const kind of ['TCP', 'UDP'] as const)
    for (const workers of [2, 3, 8])
      test(`answers arrive at their session's worker where the NIC spreads them: IPv${f} ${kind}, ${workers} workers`, async (t) => {
        const sim = await started(f, kind, workers, 7, { rssKey });
        t.teardown(() => sim.close());
        const seen = new Set<number>();
        for (let i = 0; i < 60; i++) {
          const inner = { src: hostOf(f, i % 3), sport: 2000 + i, dst: remoteOf(f, 0), dport: 53 };
          const frame = frameOf(kind, inner, ports.dpdk0, false, 'S');
          const [o] = sent(await sim.frame('dpdk0', frame, i % workers));
          const left = o === undefined ? null : decodeFrame(o.bytes);
          if (left === null) return void t.fail('nothing left');
          const answer = {
            ...left,
            src: left.dst,
            sport: left.dport,
            dst: left.src,
            dport: left.sport,
          };
          const at = delivered(rssKey, workers, answer);
          const bytes = frameOf(kind, answer, ports.dpdk1, true, 'SA');
          const [back] = sent(await sim.frame('dpdk1', bytes, at));
          t.like(back, { fate: 'tx', device: 'dpdk0', worker: at });
          seen.add(at);
        }
        t.is(seen.size, workers, 'and every worker has some');
      });

test('an echo of zeros comes back with a right checksum', async (t) => {
  const sim = await started(4, 'ICMP', 1, 1);
  t.teardown(() => sim.close());
  const zeros = { src: hostOf(4, 0), dst: remoteOf(4, 0), ttl: 64, id: 0, seq: 0, data: '' };
  const request = encodeEcho(macOf(zeros.src), ports.dpdk0, { ...zeros, request: true });
  const [o] = sent(await sim.frame('dpdk0', request));
  const asked = o === undefined ? null : decodeEcho(o.bytes);
  if (asked === null) throw new Error('the request did not leave whole');
  const { src, dst } = { src: asked.dst, dst: asked.src };
  const answer = encodeEcho(macOf(src), ports.dpdk1, {
    ...asked,
    src,
    dst,
    seq: 0,
    request: false,
  });
  const [back] = sent(await sim.frame('dpdk1', answer));
  t.like(back === undefined ? null : decodeEcho(back.bytes), { dst: zeros.src, id: 0, data: '' });
});

for (const f of [4, 6] as const)
  for (const workers of [1, 3])
    test(`a long ping leaves and comes back in fragments: IPv${f}, ${workers} workers`, async (t) => {
      const sim = await started(f, 'ICMP', workers, 3);
      t.teardown(() => sim.close());
      const data = 'keelson '.repeat(150);
      /** Each part at another worker; the packet that came out of them. */
      const pass = async (device: 'dpdk0' | 'dpdk1', frame: Uint8Array, id: number) => {
        const out: Uint8Array[] = [];
        for (const [i, part] of fragment(frame, id, 400).entries())
          for (const o of sent(await sim.frame(device, part, i % workers))) out.push(o.bytes);
        const whole = reassemble(out);
        return whole === null ? null : decodeEcho(whole);
      };
      const request = {
        src: hostOf(f, 0),
        dst: remoteOf(f, 0),
        ttl: 64,
        request: true,
        id: 77,
        data,
      };
      const asked = await pass('dpdk0', encodeEcho(macOf(request.src), ports.dpdk0, request), 9);
      if (asked === null) return void t.fail('the request did not leave whole');
      t.like(asked, { dst: request.dst, request: true, data });
      t.true((ways[f].out as readonly string[]).includes(asked.src));
      const answer = { ...asked, src: asked.dst, dst: asked.src, request: false };
      const back = await pass('dpdk1', encodeEcho(macOf(answer.src), ports.dpdk1, answer), 11);
      t.like(back, { src: request.dst, dst: request.src, request: false, id: 77, data });
      // What nobody asked for comes from nowhere and makes no session.
      const stray = encodeEcho(macOf(answer.src), ports.dpdk1, { ...answer, id: asked.id ^ 0x800 });
      t.is(await pass('dpdk1', stray, 12), null);
      const inside = { ...request, request: false, id: 78 };
      t.is(await pass('dpdk0', encodeEcho(macOf(request.src), ports.dpdk0, inside), 13), null);
    });

test('of several ways oif means the one a session takes', async (t) => {
  const gateways = { dpdk0: '10.1.0.98', dpdk1: '198.51.100.98' } as const;
  const sim = startSim({ ports, addresses: simAddresses, workers: 3, seed: 5 });
  t.teardown(() => sim.close());
  const devices = ['dpdk0', 'dpdk1'] as const;
  await sim.apply({
    ...wanted(4, 'UDP'),
    routes: devices.map((device) => ({
      device,
      destination: '203.0.113.0',
      prefixLength: 24,
      gateway: gateways[device],
      source: null,
      mtu: 0,
      metric: 0,
    })),
    neighbours: devices.map((device) => ({
      device,
      address: gateways[device],
      mac: macOf(gateways[device]),
    })),
  });
  await sim.advance(100); // the main lcore gets to know its neighbours
  const seen = { dpdk1: 0, dropped: 0 };
  for (let i = 0; i < 60; i++) {
    const inner = { src: hostOf(4, 0), sport: 5000 + i, dst: '203.0.113.7', dport: 53 };
    const out = await sim.frame('dpdk0', frameOf('UDP', inner, ports.dpdk0, false, ''), i % 3);
    const [o] = out.filter((x) => decodeAsk(x.bytes) === null);
    if (o?.fate === 'drop') seen.dropped += 1;
    else {
      t.is(o?.device, 'dpdk1', 'what has another source leaves where the rule says');
      t.true(
        (ways[4].out as readonly string[]).includes(
          decodeFrame(o?.bytes ?? new Uint8Array(0))?.src ?? '',
        ),
      );
      seen.dpdk1 += 1;
    }
  }
  t.true(seen.dpdk1 > 15 && seen.dropped > 15, JSON.stringify(seen));
});

const routers = { 4: '198.51.100.99', 6: '2001:db8:1::99' } as const;
const exceeded = { 4: { type: 11, code: 0, rest: 0 }, 6: { type: 3, code: 0, rest: 0 } } as const;

/** The packet an error quotes, as ends. */
const quotedEnds = (f: Family, kind: Kind, error: Uint8Array): Partial<Ends> | null | undefined => {
  if (kind !== 'ICMP') return decodeIcmpError(error)?.quote;
  const quoted = Uint8Array.from([...new Uint8Array(14), ...error.slice(14 + (f === 4 ? 28 : 48))]);
  const echo = decodeEcho(quoted);
  return echo === null ? {} : { src: echo.src, sport: echo.id, dst: echo.dst, dport: 0 };
};

for (const f of [4, 6] as const)
  for (const kind of ['TCP', 'UDP', 'ICMP'] as const) {
    const inner: Ends = {
      src: hostOf(f, 0),
      sport: 1234,
      dst: remoteOf(f, 0),
      dport: kind === 'ICMP' ? 0 : 33_434,
    };

    test(`a router on the way speaks for itself, about the host's own packet: IPv${f} ${kind}`, async (t) => {
      const sim = await started(f, kind, 3, 5);
      const frame = frameOf(kind, inner, ports.dpdk0, false, 'S');
      const [o] = sent(await sim.frame('dpdk0', frame, 1));
      const outer = o === undefined ? null : endsOf(kind, o);
      if (o === undefined || outer === null) throw new Error('nothing left');
      const error = encodeIcmpError(
        { from: macOf(routers[f]), to: ports.dpdk1 },
        { src: routers[f], dst: outer.src },
        exceeded[f],
        packetOf(o.bytes),
      );
      for (const worker of [0, 1, 2]) {
        const [told] = sent(await sim.frame('dpdk1', error, worker));
        const bytes = told?.bytes ?? new Uint8Array(0);
        t.is(told?.device, 'dpdk0');
        t.like(decodeIcmpError(bytes), { src: routers[f], dst: inner.src, ...exceeded[f] });
        t.deepEqual(quotedEnds(f, kind, bytes), inner);
      }
      await sim.close();
    });

    test(`a traceroute shows us by our own address: IPv${f} ${kind}`, async (t) => {
      const sim = await started(f, kind, 3, 5);
      const [ours] = sent(
        await sim.frame('dpdk0', frameOf(kind, inner, ports.dpdk0, false, 'S', 1), 0),
      );
      t.is(ours?.device, 'dpdk0');
      t.like(decodeIcmpError(ours?.bytes ?? new Uint8Array(0)), {
        src: sides[f].lan,
        dst: inner.src,
        ...exceeded[f],
      });
      await sim.close();
    });
  }
