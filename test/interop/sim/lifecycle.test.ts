/** How sessions end and begin anew, in virtual time: told when they expire, ended with their server, one packet at a time. */
import test from 'ava';
import type { ServiceEntry, Snapshot } from '../../../src/dataplane/snapshot.js';
import {
  decodeAsk,
  decodeFrame,
  encodeFrame,
  type Frame,
  type Segment,
} from '../../support/sim/frames.js';
import type { Outcome, Sim } from '../../support/sim/sim.js';
import {
  type Kind,
  macOf,
  ports,
  settle,
  sides,
  wanted,
  withSim,
} from '../../support/sim/world.js';

const segment = (part: Partial<Segment>): Segment => ({
  src: '',
  sport: 40_000,
  dst: '',
  dport: 80,
  ttl: 64,
  protocol: 'TCP',
  flags: 'A',
  seq: 1000,
  ack: 2000,
  options: new Uint8Array(0),
  data: new Uint8Array(0),
  ...part,
});

const sent = (outcomes: readonly Outcome[]): readonly (Frame & { readonly device: string })[] =>
  outcomes
    .filter((o) => o.fate === 'tx' && decodeAsk(o.bytes) === null)
    .flatMap((o) => {
      const f = decodeFrame(o.bytes);
      return f === null ? [] : [{ ...f, device: o.device }];
    });

const fromClient = async (sim: Sim, k: Kind, part: Partial<Segment>) => {
  const s = segment({
    src: sides[k.outside].client(0),
    dst: sides[k.outside].vip,
    protocol: k.protocol,
    ...part,
  });
  return sent(await sim.frame('dpdk1', encodeFrame(macOf(s.src), ports.dpdk1, s)));
};

/** The other end of a frame answers it. */
const answer = async (sim: Sim, f: Frame, device: string, part: Partial<Segment>) => {
  const s = segment({ src: f.dst, sport: f.dport, dst: f.src, dport: f.sport, ...part });
  const port = device === 'dpdk0' ? ports.dpdk0 : ports.dpdk1;
  return sent(await sim.frame(device, encodeFrame(macOf(s.src), port, s)));
};

const established = async (sim: Sim, k: Kind, sport = 40_000): Promise<Frame> => {
  const [syn] = await fromClient(sim, k, { sport, flags: 'S' });
  if (syn === undefined) throw new Error('the SYN was not forwarded');
  await answer(sim, syn, 'dpdk0', { flags: 'SA', seq: 9000, ack: 1001 });
  const [ack] = await fromClient(sim, k, { sport, flags: 'A', seq: 1001, ack: 9001 });
  if (ack === undefined) throw new Error('the ACK was not forwarded');
  return ack;
};

/** Nothing that lives on asks for its neighbours meanwhile. */
const tcp = (frames: readonly (Frame & { readonly device: string })[]) =>
  [...frames].sort((a, b) => (a.device < b.device ? 1 : -1));

const expiring: readonly Kind[] = [
  { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 },
  { mode: 'FNAT', protocol: 'TCP', outside: 6, inside: 6 },
  { mode: 'FNAT', protocol: 'TCP', outside: 6, inside: 4 },
  { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 6 },
  { mode: 'NAT', protocol: 'TCP', outside: 4, inside: 4 },
  { mode: 'NAT', protocol: 'TCP', outside: 6, inside: 6 },
];

for (const k of expiring)
  test(`both ends learn that their connection has expired: ${k.mode} ${k.outside} to ${k.inside}`, async (t) => {
    await withSim(k, 3, async (sim) => {
      const last = await established(sim, k);
      t.deepEqual(sent(await settle(sim, await sim.advance(89_000))), []);
      const asked = tcp(sent(await settle(sim, await sim.advance(3000))));
      t.is(asked.length, 2);
      const [client, server] = asked;
      if (client === undefined || server === undefined) throw new Error('nobody was asked');
      t.deepEqual(client.faults, []);
      t.deepEqual(server.faults, []);
      t.like(client, {
        device: 'dpdk1',
        src: sides[k.outside].vip,
        sport: 80,
        dst: sides[k.outside].client(0),
        dport: 40_000,
        flags: 'A',
      });
      t.like(server, {
        device: 'dpdk0',
        src: last.src,
        sport: last.sport,
        dst: last.dst,
        dport: last.dport,
        flags: 'A',
      });
      // Each says how far it is, and gets a RST with exactly that number (RFC 5961).
      const [toClient] = await answer(sim, client, 'dpdk1', { seq: 1001, ack: 9001 });
      t.like(toClient, { device: 'dpdk1', flags: 'R', seq: 9001, dport: 40_000, sport: 80 });
      t.deepEqual(toClient?.faults, []);
      const [toServer] = await answer(sim, server, 'dpdk0', { seq: 9001, ack: 1001 });
      t.like(toServer, { device: 'dpdk0', flags: 'R', seq: 1001, dst: last.dst });
      t.deepEqual(toServer?.faults, []);
    });
  });

test('of a thousand connections that expire together both ends of each learn it', async (t) => {
  const k: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
  await withSim(k, 1, async (sim) => {
    // soon enough that the neighbours are known, and nothing waits for an answer of theirs
    await sim.apply({ ...wanted(k), params: { tcpEstablished: 5000 } });
    for (let i = 0; i < 1000; i++) await established(sim, k, 10_000 + i);
    const asked = sent(await settle(sim, await sim.advance(7000)));
    t.is(asked.length, 2000);
    const clients = asked.filter((f) => f.device === 'dpdk1').map((f) => f.dport);
    t.is(new Set(clients).size, 1000);
  });
});

test('nobody is told where that is switched off, or when a connection was never established', async (t) => {
  const k: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
  await withSim(k, 1, async (sim) => {
    await fromClient(sim, k, { flags: 'S' });
    t.deepEqual(sent(await settle(sim, await sim.advance(40_000))), []);
    await sim.apply({ ...wanted(k), params: { resetExpired: 0 } });
    await established(sim, k);
    t.deepEqual(sent(await settle(sim, await sim.advance(100_000))), []);
  });
});

const withService = (k: Kind, part: Partial<ServiceEntry>): Snapshot => {
  const s = wanted(k);
  return { ...s, services: s.services.map((v) => ({ ...v, ...part })) };
};

test('expire-quiescent: the next packet from either end is answered with a RST, and the client begins anew', async (t) => {
  const k: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
  await withSim(k, 2, async (sim) => {
    await sim.apply(withService(k, { expireQuiescent: true }));
    const last = await established(sim, k);
    const servers = (wanted(k).services[0]?.realServers ?? []).map((r) =>
      r.address === last.dst ? { ...r, weight: 0 } : r,
    );
    await sim.apply(withService(k, { expireQuiescent: true, realServers: servers }));
    const [rst] = await fromClient(sim, k, { seq: 1001, ack: 9001 });
    t.like(rst, { device: 'dpdk1', flags: 'R', seq: 9001 });
    const [again] = await fromClient(sim, k, { flags: 'S', seq: 5000 });
    t.is(again?.device, 'dpdk0');
    t.not(again?.dst, last.dst);
    t.is((await sim.drops())['expire-quiescent'], 1);
  });
});

test('conn_reuse_state: a SYN begins anew only where that state allows it', async (t) => {
  const k: Kind = { mode: 'FNAT', protocol: 'TCP', outside: 4, inside: 4 };
  // 1 << enum ks_state: CLOSE_WAIT is 7
  for (const [reuseStates, anew] of [
    [0x60, false],
    [0x60 | (1 << 7), true],
  ] as const)
    await withSim(k, 1, async (sim) => {
      await sim.apply({ ...wanted(k), params: { reuseStates } });
      const last = await established(sim, k);
      await fromClient(sim, k, { flags: 'FA', seq: 1001, ack: 9001 });
      const [syn] = await fromClient(sim, k, { flags: 'S', seq: 7000 });
      t.is(syn?.sport !== last.sport || syn?.dst !== last.dst, anew);
    });
});

for (const mode of ['FNAT', 'NAT'] as const)
  test(`one-packet scheduling, ${mode}: each datagram has a server of its own, and each answer finds the client`, async (t) => {
    const k: Kind = { mode, protocol: 'UDP', outside: 4, inside: 4 };
    await withSim(k, 3, async (sim) => {
      await sim.apply(withService(k, { onePacket: true }));
      const out: Frame[] = [];
      for (let i = 0; i < 9; i++) {
        const [f] = await fromClient(sim, k, { data: new TextEncoder().encode(`q${i}`) });
        if (f === undefined) throw new Error('a datagram was not forwarded');
        out.push(f);
      }
      for (const rs of sides[4].realServers)
        t.is(out.filter((f) => f.dst === rs).length, 3, 'each server has its share');
      for (const f of out) {
        const [back] = await answer(sim, f, 'dpdk0', { protocol: 'UDP', flags: '', data: f.data });
        t.like(back, { device: 'dpdk1', src: sides[4].vip, sport: 80, dport: 40_000 });
        t.deepEqual(back?.faults, []);
        t.deepEqual(back?.data, f.data);
      }
      // conn_init_timeout: what was asked for is not remembered for long
      await sim.advance(4000);
      const late = out[0];
      if (late !== undefined)
        t.deepEqual(await answer(sim, late, 'dpdk0', { protocol: 'UDP', flags: '' }), []);
    });
  });

test('one-packet scheduling past us leaves nothing behind', async (t) => {
  const k: Kind = { mode: 'DR', protocol: 'UDP', outside: 4, inside: 4 };
  await withSim(k, 2, async (sim) => {
    await sim.apply(withService(k, { onePacket: true }));
    const macs = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const [f] = await fromClient(sim, k, {});
      macs.add(f?.to ?? '');
    }
    t.deepEqual([...macs].sort(), sides[4].realServers.map(macOf).sort());
  });
});
