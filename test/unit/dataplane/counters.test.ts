import test from 'ava';
import fc from 'fast-check';
import { isFull, readCounters, shmHead, shmRs } from '../../../src/dataplane/counters.js';
import { viewOf } from '../../../src/net/codec.js';
import { compileAndRun } from '../../support/dataplane/cc.js';

/** Counters as native/core lays them out: 2 workers, 2 ports, 3 slots, of which the second is in use. */
const program = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include "ks_shm.h"
#include "ks_drop.h"
#include "ks_worker.h"
int main(void)
{
	struct ks_shm_opts o = {.workers = 2, .ports = 2, .rs_slots = 3};
	size_t size = ks_shm_size(&o);
	void *mem = aligned_alloc(64, size);
	memset(mem, 0, size);
	struct ks_shm *s = ks_shm_init(mem, &o);
	ks_shm_dev(s, 0, "dpdk0");
	ks_shm_dev(s, 1, "dpdk1");
	ks_shm_worker(s, 0)[KS_C_RX_PACKETS] = 100;
	ks_shm_worker(s, 1)[KS_C_RX_PACKETS] = 200;
	ks_shm_worker(s, 1)[KS_C_DROP_FIRST + KS_DROP_TTL] = 3;
	ks_shm_worker(s, 2)[KS_C_TX_PACKETS] = 7;
	ks_shm_port(s, 1)[KS_PC_LINK_UP] = 1;
	ks_shm_rs(s, 0)[KS_RSC_COUNT + KS_RSC_ACTIVE] = 5;
	ks_shm_rs(s, 1)[KS_RSC_COUNT + KS_RSC_ACTIVE] = 6;
	ks_shm_rs(s, 0)[KS_RSC_COUNT + KS_RSC_OVERLOAD] = 4;
	ks_shm_rs(s, 1)[KS_RSC_COUNT + KS_RSC_OVERLOAD] = 3;
	struct ks_shm_rs *row = (void *)((char *)mem + s->rs_dir_off);
	row[1] = (struct ks_shm_rs){.seq = 2, .used = 1, .svc = {.af = 4, .proto = 6, .port = htons(80)}, .af = 4, .fwd = 1, .port = htons(8080), .weight = 9};
	memcpy(row[1].svc.addr, "\\x0a\\0\\0\\x01", 4);
	memcpy(row[1].addr, "\\x0a\\0\\x01\\x01", 4);
	s->generation = 12;
	s->lease_left_ms = 2500;
	s->heartbeat = 99;
	fwrite(mem, 1, size, stdout);
	return 0;
}
`;

const memory = new Uint8Array(compileAndRun(program, ['native/core/ks_shm.c']));

test('the counters are found by their names where native/core laid them', (t) => {
  const c = readCounters(memory);
  t.is(c?.generation, 12);
  t.is(c?.leaseLeftMs, 2500);
  t.is(c?.heartbeat, 99);
  t.deepEqual(
    c?.workers.map((w) => w['rx_packets']),
    [100, 200],
  );
  t.deepEqual(
    c?.workers.map((w) => w['drop.ttl']),
    [0, 3],
  );
  t.is(c?.main['tx_packets'], 7);
  t.deepEqual(Object.keys(c?.ports ?? {}), ['dpdk0', 'dpdk1']);
  t.is(c?.ports['dpdk1']?.['link_up'], 1);
  t.is(c?.realServers.length, 1);
  t.like(c?.realServers[0], {
    protocol: 6,
    vip: '10.0.0.1',
    vport: 80,
    address: '10.0.1.1',
    port: 8080,
    weight: 9,
  });
  t.is(c?.realServers[0]?.counters['active'], 11, 'summed over the workers');
  t.is(c?.realServers[0]?.counters['overload'], 4, 'the last change of any of them');
});

test('a real server is full from its upper threshold on until it is below its lower one', (t) => {
  const full = (r: object, sessions: number, overload: number): boolean =>
    isFull(r, { active: 1, inactive: sessions - 1, overload });
  t.false(isFull({ upperThreshold: 8 }, undefined));
  t.false(full({}, 900, 1), 'no limit');
  t.deepEqual(
    [7, 8].map((n) => full({ upperThreshold: 8 }, n, 2)),
    [false, true],
  );
  t.deepEqual(
    [5, 6].map((n) => full({ upperThreshold: 8 }, n, 1)),
    [false, true],
    'three quarters',
  );
  t.deepEqual(
    [2, 3].map((n) => full({ upperThreshold: 8, lowerThreshold: 3 }, n, 1)),
    [false, true],
  );
});

test('a row that is being written is left out', (t) => {
  const m = memory.slice();
  const view = viewOf(m);
  const dir = shmHead.read(view, 0).rsDirOff;
  view.setUint32(dir + shmRs.size, 3, true);
  t.deepEqual(readCounters(m)?.realServers, []);
});

test('memory cut short, another magic, tables outside of it: null', (t) => {
  t.is(readCounters(memory.subarray(0, memory.length - 1)), null);
  t.is(readCounters(memory.subarray(0, 20)), null);
  t.is(readCounters(new Uint8Array(4096)), null);
  const m = memory.slice();
  viewOf(m).setUint32(40, 0xfffffff0, true); // worker_off
  t.is(readCounters(m), null);
});

test('law: a head with any wrong bytes never throws', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.nat(shmHead.size - 9), fc.nat(0xff), (at, value) => {
        const m = memory.slice();
        m[8 + at] = value;
        readCounters(m);
      }),
      { numRuns: 2000 },
    ),
  );
});
