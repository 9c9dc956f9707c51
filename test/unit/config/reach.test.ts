/** What is well formed and cannot work all the same is warned of, each cause once. */
import test from 'ava';
import type { Machine } from '../../../src/config/machine.js';
import { alone, dpvsAlone, dpvsText, instance, load, service, warned } from './source.js';

const addresses = `static_ipaddress {
 198.51.100.2/24 dev dpdk1.kni
 10.1.0.2/24 dev dpdk0.kni
}
`;
const checked = ' real_server 10.1.0.11 80 {\n TCP_CHECK {\n }\n }';
const machine: Machine = {
  cpus: [0, 1],
  interfaces: [
    { name: 'lo', addresses: [] },
    { name: 'eth1', addresses: [{ address: '203.0.113.1', prefixLength: 24 }] },
  ],
};

const warnings = (text: string, dpvs = dpvsText, on: Machine | null = null): readonly string[] =>
  warned(load(text, dpvs, {}, { machine: on })).map((s) => s.replace(/^\d+:\d+ warning /, ''));

test('a service on an instance, with local addresses of its network and checks, has no warning', (t) => {
  t.deepEqual(warnings(addresses + instance('') + service('', checked)), []);
});

test('a service on no interface and no instance', (t) => {
  t.deepEqual(warnings(addresses + service('', checked)), [
    'nobody reaches 198.51.100.80: it is in no virtual_ipaddress and on no interface',
  ]);
});

test('a service on an interface that belongs to no device', (t) => {
  const text = addresses.replace('}', ' 198.51.100.80/32 dev eth1\n}') + service('', checked);
  t.deepEqual(warnings(text), [
    'nobody reaches 198.51.100.80: it is on eth1, which belongs to no device',
  ]);
});

test('an address that the machine has on the interface of a device counts', (t) => {
  const on: Machine = {
    ...machine,
    interfaces: [
      { name: 'dpdk1.kni', addresses: [{ address: '198.51.100.80', prefixLength: 32 }] },
    ],
  };
  t.deepEqual(warnings(addresses + service('', checked), dpvsText, on), []);
});

test('a hundred services of one address are one warning', (t) => {
  const many = Array.from({ length: 100 }, (_, i) =>
    service('', checked)
      .replace(/^local[^}]*}\n/, '')
      .replace('80 80', `80 ${1000 + i}`),
  ).join('');
  const lips = 'local_address_group lips {\n 10.1.0.200 dpdk0\n}\n';
  t.is(warnings(addresses + lips + many).length, 1);
});

test('local addresses on no network of their device', (t) => {
  const text = addresses.replace('10.1.0.2/24', '10.2.0.2/24');
  t.deepEqual(warnings(text + instance('') + service('', checked)), [
    'local address 10.1.0.200 is in no network of dpdk0.kni',
  ]);
});

test('servers without a check', (t) => {
  const two = ' real_server 10.1.0.11 80 {\n }\n real_server 10.1.0.12 80 {\n }';
  t.deepEqual(warnings(addresses + instance('') + service('', two)), [
    '2 real servers have no check: they are in service whether they answer or not',
  ]);
});

test('a virtual address on an interface that is not there', (t) => {
  const text = instance('').replace('80/32', '80/32 dev eth7');
  t.deepEqual(warnings(text), ['198.51.100.80: there is no interface eth7']);
});

test('a cpu and an interface that this machine has not; without facts nothing is said', (t) => {
  const dpvs = dpvsText
    .replace('cpu_id 1', 'cpu_id 9')
    .replace('net_null1', 'net_af_packet1,iface=wan9');
  t.deepEqual(warnings('', dpvs), []);
  t.deepEqual(warnings('', dpvs, machine), [
    'device dpdk1: this machine has no interface wan9',
    'worker cpu1: this machine has no cpu 9',
  ]);
});

test('a bond is one error, not one for each worker that reads it', (t) => {
  const text = dpvsText
    .replace('<init> device dpdk0 {', '<init> bonding bond0 {\n mode 4\n slave dpdk0\n')
    .replaceAll('port dpdk0', 'port bond0');
  t.deepEqual(
    dpvsAlone(text)
      .diagnostics.filter((d) => d.severity === 'error')
      .map((d) => d.message),
    ["'bonding' is not supported yet"],
  );
});

test('a file alone says what was not looked at', (t) => {
  t.true(alone('').diagnostics.some((d) => d.message.includes('was not looked at')));
  t.true(dpvsAlone(dpvsText).diagnostics.some((d) => d.message.includes('was not looked at')));
});

test('files of routing daemons are recognised by name and by content', (t) => {
  const bgp = 'frr version 8.4\nrouter bgp 65001\n neighbor 192.0.2.1 remote-as 65002\n';
  const named = load('', dpvsText, { 'bgpd.conf': 'hostname x\n' });
  const included = load('include r/*.conf\n', dpvsText, { 'r/other.conf': bgp });
  for (const r of [named, included]) {
    t.not(r.config, null);
    t.regex(warned(r).join('\n'), /recognised as a file of FRR.*not acted on yet/);
    t.false(warned(r).join('\n').includes('unknown keyword'));
  }
});
