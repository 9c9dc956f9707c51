import test from 'ava';
import fc from 'fast-check';
import { millis } from '../../../src/kernel/machine.js';
import { instanceDefaults } from '../../../src/vrrp/messages.js';
import { restore } from '../../../src/vrrp/state.js';
import { decodeSaved, encodeSaved, type Saved } from '../../../src/vrrp/state-file.js';
import { instance } from '../../support/vrrp/simulation.js';

const saved: Saved = {
  revision: 7,
  instances: [instance(), instance({ vrid: 52, sourceAddress: '10.9.0.1' })],
  syncGroups: [{ name: 'G', members: ['eth0 51 inet', 'eth0 52 inet'] }],
  routers: [
    {
      id: 'eth0 51 inet',
      wasActive: true,
      since: 1,
      delta: -5,
      service: { bootId: '9', ok: true, reason: 'x' },
    },
    { id: 'eth0 52 inet', wasActive: false, since: 2, delta: 0, service: null },
  ],
};

test('what is written is read back', (t) => {
  t.like(decodeSaved(encodeSaved(saved, 'boot'), 'boot'), { ...saved });
});

test('another boot of the machine, another format and half a file are ignored', (t) => {
  const text = encodeSaved(saved, 'boot');
  t.is(decodeSaved(text, 'other'), 'it is from before the last boot');
  t.regex(String(decodeSaved(text.replace('"format":1', '"format":2'), 'boot')), /format/);
  for (let n = 0; n < text.length - 1; n += 7)
    t.is(typeof decodeSaved(text.slice(0, n), 'boot'), 'string');
});

test('a field that no version leaves out is missed', (t) => {
  const broken = (list: 'instances' | 'routers', key: string): unknown => {
    const copy = JSON.parse(encodeSaved(saved, 'boot')) as Record<
      string,
      Record<string, unknown>[]
    >;
    const first = copy[list]?.[0];
    if (first !== undefined) first[key] = undefined;
    return decodeSaved(JSON.stringify(copy), 'boot');
  };
  for (const key of ['name', 'interface', 'vrid', 'addresses'])
    t.is(typeof broken('instances', key), 'string', key);
  for (const key of ['id', 'wasActive', 'since', 'delta', 'service'])
    t.is(typeof broken('routers', key), 'string', key);
});

test('an option that an older vrrp did not know has its default', (t) => {
  const without = (key: string, within: 'instance' | 'garp'): unknown => {
    const one: Record<string, unknown> = { ...instance(), garp: { ...instance().garp } };
    const from = within === 'garp' ? (one['garp'] as Record<string, unknown>) : one;
    delete from[key];
    return decodeSaved(encodeSaved({ ...saved, instances: [one] } as unknown as Saved, 'b'), 'b');
  };
  const { garp } = instanceDefaults;
  for (const [key, value] of Object.entries(instanceDefaults))
    t.like(without(key, 'instance'), { instances: [{ ...instance(), [key]: value }] }, key);
  for (const [key, value] of Object.entries(garp))
    t.like(without(key, 'garp'), {
      instances: [{ ...instance(), garp: { ...instance().garp, [key]: value } }],
    });
});

test('a value of the right kind that no configuration has is noticed', (t) => {
  const wrong: Readonly<Record<string, readonly unknown[]>> = {
    addresses: [['10.9.0'], [7], ['::1']],
    vips: [[null], [{ device: 'dpdk0' }]],
    garp: [[], 1, { ...instance().garp, repeat: 'x' }],
    advertMs: [0, -1],
    vrid: [0, 256],
    priority: [0, 256],
    version: [1, 4],
    downTimerAdverts: [0],
    leaseMs: [0],
    unicastPeers: [['x']],
    authentication: [{}, { type: 'pass' }],
    sourceAddress: ['x'],
    multicastGroup: ['x'],
    family: ['x'],
    initialState: ['x'],
  };
  for (const [key, values] of Object.entries(wrong))
    for (const value of values) {
      const instances = [{ ...instance(), [key]: value }];
      const text = encodeSaved({ ...saved, instances } as unknown as Saved, 'boot');
      t.is(decodeSaved(text, 'boot'), 'its instances are not complete', `${key} ${String(value)}`);
    }
});

test('what is accepted can be restored: each field with any value', (t) => {
  const fields = Object.keys(instance());
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.jsonValue(), (key, value) => {
      const instances = [{ ...instance(), [key]: value }];
      const text = encodeSaved({ ...saved, instances } as unknown as Saved, 'boot');
      const found = decodeSaved(text, 'boot');
      if (typeof found === 'string') return;
      const service = { bootId: '1', ok: true, reason: 'x' };
      for (const c of found.instances)
        restore(c, { service, delta: 0, wasActive: true }, millis(0));
    }),
  );
  t.pass();
});

test('whatever the file holds, reading it never throws', (t) => {
  fc.assert(
    fc.property(fc.json(), fc.string(), (json, text) => {
      decodeSaved(json, 'boot');
      decodeSaved(text, 'boot');
    }),
  );
  t.pass();
});
