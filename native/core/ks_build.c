/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Desired state -> one immutable generation. Sizes are counted first, so that the generation is one allocation. Nothing that cannot be taken back
 * happens before everything is there: when memory or slots are short, the desired state is as before and its last commit can
 * still be rolled back.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ks_tables.h"

struct sizes {
	uint32_t svc, rs, lip, local, neigh;
};

struct arena {
	uint8_t *base; /* NULL while sizes are counted */
	size_t used;
};

static void *take(struct arena *a, size_t n, size_t size)
{
	size_t at = (a->used + 63) & ~(size_t)63;

	a->used = at + n * size;
	return a->base != NULL ? a->base + at : NULL;
}

static uint32_t rows_for(uint32_t n)
{
	uint32_t rows = 16;

	while (rows < 2 * n)
		rows *= 2;
	return rows;
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

/* A slot whose owner has been gone for KS_RETIRED builds, and which no session uses, is free. */
static void reclaim(struct ks_desired *d, const uint8_t *in_use)
{
	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next) {
		bool busy = false;

		for (struct ks_obj *r = s->rs; r != NULL; r = r->next) {
			if (r->body.live || r->slot == KS_SLOT_NONE)
				continue;
			if (r->retired >= KS_RETIRED && (in_use == NULL || !in_use[r->slot])) {
				ks_slots_give(&d->rs_slots, r->slot);
				r->slot = KS_SLOT_NONE;
			} else {
				busy = true;
			}
		}
		if (!s->body.live && s->retired >= KS_RETIRED && !busy && s->slot != KS_SLOT_NONE) {
			ks_slots_give(&d->svc_slots, s->slot);
			s->slot = KS_SLOT_NONE;
		}
	}
}

static bool assign(struct ks_slots *slots, struct ks_obj *o)
{
	if (o->body.live && o->slot == KS_SLOT_NONE)
		o->slot = ks_slots_take(slots);
	return !o->body.live || o->slot != KS_SLOT_NONE;
}

static int number_lip(struct ks_desired *d, const struct ks_obj *lip, uint16_t *number)
{
	struct ks_obj_key key = {.kind = KS_OBJ_LIP_NUMBER, .af = lip->key.af, .addr = lip->key.addr};
	struct ks_obj *o = ks_obj_permanent(d, &key);

	if (o == NULL || (o->slot == KS_SLOT_NONE && d->n_lip_numbers > UINT16_MAX))
		return KS_E_NO_MEMORY;
	if (o->slot == KS_SLOT_NONE)
		o->slot = d->n_lip_numbers++;
	*number = (uint16_t)o->slot;
	return KS_OK;
}

static void age(struct ks_obj *o)
{
	if (o->body.live)
		o->retired = 0;
	else if (o->retired < KS_RETIRED)
		o->retired++;
}

/* What is no more and holds no slot can be forgotten; what holds one is retired from now. */
static void sweep(struct ks_desired *d)
{
	for (struct ks_obj *s = d->list[KS_OBJ_SVC], *next_s; s != NULL; s = next_s) {
		next_s = s->next;
		for (struct ks_obj *r = s->rs, *next_r; r != NULL; r = next_r) {
			next_r = r->next;
			age(r);
			if (!r->body.live && r->slot == KS_SLOT_NONE)
				ks_obj_free(d, r);
		}
		age(s);
		if (!s->body.live && s->slot == KS_SLOT_NONE && s->rs == NULL && s->lip == NULL)
			ks_obj_free(d, s);
	}
}

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static void add_local(struct ks_tables *t, ks_be32 addr, uint8_t port, uint16_t flags)
{
	uint32_t i = ks_hash4(addr);
	struct ks_local *l;

	while (t->local_row[i & t->local_mask] != NULL && t->local_row[i & t->local_mask]->addr.v4 != addr)
		i++;
	if (t->local_row[i & t->local_mask] == NULL) {
		l = &t->local[t->n_local++];
		l->addr.v4 = addr;
		l->af = 4;
		l->port = port;
		t->local_row[i & t->local_mask] = l;
	}
	l = &t->local[t->local_row[i & t->local_mask] - t->local];
	l->flags = (uint16_t)(l->flags | flags);
	if (flags & KS_LOCAL_LIP) {
		i = ks_hash4(addr);
		while (t->lip_row[i & t->lip_mask] != 0 && t->lip_row[i & t->lip_mask] != addr)
			i++;
		t->lip_row[i & t->lip_mask] = addr;
	}
}

static void add_locals(const struct ks_desired *d, struct ks_tables *t)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		uint16_t flags = 0;

		if (!o->body.live)
			continue;
		flags |= o->body.flags & KS_ADDR_LEASED ? KS_LOCAL_VIP : 0;
		flags |= o->body.flags & KS_ADDR_LIP ? KS_LOCAL_LIP : 0;
		add_local(t, o->key.addr.v4, o->key.port, flags != 0 ? flags : KS_LOCAL_PLAIN);
	}
	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		for (const struct ks_obj *o = s->lip; o != NULL; o = o->next)
			if (o->body.live)
				add_local(t, o->key.addr.v4, o->body.port, KS_LOCAL_LIP);
	for (size_t i = 0; i < d->n_m_addr; i++)
		if (d->m_addr[i].af == 4 && d->m_addr[i].port < d->n_ports)
			add_local(t, d->m_addr[i].addr.v4, d->m_addr[i].port, KS_LOCAL_KERNEL);
}

/* For a port whose routes name no source: an address that stays, rather than one that moves. */
static void choose_sources(struct ks_tables *t)
{
	static const uint16_t order[] = {KS_LOCAL_KERNEL, KS_LOCAL_PLAIN, KS_LOCAL_LIP, KS_LOCAL_VIP};

	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (uint32_t i = 0; i < t->n_local; i++) {
			const struct ks_local *l = &t->local[i];
			ks_be32 *src = &t->port_src[l->port];
			bool moves = (l->flags & KS_LOCAL_VIP) != 0;

			if (*src == 0 && (l->flags & order[k]) != 0 && moves == (order[k] == KS_LOCAL_VIP))
				*src = l->addr.v4;
		}
	}
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

enum rank { RANK_OP, RANK_KERNEL, RANK_CONNECTED, RANK_KERNEL_CONNECTED, RANK_LEASED };

static struct ks_fib_in *add_route(const struct ks_desired *d, struct ks_fib_in *in, ks_be32 dst, unsigned plen,
				   enum rank rank, const struct ks_route *route)
{
	uint32_t port_mtu = d->port[route->port].mtu != 0 ? d->port[route->port].mtu : 1500;

	in->dst = plen == 0 ? 0 : ntohl(dst) & ~(uint32_t)((1ull << (32 - plen)) - 1);
	in->rank = (uint32_t)rank;
	in->route = *route;
	in->route.plen = (uint8_t)plen;
	if (route->mtu == 0 || route->mtu > port_mtu)
		in->route.mtu = (uint16_t)port_mtu;
	return in + 1;
}

static struct ks_fib_in *add_op_routes(const struct ks_desired *d, struct ks_fib_in *in)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_ROUTE]; o != NULL; o = o->next) {
		struct ks_route r = {.gw = o->key.gw,
				     .src = o->body.src,
				     .port = o->key.port,
				     .mtu = (uint16_t)o->body.mtu,
				     .metric = o->key.metric};

		if (o->body.live)
			in = add_route(d, in, o->key.addr.v4, o->key.x, RANK_OP, &r);
	}
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		bool leased = (o->body.flags & KS_ADDR_LEASED) != 0;
		struct ks_route r = {.port = o->key.port};

		if (!o->body.live || o->body.plen == 32)
			continue;
		if (!leased)
			r.src = o->key.addr;
		in = add_route(d, in, o->key.addr.v4, o->body.plen, leased ? RANK_LEASED : RANK_CONNECTED, &r);
	}
	return in;
}

static struct ks_fib_in *add_kernel_routes(const struct ks_desired *d, struct ks_fib_in *in)
{
	for (size_t i = 0; i < d->n_m_route; i++) {
		const struct ks_mirror_route *m = &d->m_route[i];
		struct ks_route r = {.gw = m->gw,
				     .src = m->src,
				     .port = m->port,
				     .mtu = (uint16_t)(m->mtu > UINT16_MAX ? 0 : m->mtu),
				     .metric = m->metric};

		if (m->af == 4 && m->plen <= 32 && m->port < d->n_ports)
			in = add_route(d, in, m->dst.v4, m->plen, RANK_KERNEL, &r);
	}
	for (size_t i = 0; i < d->n_m_addr; i++) {
		const struct ks_mirror_addr *m = &d->m_addr[i];
		struct ks_route r = {.port = m->port, .src = m->addr};

		if (m->af == 4 && m->plen > 0 && m->plen < 32 && m->port < d->n_ports)
			in = add_route(d, in, m->addr.v4, m->plen, RANK_KERNEL_CONNECTED, &r);
	}
	return in;
}

static bool refresh_fib(struct ks_desired *d)
{
	size_t max = d->n_live[KS_OBJ_ROUTE] + d->n_live[KS_OBJ_ADDR] + d->n_m_route + d->n_m_addr;
	struct ks_fib_in *in, *end;
	struct ks_fib *fib;

	if (!d->fib_dirty)
		return true;
	in = ks_new(&d->mem, max > 0 ? max : 1, sizeof(in[0]));
	if (in == NULL)
		return false;
	end = add_kernel_routes(d, add_op_routes(d, in));
	fib = ks_fib_build(&d->mem, in, (uint32_t)(end - in));
	ks_del(&d->mem, in);
	if (fib == NULL)
		return false;
	ks_fib_unref(&d->mem, d->fib);
	d->fib = fib;
	d->fib_dirty = false;
	return true;
}

/* ---- services -------------------------------------------------------------------------------------------------- */

static int cmp_rs(const void *pa, const void *pb)
{
	const struct ks_rs *a = pa, *b = pb;
	uint32_t x = ntohl(a->addr.v4), y = ntohl(b->addr.v4);

	if (x != y)
		return x < y ? -1 : 1;
	return (int)ntohs(a->port) - (int)ntohs(b->port);
}

static int cmp_lip(const void *pa, const void *pb)
{
	uint32_t x = ntohl(((const struct ks_lip *)pa)->addr.v4), y = ntohl(((const struct ks_lip *)pb)->addr.v4);

	return x < y ? -1 : x > y;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* Real servers stand in the order of their addresses, so that the same state is the same generation on every node, whatever
 * order it was told in. */
static struct ks_rs *fill_rs(struct ks_svc *svc, const struct ks_obj *s, struct ks_rs *rs)
{
	struct ks_rs *first = rs;

	for (const struct ks_obj *o = s->rs; o != NULL; o = o->next) {
		if (!o->body.live)
			continue;
		*rs++ = (struct ks_rs){.slot = o->slot,
				       .weight = o->body.weight,
				       .af = o->key.af,
				       .fwd = o->body.sched,
				       .port = o->key.l4port,
				       .flags = o->body.flags,
				       .addr = o->key.addr};
		svc->weight_sum += o->body.weight;
		svc->weight_gcd = gcd(svc->weight_gcd, o->body.weight);
		svc->weight_max = o->body.weight > svc->weight_max ? o->body.weight : svc->weight_max;
	}
	svc->rs = first;
	svc->n_rs = (uint32_t)(rs - first);
	if (svc->n_rs > 1)
		qsort(first, svc->n_rs, sizeof(*first), cmp_rs);
	return rs;
}

static struct ks_lip *fill_lip(struct ks_desired *d, struct ks_svc *svc, const struct ks_obj *s, struct ks_lip *lip,
			       int *status)
{
	struct ks_lip *first = lip;

	for (const struct ks_obj *o = s->lip; o != NULL; o = o->next) {
		if (!o->body.live)
			continue;
		*lip = (struct ks_lip){.addr = o->key.addr, .af = o->key.af, .port = o->body.port};
		if (number_lip(d, o, &lip->index) != KS_OK)
			*status = KS_E_NO_MEMORY;
		lip++;
	}
	svc->lip = first;
	svc->n_lip = (uint16_t)(lip - first);
	if (svc->n_lip > 1)
		qsort(first, svc->n_lip, sizeof(*first), cmp_lip);
	return lip;
}

static void hash_svc(struct ks_tables *t, const struct ks_svc *svc, const struct ks_obj *s)
{
	uint64_t key = ks_svc_key4(s->key.x, s->key.addr.v4, s->key.l4port);
	uint32_t i = (uint32_t)ks_mix(key);

	while (t->svc_row[i & t->svc_mask].svc != NULL)
		i++;
	t->svc_row[i & t->svc_mask] = (struct ks_svc_row){.key = key, .svc = svc};
}

static int fill_services(struct ks_desired *d, struct ks_tables *t, struct ks_svc *svc, struct ks_rs *rs,
			 struct ks_lip *lip, const struct ks_rs **by_slot)
{
	int status = KS_OK;

	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next) {
		if (!s->body.live)
			continue;
		svc->key.af = s->key.af;
		svc->key.proto = s->key.x;
		svc->key.port = s->key.l4port;
		memcpy(svc->key.addr, s->key.addr.b, sizeof(svc->key.addr));
		svc->slot = s->slot;
		svc->sched = s->body.sched;
		svc->persist_plen = s->body.plen;
		svc->flags = s->body.flags;
		svc->est_timeout_ms = s->body.est_timeout_ms;
		svc->persist_ms = s->body.persist_ms;
		rs = fill_rs(svc, s, rs);
		lip = fill_lip(d, svc, s, lip, &status);
		for (uint32_t i = 0; i < svc->n_rs; i++)
			by_slot[svc->rs[i].slot] = &svc->rs[i];
		hash_svc(t, svc++, s);
	}
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool assign_slots(struct ks_desired *d)
{
	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next) {
		if (!assign(&d->svc_slots, s))
			return false;
		for (struct ks_obj *r = s->rs; r != NULL; r = r->next)
			if (!assign(&d->rs_slots, r))
				return false;
	}
	return true;
}

struct parts {
	struct ks_conf *conf;
	struct ks_tables *t;
	struct ks_svc *svc;
	struct ks_rs *rs;
	struct ks_lip *lip;
	const struct ks_rs **by_slot;
};

static void lay_out(struct parts *p, struct arena *a, const struct sizes *n, uint32_t rs_slots)
{
	p->conf = take(a, 1, sizeof(*p->conf));
	p->t = take(a, 1, sizeof(*p->t));
	p->svc = take(a, n->svc, sizeof(*p->svc));
	p->rs = take(a, n->rs, sizeof(*p->rs));
	p->lip = take(a, n->lip, sizeof(*p->lip));
	p->by_slot = take(a, rs_slots, sizeof(*p->by_slot));
	if (p->t == NULL) {
		struct ks_tables none;

		take(a, rows_for(n->svc), sizeof(*none.svc_row));
		take(a, rows_for(n->local), sizeof(*none.local_row));
		take(a, rows_for(n->local), sizeof(*none.lip_row));
		take(a, n->local, sizeof(*none.local));
		take(a, n->neigh, sizeof(*none.neigh));
		return;
	}
	p->t->svc_row = take(a, rows_for(n->svc), sizeof(*p->t->svc_row));
	p->t->svc_mask = rows_for(n->svc) - 1;
	p->t->local_row = take(a, rows_for(n->local), sizeof(*p->t->local_row));
	p->t->local_mask = rows_for(n->local) - 1;
	p->t->lip_row = take(a, rows_for(n->local), sizeof(*p->t->lip_row));
	p->t->lip_mask = rows_for(n->local) - 1;
	p->t->local = take(a, n->local, sizeof(*p->t->local));
	p->t->neigh = take(a, n->neigh, sizeof(*p->t->neigh));
}

static void fill_neighs(const struct ks_desired *d, struct ks_tables *t)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_NEIGH]; o != NULL; o = o->next) {
		struct ks_static_neigh *n = &t->neigh[t->n_neigh];

		if (!o->body.live)
			continue;
		n->addr = o->key.addr;
		n->af = o->key.af;
		n->port = o->key.port;
		memcpy(n->mac, o->body.mac, sizeof(n->mac));
		t->n_neigh++;
	}
}

static void fill_head(struct ks_desired *d, struct ks_conf *c, const struct sizes *n)
{
	if (d->l3_dirty)
		d->epoch++;
	d->l3_dirty = false;
	c->generation = d->generation;
	c->epoch = d->epoch;
	c->n_workers = d->limits.n_workers;
	c->n_ports = d->n_ports;
	c->n_svc = n->svc;
	c->n_svc_slots = d->svc_slots.high;
	c->n_rs_slots = d->rs_slots.high;
	memcpy(c->param, d->param, sizeof(c->param));
	memcpy(c->port, d->port, sizeof(c->port));
}

struct ks_conf *ks_conf_build(struct ks_desired *d, const uint8_t *rs_in_use, char *reason)
{
	struct sizes n = {.svc = d->n_live[KS_OBJ_SVC],
			  .rs = d->n_live[KS_OBJ_RS],
			  .lip = d->n_live[KS_OBJ_LIP],
			  .neigh = d->n_live[KS_OBJ_NEIGH],
			  .local = d->n_live[KS_OBJ_ADDR] + d->n_live[KS_OBJ_LIP] + (uint32_t)d->n_m_addr};
	struct arena arena = {0};
	struct parts p = {0};

	if (d->open) {
		ks_refuse(reason, KS_E_STATE, "a transaction is open");
		return NULL;
	}
	reclaim(d, rs_in_use);
	if (!assign_slots(d)) {
		ks_refuse(reason, KS_E_NO_MEMORY, "no free slot for a service or real server: sessions still hold those of deleted ones");
		return NULL;
	}
	lay_out(&p, &arena, &n, d->rs_slots.high);
	arena.base = refresh_fib(d) ? d->mem.alloc(d->mem.ctx, arena.used, 64) : NULL;
	arena.used = 0;
	if (arena.base != NULL)
		lay_out(&p, &arena, &n, d->rs_slots.high);
	if (arena.base == NULL || fill_services(d, p.t, p.svc, p.rs, p.lip, p.by_slot) != KS_OK) {
		ks_del(&d->mem, arena.base);
		ks_refuse(reason, KS_E_NO_MEMORY, "no memory left for a new generation");
		return NULL;
	}
	p.t->mem = d->mem;
	p.t->svc = p.svc;
	p.t->fib = d->fib;
	d->fib->refs++;
	add_locals(d, p.t);
	choose_sources(p.t);
	fill_neighs(d, p.t);
	fill_head(d, p.conf, &n);
	p.conf->rs_by_slot = p.by_slot;
	p.conf->impl = p.t;
	ks_journal_settle(d);
	sweep(d);
	return p.conf;
}
