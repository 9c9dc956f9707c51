/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Desired state -> one immutable generation. Sizes are counted first, so that the generation is one
 * allocation. Nothing that cannot be taken back happens before everything is there: when memory or
 * slots are short, the desired state is as before and its last commit can still be rolled back.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ks_maglev.h"
#include "ks_tables.h"

struct sizes {
	uint32_t svc, rs, lip, local, neigh, match, nat;
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
	for (struct ks_obj *a = d->list[KS_OBJ_ADDR]; a != NULL; a = a->next)
		if (!a->body.live && a->retired >= KS_RETIRED && a->slot != KS_SLOT_NONE) {
			ks_slots_give(&d->lease_slots, a->slot);
			a->slot = KS_SLOT_NONE;
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
	struct ks_obj_key key = { .kind = KS_OBJ_LIP_NUMBER,
				  .af = lip->key.af,
				  .addr = lip->key.addr };
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
	for (struct ks_obj *a = d->list[KS_OBJ_ADDR], *next; a != NULL; a = next) {
		next = a->next;
		age(a);
		if (!a->body.live && a->slot == KS_SLOT_NONE)
			ks_obj_free(d, a);
	}
	for (struct ks_obj *s = d->list[KS_OBJ_SVC], *next_s; s != NULL; s = next_s) {
		next_s = s->next;
		for (struct ks_obj *r = s->rs, *next_r; r != NULL; r = next_r) {
			next_r = r->next;
			age(r);
			if (!r->body.live && r->slot == KS_SLOT_NONE)
				ks_obj_free(d, r);
		}
		age(s);
		if (!s->body.live && s->slot == KS_SLOT_NONE && s->rs == NULL && s->lip == NULL &&
		    s->match == NULL)
			ks_obj_free(d, s);
	}
}

/* ---- services -------------------------------------------------------------------------------------------------- */

static int cmp_rs(const void *pa, const void *pb)
{
	const struct ks_rs *a = pa, *b = pb;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	if (a->af != b->af)
		return a->af < b->af ? -1 : 1;
	return order != 0 ? order : (int)ntohs(a->port) - (int)ntohs(b->port);
}

static int cmp_lip(const void *pa, const void *pb)
{
	const struct ks_lip *a = pa, *b = pb;

	if (a->af != b->af)
		return a->af < b->af ? -1 : 1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
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

/* Where none is told, three quarters of the upper one, as in IPVS. */
static uint32_t lower_of(const struct ks_obj_body *b)
{
	return b->lower != 0 || b->upper == 0 ? b->lower : b->upper - b->upper / 4;
}

/* Real servers stand in the order of their addresses, so that the same state is the same generation
 * on every node, whatever order it was told in. */
static struct ks_rs *fill_rs(struct ks_svc *svc, const struct ks_obj *s, struct ks_rs *rs)
{
	struct ks_rs *first = rs;

	for (const struct ks_obj *o = s->rs; o != NULL; o = o->next) {
		if (!o->body.live)
			continue;
		*rs++ = (struct ks_rs){ .slot = o->slot,
					.weight = o->body.weight,
					.af = o->key.af,
					.fwd = o->body.sched,
					.port = o->key.l4port,
					.flags = o->body.flags,
					.upper = o->body.upper,
					.lower = lower_of(&o->body),
					.addr = o->key.addr };
		svc->weight_sum += o->body.weight;
		svc->weight_gcd = gcd(svc->weight_gcd, o->body.weight);
		svc->weight_max =
			o->body.weight > svc->weight_max ? o->body.weight : svc->weight_max;
	}
	svc->rs = first;
	svc->n_rs = (uint32_t)(rs - first);
	if (svc->n_rs > 1)
		qsort(first, svc->n_rs, sizeof(*first), cmp_rs);
	return rs;
}

static struct ks_lip *fill_lip(struct ks_desired *d, struct ks_svc *svc, const struct ks_obj *s,
			       struct ks_lip *lip, int *status)
{
	struct ks_lip *first = lip;

	for (const struct ks_obj *o = s->lip; o != NULL; o = o->next) {
		if (!o->body.live)
			continue;
		*lip = (struct ks_lip){ .addr = o->key.addr,
					.af = o->key.af,
					.port = o->body.port };
		if (number_lip(d, o, &lip->index) != KS_OK)
			*status = KS_E_NO_MEMORY;
		svc->n_lip4 = (uint16_t)(svc->n_lip4 + (lip->af == 4));
		lip++;
	}
	svc->lip = first;
	svc->n_lip = (uint16_t)(lip - first);
	if (svc->n_lip > 1)
		qsort(first, svc->n_lip, sizeof(*first), cmp_lip);
	return lip;
}

/* The same table as in the last generation when nothing it is made of has changed. */
static int fill_maglev(struct ks_desired *d, struct ks_svc *svc, struct ks_obj *s)
{
	struct ks_maglev *m;

	if (svc->sched != KS_SCHED_MH || svc->weight_sum == 0)
		return KS_OK;
	m = ks_maglev_get(&d->mem, svc, d->param[KS_PARAM_MAGLEV_SIZE], s->maglev);
	if (m == NULL)
		return KS_E_NO_MEMORY;
	if (m != s->maglev) {
		ks_maglev_unref(&d->mem, s->maglev);
		s->maglev = m;
		m->refs++;
	}
	svc->maglev = m;
	return KS_OK;
}

static void hash_svc(struct ks_tables *t, const struct ks_svc *svc, const struct ks_obj *s)
{
	uint64_t key = ks_svc_key4(s->key.x, s->key.addr.v4, s->key.l4port);
	uint32_t i = (uint32_t)ks_mix(key);

	if (s->key.af == 6) {
		i = ks_svc_hash6(s->key.x, &s->key.addr, s->key.l4port);
		while (t->svc6_row[i & t->svc_mask] != NULL)
			i++;
		t->svc6_row[i & t->svc_mask] = svc;
		return;
	}
	while (t->svc_row[i & t->svc_mask].svc != NULL)
		i++;
	t->svc_row[i & t->svc_mask] = (struct ks_svc_row){ .key = key, .svc = svc };
}

/* Services in NAT share what finds their owners, because a real server's answer must find the same
 * without knowing its service. */
static void group_owners(struct ks_conf *head, struct ks_svc *svc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *pass = svc[i].key.af == 4 ? &head->pass_bits4 : &head->pass_bits6;

		if (svc[i].persist_ms == 0)
			continue;
		head->grouped = true;
		svc[i].owner_bits = svc[i].persist_plen;
		if (svc[i].nat && (*pass == 0 || svc[i].persist_plen < *pass))
			*pass = svc[i].persist_plen;
	}
	for (uint32_t i = 0; i < n; i++)
		if (svc[i].nat)
			svc[i].owner_bits =
				svc[i].key.af == 4 ? head->pass_bits4 : head->pass_bits6;
}

static int fill_services(struct ks_desired *d, struct ks_tables *t, struct ks_svc *svc,
			 struct ks_rs *rs, struct ks_lip *lip, const struct ks_rs **by_slot,
			 struct ks_conf *head)
{
	struct ks_svc *first = svc;
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
		svc->quic_config = s->body.quic_config;
		svc->quic_len = s->body.quic_len;
		svc->est_timeout_ms = s->body.est_timeout_ms;
		svc->persist_ms = s->body.persist_ms;
		rs = fill_rs(svc, s, rs);
		lip = fill_lip(d, svc, s, lip, &status);
		if (fill_maglev(d, svc, s) != KS_OK)
			status = KS_E_NO_MEMORY;
		for (uint32_t i = 0; i < svc->n_rs; i++) {
			by_slot[svc->rs[i].slot] = &svc->rs[i];
			svc->nat = svc->nat || svc->rs[i].fwd == KS_FWD_NAT;
		}
		head->passes = head->passes || svc->nat;
		hash_svc(t, svc++, s);
	}
	group_owners(head, first, (uint32_t)(svc - first));
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool assign_slots(struct ks_desired *d, const char **what)
{
	*what = "leased address: there are too many";
	for (struct ks_obj *a = d->list[KS_OBJ_ADDR]; a != NULL; a = a->next)
		if ((a->body.flags & KS_ADDR_LEASED) != 0 && !assign(&d->lease_slots, a))
			return false;
	*what = "service or real server: sessions still hold those of deleted ones";
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
	const struct ks_svc **svc_by_slot;
};

static void lay_out(struct parts *p, struct arena *a, const struct sizes *n,
		    const struct ks_desired *d)
{
	p->conf = take(a, 1, sizeof(*p->conf));
	p->t = take(a, 1, sizeof(*p->t));
	p->svc = take(a, n->svc, sizeof(*p->svc));
	p->rs = take(a, n->rs, sizeof(*p->rs));
	p->lip = take(a, n->lip, sizeof(*p->lip));
	p->by_slot = take(a, d->rs_slots.high, sizeof(*p->by_slot));
	p->svc_by_slot = take(a, d->svc_slots.high, sizeof(*p->svc_by_slot));
	if (p->t == NULL) {
		struct ks_tables none;

		take(a, rows_for(n->svc), sizeof(*none.svc_row));
		take(a, rows_for(n->svc), sizeof(*none.svc6_row));
		take(a, rows_for(n->local), sizeof(*none.local_row));
		take(a, rows_for(n->local), sizeof(*none.local6_row));
		take(a, rows_for(n->local), sizeof(*none.lip_row));
		take(a, n->local, sizeof(*none.local));
		take(a, n->neigh, sizeof(*none.neigh));
		take(a, n->match, sizeof(*none.match));
		take(a, rows_for(n->nat), sizeof(*none.nat_row));
		return;
	}
	p->t->svc_row = take(a, rows_for(n->svc), sizeof(*p->t->svc_row));
	p->t->svc_mask = rows_for(n->svc) - 1;
	p->t->svc6_row = take(a, rows_for(n->svc), sizeof(*p->t->svc6_row));
	p->t->local_row = take(a, rows_for(n->local), sizeof(*p->t->local_row));
	p->t->local6_row = take(a, rows_for(n->local), sizeof(*p->t->local6_row));
	p->t->local_mask = rows_for(n->local) - 1;
	p->t->lip_row = take(a, rows_for(n->local), sizeof(*p->t->lip_row));
	p->t->lip_mask = rows_for(n->local) - 1;
	p->t->local = take(a, n->local, sizeof(*p->t->local));
	p->t->neigh = take(a, n->neigh, sizeof(*p->t->neigh));
	p->t->match = take(a, n->match, sizeof(*p->t->match));
	p->t->nat_row = take(a, rows_for(n->nat), sizeof(*p->t->nat_row));
	p->t->nat_mask = rows_for(n->nat) - 1;
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
	for (uint32_t i = 0; i < c->n_ports && c->n_workers > 1 && c->rss == NULL; i++)
		c->rss = c->port[i].rss;
}

struct ks_conf *ks_conf_build(struct ks_desired *d, const uint8_t *rs_in_use, char *reason)
{
	struct sizes n = { .svc = d->n_live[KS_OBJ_SVC],
			   .rs = d->n_live[KS_OBJ_RS],
			   .lip = d->n_live[KS_OBJ_LIP],
			   .neigh = d->n_live[KS_OBJ_NEIGH],
			   .local = d->n_live[KS_OBJ_ADDR] + d->n_live[KS_OBJ_LIP] +
				   (uint32_t)d->n_m_addr };
	struct arena arena = { 0 };
	struct parts p = { 0 };
	const char *what;

	if (d->open) {
		ks_refuse(reason, KS_E_STATE, "a transaction is open");
		return NULL;
	}
	ks_build_count_matches(d, &n.match, &n.nat);
	reclaim(d, rs_in_use);
	if (!assign_slots(d, &what)) {
		ks_refuse(reason, KS_E_NO_MEMORY, "no free slot for a %s", what);
		return NULL;
	}
	lay_out(&p, &arena, &n, d);
	arena.base = ks_build_fib(d) ? d->mem.alloc(d->mem.ctx, arena.used, 64) : NULL;
	arena.used = 0;
	if (arena.base != NULL)
		lay_out(&p, &arena, &n, d);
	if (arena.base == NULL ||
	    fill_services(d, p.t, p.svc, p.rs, p.lip, p.by_slot, p.conf) != KS_OK) {
		if (arena.base != NULL)
			ks_unref_maglevs(&d->mem, p.svc, n.svc);
		ks_del(&d->mem, arena.base);
		ks_refuse(reason, KS_E_NO_MEMORY, "no memory left for a new generation");
		return NULL;
	}
	p.t->mem = d->mem;
	p.t->svc = p.svc;
	p.t->fib = d->fib;
	p.t->fib6 = d->fib6;
	d->fib->refs++;
	d->fib6->refs++;
	ks_build_locals(d, p.t);
	fill_neighs(d, p.t);
	fill_head(d, p.conf, &n);
	p.conf->rs_by_slot = p.by_slot;
	p.conf->svc_by_slot = p.svc_by_slot;
	p.conf->impl = p.t;
	for (uint32_t i = 0; i < n.svc; i++)
		p.svc_by_slot[p.svc[i].slot] = &p.svc[i];
	ks_build_matches(d, p.t, p.conf);
	ks_journal_settle(d);
	sweep(d);
	return p.conf;
}
