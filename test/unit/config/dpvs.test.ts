import test from 'ava';
import { dpvsAlone, dpvsText, load, said } from './source.js';

const dpvs = (text: string) => load('', text).config?.dpvs;

test('devices and workers with their defaults', (t) => {
  const d = dpvs(dpvsText);
  t.deepEqual(
    d?.devices.map((x) => [x.name, x.devargs, x.rxQueues, x.txDescriptors, x.mtu, x.kniName]),
    [
      ['dpdk0', null, 1, 512, 1500, 'dpdk0.kni'],
      ['dpdk1', 'net_null1', 1, 512, 1500, 'dpdk1.kni'],
    ],
  );
  t.deepEqual(
    d?.workers.map((w) => [w.name, w.type, w.cpuId, w.ports.length]),
    [
      ['cpu0', 'master', 0, 0],
      ['cpu1', 'slave', 1, 2],
    ],
  );
  t.like(d, { vipLeaseMs: 2000, idleSleepMaxUs: 500, connPoolSize: 1_048_576, filePrefix: null });
});

test('timeouts are seconds in the file and milliseconds here; what is not written is not there', (t) => {
  const d = dpvs(
    `${dpvsText}ipvs_defs {\n tcp { timeout { established 600\n fin_wait 5 } }\n udp { timeout { normal 60 } }\n conn { conn_init_timeout 4\n <init> conn_pool_size 100000 } }\n`,
  );
  t.deepEqual(d?.timeoutsMs, {
    tcpEstablished: 600_000,
    tcpFinWait: 5000,
    udpNormal: 60_000,
    connInit: 4000,
  });
  t.is(d?.connPoolSize, 100_000);
});

test('Keelson’s own items', (t) => {
  const d = dpvs(
    `${dpvsText}global_defs {\n <init> eal_args "--no-huge -m 256"\n file_prefix lb\n vip_lease_ms 1000\n idle_sleep_max_us 0\n}\n`,
  );
  t.deepEqual(d?.ealArgs, ['--no-huge', '-m', '256']);
  t.like(d, { filePrefix: 'lb', vipLeaseMs: 1000, idleSleepMaxUs: 0, maglevSize: 4093 });
  const rows = (n: number): string => `${dpvsText}ipvs_defs {\n mh_table_size ${n}\n}\n`;
  t.is(dpvs(rows(65_521))?.maglevSize, 65_521);
  t.deepEqual(said(dpvsAlone(rows(4096))), [
    '17:16 error a Maglev table has a prime number of rows',
  ]);
});

test('a bad value is a warning with its place, and the default is used, as in DPVS', (t) => {
  const text = `${dpvsText}neigh_defs {\n timeout 99999\n}\n`;
  t.deepEqual(said(dpvsAlone(text)), ['17:10 warning wrong value, the default is used']);
  t.is(dpvs(text)?.neighbourTimeoutMs, 60_000);
});

test('columns behind <init> are those of the file', (t) => {
  const r = dpvsAlone(`${dpvsText}netif_defs {\n <init> pktpool_size 7\n}\n`);
  t.deepEqual(said(r), ['17:22 warning wrong value, the default is used']);
});

test('workers that cannot run are errors', (t) => {
  const complaint = (text: string): string => said(dpvsAlone(text)).join('\n');
  t.regex(complaint(dpvsText.replace('type master', 'type slave')), /0 workers of type master/);
  t.regex(complaint(dpvsText.replace('cpu_id 1', 'cpu_id 0')), /has cpu_id 0, as has cpu0/);
  t.regex(
    complaint(dpvsText.replace('port dpdk1', 'port dpdk5')),
    /port dpdk5, which is no device/,
  );
  t.regex(
    complaint(dpvsText.replace('port dpdk1', 'port dpdk5')),
    /queue 0 of dpdk1 is read by 0 workers/,
  );
  t.regex(complaint(dpvsText.replace('queue_number 1', 'queue_number 2')), /queue 1 of dpdk0/);
  t.regex(complaint(''), /there is no device/);
});

test('items that are not acted on are informations', (t) => {
  const r = dpvsAlone(
    `${dpvsText}timer_defs {\n schedule_interval 500\n}\nglobal_defs {\n pdump off\n}\n`,
  );
  t.deepEqual(said(r), []);
  t.is(r.diagnostics.filter((d) => d.code === 'KS_CONF_NOT_ACTED_ON').length, 2);
});
