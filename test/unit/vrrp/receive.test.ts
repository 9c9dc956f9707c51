import test from 'ava';
import { encodeIpv4 } from '../../../src/net/ipv4.js';
import type { InstanceConfig } from '../../../src/vrrp/messages.js';
import { encodeAdvertisement } from '../../../src/vrrp/packet.js';
import { receive } from '../../../src/vrrp/receive.js';
import { advertDatagrams } from '../../../src/vrrp/send.js';
import { initial, type State } from '../../../src/vrrp/state.js';
import { address, instance, packetsOf } from '../../support/vrrp/simulation.js';

const router = (o: Partial<InstanceConfig> = {}, source = '10.9.0.1'): State => ({
  ...initial(instance(o)),
  source: address(source),
});
const peer = (o: Partial<InstanceConfig> = {}): State => router(o, '10.9.0.2');

/** What router `me` says to the first packet of `other`. */
const heard = (me: State, other: State, priority = 100) => {
  const [packet = new Uint8Array(0)] = packetsOf(other, priority);
  return receive(me, packet);
};
const dropped = (me: State, other: State): string | null => {
  const result = heard(me, other);
  return result.ok ? null : result.error.counter;
};
const withTtl = (other: State, ttl: number): Uint8Array => {
  const [d] = advertDatagrams(other, 100);
  if (d === undefined) throw new Error('no advert');
  return encodeIpv4({ ...d, ttl, protocol: 112, tos: 0xc0 });
};

test('an advert of an equal router is accepted', (t) => {
  t.deepEqual(heard(router(), peer(), 77), {
    ok: true,
    value: { source: address('10.9.0.2'), priority: 77, intervalMs: 1000, remark: null },
  });
});

test('multicast needs TTL 255 (RFC 9568 §5.1.1.3)', (t) => {
  const result = receive(router(), withTtl(peer(), 254));
  t.like(result, { ok: false, error: { counter: 'ttlErrors' } });
});

test('unicast peers may be further away', (t) => {
  const me = router({ unicastPeers: ['10.9.0.2'] });
  const other = peer({ unicastPeers: ['10.9.0.1'] });
  t.true(receive(me, withTtl(other, 60)).ok);
});

test('a version that differs is dropped', (t) => {
  t.is(dropped(router({ version: 3 }), peer({ version: 2 })), 'versionErrors');
  t.is(dropped(router({ version: 2 }), peer({ version: 3 })), 'versionErrors');
});

test('multicast is not for a unicast router, nor the other way', (t) => {
  t.is(dropped(router({ unicastPeers: ['10.9.0.2'] }), peer()), 'sourceErrors');
  t.is(dropped(router(), peer({ unicastPeers: ['10.9.0.1'] })), 'sourceErrors');
});

test('check_unicast_src refuses strangers only when asked to', (t) => {
  const stranger = peer({ unicastPeers: ['10.9.0.1'] });
  const me = { unicastPeers: ['10.9.0.9'] };
  t.true(heard(router(me), stranger).ok);
  t.is(dropped(router({ ...me, checkUnicastSource: true }), stranger), 'sourceErrors');
});

test('authentication: type and password have to be ours (RFC 2338 §7.1)', (t) => {
  const pass = (password: string) => ({ authentication: { type: 'pass', password } }) as const;
  t.true(heard(router(pass('secret')), peer(pass('secret'))).ok);
  t.is(dropped(router(pass('secret')), peer(pass('Secret'))), 'authFailures');
  t.is(dropped(router(pass('secret')), peer(pass('secret2'))), 'authFailures');
  t.is(dropped(router(pass('secret')), peer()), 'authTypeMismatch');
  t.is(dropped(router(), peer(pass('secret'))), 'authTypeMismatch');
});

test('an unknown authentication type has its own counter', (t) => {
  const ends = { source: address('10.9.0.2'), destination: address('224.0.0.18') };
  const payload = encodeAdvertisement(
    {
      version: 2,
      vrid: 51,
      priority: 100,
      intervalMs: 1000,
      addresses: [address('10.9.0.100')],
      authentication: { type: 2, data: new Uint8Array(8) },
    },
    ends,
  );
  const packet = encodeIpv4({ ...ends, ttl: 255, protocol: 112, tos: 0xc0, payload });
  t.like(receive(router(), packet), { ok: false, error: { counter: 'invalidAuthType' } });
});

test('version 2 drops another interval (RFC 3768 §7.1), version 3 accepts it', (t) => {
  const result = heard(router({ advertMs: 2000 }), peer());
  t.like(result, { ok: false, error: { counter: 'advertIntervalErrors' } });
  t.regex(result.ok ? '' : result.error.why, /mine=2 sec rcv'd=1 sec/);
  const v3 = heard(router({ version: 3, advertMs: 2000 }), peer({ version: 3, advertMs: 100 }));
  t.like(v3, { ok: true, value: { intervalMs: 100 } });
});

test('a list that shares an address is a peer being reconfigured: accepted with a remark', (t) => {
  const more = peer({ addresses: ['10.9.0.100', '10.9.0.101'] });
  const result = heard(router(), more);
  t.true(result.ok);
  t.regex(result.ok ? (result.value.remark ?? '') : '', /address list mismatch/);
  // It took over what is excluded here.
  const moved = router({ addresses: ['10.9.0.7'], excludedAddresses: ['10.9.0.100'] });
  t.true(heard(moved, more).ok);
});

test('a list that shares none is a stranger with our VRID: ignored, whatever its priority', (t) => {
  for (const priority of [0, 1, 255])
    t.like(heard(router(), peer({ addresses: ['10.9.0.7'] }), priority), {
      ok: false,
      error: { counter: 'addressListErrors' },
    });
  t.is(dropped(router(), peer({ addresses: [] })), 'addressListErrors');
  t.true(heard(router({ addresses: [] }), peer({ addresses: [] })).ok);
});

test('the order of the addresses does not matter', (t) => {
  const me = router({ addresses: ['10.9.0.100', '10.9.0.101'] });
  const other = peer({ addresses: ['10.9.0.101', '10.9.0.100'] });
  t.like(heard(me, other), { ok: true, value: { remark: null } });
});

test('skip_check_adv_addr looks at the list only when the sender is new', (t) => {
  const other = peer({ addresses: ['10.9.0.101'] });
  const me = router({ skipCheckAdvertAddresses: true });
  t.is(dropped(me, other), 'addressListErrors');
  const followed = { ...me, peer: { address: address('10.9.0.2'), priority: 100 } };
  t.like(heard(followed, other), { ok: true, value: { remark: null } });
});

test('garbage is counted as a length error', (t) => {
  t.like(receive(router(), new Uint8Array(7)), {
    ok: false,
    error: { counter: 'packetLengthErrors' },
  });
});

test('what is not VRRP nobody hears of', (t) => {
  const ends = { source: address('10.9.0.2'), destination: address('224.0.0.18') };
  const packet = encodeIpv4({
    ...ends,
    ttl: 255,
    protocol: 89,
    tos: 0,
    payload: new Uint8Array(8),
  });
  t.like(receive(router(), packet), { ok: false, error: { level: null } });
});

test('v3_checksum_as_v2 is understood by a peer with the same option', (t) => {
  const asV2 = { version: 3, v3ChecksumAsV2: true } as const;
  t.true(heard(router(asV2), peer(asV2)).ok);
  t.is(dropped(router({ version: 3 }), peer(asV2)), 'checksumErrors');
});

test('unicast sends one datagram to each peer with the TTL configured', (t) => {
  const out = advertDatagrams(
    router({ unicastPeers: ['10.9.0.2', '10.9.0.3'], unicastTtl: 64 }),
    100,
  );
  t.deepEqual(
    out.map((d) => [d.destination, d.ttl]),
    [
      [address('10.9.0.2'), 64],
      [address('10.9.0.3'), 64],
    ],
  );
  t.deepEqual(advertDatagrams({ ...router(), source: null }, 100), []);
});
