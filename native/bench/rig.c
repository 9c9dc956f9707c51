/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RS 64u

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
	(void)ctx;
	(void)e;
}

/* ---- the generation, by ops as they come over the socket --------------------------------------------------------- */

static union ks_addr v4(uint32_t host)
{
	union ks_addr a = { .b = { 0 } };

	a.v4 = htonl(host);
	return a;
}

static bool apply(struct rig *r, void *op, enum ks_op_type type, size_t len, char err[KS_ERR_LEN])
{
	struct ks_op *o = op;
	char reason[KS_REASON_LEN] = "";

	o->type = (uint16_t)type;
	o->len = (uint16_t)len;
	if (ks_desired_apply(r->desired, o, len, reason) == KS_OK)
		return true;
	snprintf(err, KS_ERR_LEN, "op %d refused: %s", (int)type, reason);
	return false;
}

static bool add_addr(struct rig *r, const char *dev, uint32_t host, uint8_t plen, uint16_t flags,
		     char err[KS_ERR_LEN])
{
	struct ks_op_addr a = { .af = 4, .plen = plen, .flags = flags };

	snprintf(a.dev, sizeof(a.dev), "%s", dev);
	memcpy(a.addr, v4(host).b, 16);
	return apply(r, &a, KS_OP_ADDR_SET, sizeof(a), err);
}

static bool add_neigh(struct rig *r, const char *dev, uint32_t host, const uint8_t mac[6],
		      char err[KS_ERR_LEN])
{
	struct ks_op_neigh n = { .af = 4 };

	snprintf(n.dev, sizeof(n.dev), "%s", dev);
	memcpy(n.mac, mac, 6);
	memcpy(n.addr, v4(host).b, 16);
	return apply(r, &n, KS_OP_NEIGH_SET, sizeof(n), err);
}

static struct ks_svc_key key(uint8_t proto)
{
	struct ks_svc_key k = { .af = 4, .proto = proto, .port = htons(RIG_VPORT) };

	memcpy(k.addr, v4(RIG_VIP).b, 16);
	return k;
}

static bool add_service(struct rig *r, uint8_t proto, const char *back, char err[KS_ERR_LEN])
{
	struct ks_op_svc svc = { .key = key(proto), .sched = KS_SCHED_RR };

	if (!apply(r, &svc, KS_OP_SVC_SET, sizeof(svc), err))
		return false;
	for (unsigned i = 0; i < RIG_N_RS; i++) {
		struct ks_op_rs rs = { .svc = key(proto),
				       .af = 4,
				       .fwd = KS_FWD_FNAT,
				       .port = htons(RIG_VPORT),
				       .weight = 1 };

		memcpy(rs.addr, v4(RIG_RS + i).b, 16);
		if (!apply(r, &rs, KS_OP_RS_SET, sizeof(rs), err))
			return false;
	}
	for (unsigned i = 0; i < RIG_N_LIP; i++) {
		struct ks_op_lip lip = { .svc = key(proto), .af = 4 };

		snprintf(lip.dev, sizeof(lip.dev), "%s", back);
		memcpy(lip.addr, v4(RIG_LIP + i).b, 16);
		if (!apply(r, &lip, KS_OP_LIP_SET, sizeof(lip), err))
			return false;
	}
	return true;
}

static bool fill(struct rig *r, char err[KS_ERR_LEN])
{
	const char *front = r->s->port[0].info.dev, *back = r->s->port[r->s->n_ports - 1].info.dev;
	struct ks_op_route def = { .af = 4 };
	bool ok = add_addr(r, front, RIG_VIP, 32, 0, err) &&
		add_addr(r, front, RIG_VIP + 1, 24, 0, err) &&
		add_addr(r, back, RIG_RS - 10, 24, 0, err) &&
		add_neigh(r, front, RIG_VIP + 253, r->gen[0].peer_mac, err);

	for (unsigned i = 0; ok && i < RIG_N_LIP; i++)
		ok = add_addr(r, back, RIG_LIP + i, 32, KS_ADDR_LIP, err);
	for (unsigned i = 0; ok && i < RIG_N_RS; i++)
		ok = add_neigh(r, back, RIG_RS + i, r->gen[1].peer_mac, err);
	snprintf(def.dev, sizeof(def.dev), "%s", front);
	memcpy(def.gw, v4(RIG_VIP + 253).b, 16);
	return ok && apply(r, &def, KS_OP_ROUTE_SET, sizeof(def), err) &&
		add_service(r, IPPROTO_TCP, back, err) && add_service(r, IPPROTO_UDP, back, err);
}

static bool make_generation(struct rig *r, char err[KS_ERR_LEN])
{
	char reason[KS_REASON_LEN] = "";
	struct ks_conf *conf;

	for (unsigned i = 0; i < r->s->n_ports; i++)
		ks_desired_port(r->desired, i, &r->s->port[i].info);
	if (ks_desired_begin(r->desired, true) != KS_OK || !fill(r, err))
		return false;
	if (ks_desired_commit(r->desired, 1, reason) != KS_OK ||
	    (conf = ks_conf_build(r->desired, NULL, reason)) == NULL) {
		snprintf(err, KS_ERR_LEN, "the generation is refused: %s", reason);
		return false;
	}
	ks_shm_publish(r->s->shm, conf);
	atomic_store(&r->s->conf, conf);
	atomic_store(&r->s->published, 1);
	ks_main_tick(r->main, conf, shell_now(r->s)); /* takes over the static neighbours */
	return true;
}

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

	r->queue[i] = aligned_alloc(64, sizeof(struct gen_queue) * r->s->n_workers);
	if (r->queue[i] == NULL)
		return false;
	memset(r->queue[i], 0, sizeof(struct gen_queue) * r->s->n_workers);
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

bool rig_open(struct rig *r, struct options *o, uint32_t sessions, bool claim_csum,
	      struct rte_mempool *pool, char err[KS_ERR_LEN])
{
	struct ks_limits limits = { .max_services = o->max_services,
				    .max_rs_slots = MAX_RS,
				    .max_routes = 1024,
				    .n_workers = o->n_workers };
	struct ks_shm_opts so = { .workers = o->n_workers,
				  .ports = o->n_ports,
				  .rs_slots = MAX_RS };
	struct ks_main_io io = { r, io_alloc, io_drop, io_drop, io_drop, io_event };
	size_t size = ks_shm_size(&so);
	struct shell *s;

	memset(r, 0, sizeof(*r));
	r->s = s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	r->shm_mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (s == NULL || r->shm_mem == NULL) {
		snprintf(err, KS_ERR_LEN, "not enough memory");
		return false;
	}
	memset(s, 0, sizeof(*s));
	memset(r->shm_mem, 0, size);
	s->o = *o;
	s->o.max_real_servers = MAX_RS;
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
	return make_generation(r, err);
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
