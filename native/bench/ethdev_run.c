/* SPDX-License-Identifier: Apache-2.0 */
#include "ethdev_run.h"

#include <stdio.h>
#include <unistd.h>

/* Between the loop and the driver: how long the driver took. Queue 0 only. */
struct timed {
	struct port_io inner;
	uint64_t cycles, calls, rx, tx;
};

static uint16_t timed_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct timed *t = ctx;
	uint64_t start = gen_stamp();

	n = t->inner.rx(t->inner.ctx, queue, m, n);
	t->rx += n;
	t->calls++;
	t->cycles += gen_stamp() - start;
	return n;
}

static uint16_t timed_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct timed *t = ctx;
	uint64_t start = gen_stamp();

	n = t->inner.tx(t->inner.ctx, queue, m, n);
	t->tx += n;
	t->calls++;
	t->cycles += gen_stamp() - start;
	return n;
}

static void report(const struct rig *r, const struct timed *t, uint64_t tsc, bool json)
{
	uint64_t rx = 0, tx = 0, driver = 0, calls = 0;
	double stamp = gen_stamp_cost(), own;
	char drops[100];

	for (unsigned i = 0; i < r->s->n_ports; i++) {
		rx += t[i].rx;
		tx += t[i].tx;
		driver += t[i].cycles;
		calls += t[i].calls;
	}
	own = rx > 0 ? ((double)(tsc - driver) - stamp * (double)calls) / (double)rx : 0;
	rig_drops(r, drops, sizeof(drops));
	printf(json ? "{\"benchmark\":\"dataplane-fnat\",\"ethdev\":true,\"rx_packets\":%llu,\"tx_packets\":%llu,\"cycles\":%.1f,"
		      "\"driver_cycles\":%.1f,\"mpps_seen\":%.3f,\"drops\":\"%s\"}\n"
		    : "received %llu, sent %llu; cycles a packet: data plane %.1f, drivers %.1f; %.2f Mpps seen; dropped: %s\n",
	       (unsigned long long)rx, (unsigned long long)tx, own,
	       rx > 0 ? (double)driver / (double)rx : 0,
	       (double)rx / ((double)tsc / (double)rte_get_tsc_hz()) / 1e6, drops);
}

bool ethdev_run(struct options *o, struct rte_mempool *pool, unsigned seconds, bool json,
		char err[KS_ERR_LEN])
{
	static struct timed timed[KS_MAX_PORTS];
	struct rig r = { 0 };
	bool ok;

	o->n_workers = 1;
	ok = rig_open(&r, o, &rig_fnat44, 1u << 20, true, pool, err);
	if (ok) {
		struct lcore *l = &r.s->lcore[0];
		uint64_t start, end;

		for (unsigned i = 0; i < o->n_ports; i++) {
			timed[i].inner = r.s->port[i].io;
			r.s->port[i].io = (struct port_io){ .rx = timed_rx,
							    .tx = timed_tx,
							    .ctx = &timed[i] };
		}
		start = rte_rdtsc();
		end = start + seconds * rte_get_tsc_hz();
		while (rte_rdtsc() < end)
			worker_turn(l, clock_at(&l->clock, rte_rdtsc()));
		report(&r, timed, rte_rdtsc() - start, json);
	}
	for (unsigned i = 0; r.s != NULL && i < o->n_ports; i++)
		port_close(&r.s->port[i], true);
	rig_close(&r);
	return ok;
}
