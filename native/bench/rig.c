/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ks_worker_int.h"

static bool io_alloc(void *ctx, struct ks_pkt *out)
{
	return pkt_alloc(((struct rig *)ctx)->s, out);
}

static void io_drop(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	rte_pktmbuf_free(p->cookie);
}

static void io_event(void *ctx, const struct ks_event *e)
{
	(void)e;
	((struct rig *)ctx)->events++;
}

#define POOL_SIZE 32767u

void rig_options(struct options *o, unsigned workers, bool generator)
{
	o->pool_size = POOL_SIZE;
	o->max_services = 16;
	o->max_real_servers = 64;
	o->n_workers = workers;
	if (generator)
		o->n_ports = GEN_PORTS;
	for (unsigned p = 0; p < o->n_ports; p++) {
		const char *devargs = o->port[p].devargs;

		o->port[p] = (struct port_opts){
			.devargs = devargs, .rxq = 1, .txq = 1, .rxd = 512, .txd = 512, .mtu = 1500
		};
		snprintf(o->port[p].name, sizeof(o->port[p].name), "port%u", p);
		if (generator)
			o->port[p].rxq = o->port[p].txq = (uint16_t)workers;
	}
	for (unsigned i = 0; i < workers; i++) {
		struct worker_opts *wo = &o->worker[i];

		*wo = (struct worker_opts){ .name = "bench", .lcore = i + 1 };
		for (unsigned p = 0; p < o->n_ports; p++)
			if (i < o->port[p].rxq)
				wo->poll[wo->n_polls++] =
					(struct poll_opts){ .port = p, .queue = (uint16_t)i };
	}
}

const struct rig_mode rig_fnat44 = { "fnat44", 4, 4, KS_FWD_FNAT };

/* ---- workers ------------------------------------------------------------------------------------------------------ */

static bool make_worker(struct rig *r, unsigned i, uint32_t sessions, char err[KS_ERR_LEN])
{
	struct shell *s = r->s;
	struct lcore *l = &s->lcore[i];
	struct ks_worker_opts wo = {
		.index = i,
		.n_workers = s->n_workers,
		.max_sessions = sessions,
		.init_sessions = 64,
		.seed = s->seed,
		.max_rs_slots = s->o.max_real_servers,
		.max_svc_slots = s->o.max_services,
		.mem = &s->mem,
		.shared = &s->shared,
		.alloc_ctx = s,
		.alloc = pkt_alloc,
		.send_ctx = l,
		.send = worker_send,
	};

	l->shell = s;
	l->index = i;
	l->c = ks_shm_worker(s->shm, i);
	l->clock = s->clock;
	if (!wake_init(&l->wake))
		return false;
	if (i == s->n_workers)
		return true;
	l->o = &s->o.worker[i];
	l->lcore_id = l->o->lcore;
	wo.counters = l->c;
	wo.rs_counters = ks_shm_rs(s->shm, i);
	wo.rs_first = ks_shm_rs(s->shm, 0);
	wo.rs_stride = s->shm->rs_worker_stride / sizeof(uint64_t);
	l->core = ks_worker_new(&wo);
	if (l->core == NULL)
		snprintf(err, KS_ERR_LEN, "not enough memory for %u sessions", sessions);
	return l->core != NULL;
}

static bool make_gen_port(struct rig *r, unsigned i, bool claim_csum)
{
	struct port *p = &r->s->port[i];

	r->queue[i] = aligned_alloc(64, sizeof(struct gen_queue) * (r->s->n_workers + 1));
	if (r->queue[i] == NULL)
		return false;
	memset(r->queue[i], 0, sizeof(struct gen_queue) * (r->s->n_workers + 1));
	gen_port_init(&r->gen[i], i, r->s->pool, r->queue[i], claim_csum);
	p->o = &r->s->o.port[i];
	p->io = (struct port_io){ .rx = gen_rx, .tx = gen_tx, .ctx = &r->gen[i] };
	p->n_txq = (uint16_t)r->s->n_workers;
	p->rx_csum = true;
	p->info = (struct ks_port_info){ .mtu = 1500, .up = true };
	snprintf(p->info.dev, sizeof(p->info.dev), "%s", p->o->name);
	memcpy(p->info.mac, r->gen[i].mac, 6);
	return true;
}

bool rig_open(struct rig *r, const struct options *o, const struct rig_mode *mode,
	      uint32_t sessions, bool claim_csum, struct rte_mempool *pool, char err[KS_ERR_LEN])
{
	struct ks_limits limits = { .max_services = o->max_services,
				    .max_rs_slots = o->max_real_servers,
				    .max_routes = 1024,
				    .n_workers = o->n_workers };
	struct ks_shm_opts so = { .workers = o->n_workers,
				  .ports = o->n_ports,
				  .rs_slots = o->max_real_servers };
	struct ks_main_io io = { r, io_alloc, io_drop, io_drop, io_drop, io_event };
	size_t size = ks_shm_size(&so);
	struct shell *s;

	r->s = NULL;
	r->mode = mode;
	r->s = s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	r->shm_mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (s == NULL || r->shm_mem == NULL) {
		snprintf(err, KS_ERR_LEN, "not enough memory");
		return false;
	}
	memset(s, 0, sizeof(*s));
	memset(r->shm_mem, 0, size);
	s->o = *o;
	s->n_ports = o->n_ports;
	s->n_workers = o->n_workers;
	s->mem = memory_ops();
	s->pool = pool;
	s->seed = 0x6b65656c736f6e31ull; /* the same run every time */
	s->shm_fd = -1;
	s->shm = ks_shm_init(r->shm_mem, &so);
	clock_init(&s->clock, 1000000);
	for (unsigned i = 0; i < GEN_PORTS;
	     i++) /* devices have no peers of ours, but the generation wants their addresses */
		gen_port_init(&r->gen[i], i, pool, NULL, claim_csum);
	for (unsigned i = 0; i < s->n_ports; i++)
		if (o->port[i].devargs != NULL ? !port_open(s, i, err)
					       : !make_gen_port(r, i, claim_csum))
			return false;
	r->main = ks_main_new(&s->mem, &s->shared, &io, ks_shm_worker(s->shm, s->n_workers));
	r->desired = ks_desired_new(&s->mem, &limits);
	if (r->main == NULL || r->desired == NULL) {
		snprintf(err, KS_ERR_LEN, "not enough memory");
		return false;
	}
	for (unsigned i = 0; i <= s->n_workers; i++)
		if (!make_worker(r, i, sessions, err))
			return false;
	if (!rings_make(s, err))
		return false;
	queues_assign(s);
	return rig_first_generation(r, err);
}

void rig_close(struct rig *r)
{
	struct shell *s = r->s;

	if (s == NULL)
		return;
	rings_drain(s);
	for (unsigned i = 0; i < s->n_workers; i++)
		ks_worker_free(s->lcore[i].core);
	for (unsigned i = 0; i <= s->n_workers; i++)
		wake_fini(&s->lcore[i].wake);
	if (r->main != NULL)
		ks_main_free(r->main);
	if (atomic_load(&s->conf) != NULL)
		ks_conf_free(atomic_load(&s->conf));
	if (r->desired != NULL)
		ks_desired_free(r->desired);
	for (unsigned i = 0; i < GEN_PORTS; i++)
		free(r->queue[i]);
	free(r->shm_mem);
	free(s);
	memset(r, 0, sizeof(*r));
}

void rig_turn_all(struct rig *r, ks_ms now)
{
	for (unsigned i = 0; i < r->s->n_workers; i++)
		worker_turn(&r->s->lcore[i], now);
}

uint64_t rig_counter(const struct rig *r, enum ks_counter c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->s->n_workers; i++)
		sum += r->s->lcore[i].c[c];
	return sum;
}

double rig_session_bytes(const struct rig *r, uint32_t sessions)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < r->s->n_workers; i++)
		bytes += ks_table_bytes(&r->s->lcore[i].core->table);
	return (double)bytes / sessions;
}

void rig_drops(const struct rig *r, char *out, size_t cap)
{
	static const char *const names[] = {
#define X(sym, name, help) name,
		KS_DROPS(X)
#undef X
	};
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < KS_DROP_COUNT && n < cap; i++) {
		uint64_t v = rig_counter(r, (enum ks_counter)(KS_C_DROP_FIRST + i));

		if (v > 0)
			n += (size_t)snprintf(out + n, cap - n, "%s%s %llu", n > 0 ? ", " : "",
					      names[i], (unsigned long long)v);
	}
}
