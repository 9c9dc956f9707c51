/* SPDX-License-Identifier: Apache-2.0 */
/* Match services of a generation (SNAT): their rules in order, the addresses they let packets out
 * with, and the real servers in NAT, whose answers are not theirs. */
#include <stdlib.h>
#include <string.h>

#include "ks_tables.h"

static bool is_match(const struct ks_obj *s)
{
	return s->body.live && s->key.l4port == 0;
}

void ks_build_count_matches(const struct ks_desired *d, uint32_t *n_match, uint32_t *n_nat)
{
	*n_match = *n_nat = 0;
	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		*n_match += is_match(s);
	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		for (const struct ks_obj *r = s->rs; r != NULL; r = r->next)
			*n_nat += r->body.live && r->body.sched == KS_FWD_NAT;
}

static void fill_end(struct ks_match *m, const struct ks_obj *o)
{
	bool source = o->key.x == KS_MATCH_SOURCE;
	union ks_addr *range = source ? m->src : m->dst;
	uint16_t *ports = source ? m->sport : m->dport;

	if (!o->body.live)
		return;
	range[0] = o->body.src;
	range[1] = o->body.last;
	ports[0] = o->body.first_port;
	ports[1] = o->body.last_port;
	if (source) {
		m->iif = o->body.port;
		m->order = o->body.weight;
	} else {
		m->oif = o->body.port;
	}
}

static void fill_match(struct ks_match *m, const struct ks_obj *s, const struct ks_svc *svc)
{
	size_t bytes = s->key.af == 4 ? 4 : 16;

	*m = (struct ks_match){ .svc = svc,
				.af = s->key.af,
				.proto = s->key.x,
				.iif = KS_ANY_PORT,
				.oif = KS_ANY_PORT,
				.sport = { 0, UINT16_MAX },
				.dport = { 0, UINT16_MAX } };
	memset(m->src[1].b, 0xff, bytes);
	memset(m->dst[1].b, 0xff, bytes);
	for (const struct ks_obj *o = s->match; o != NULL; o = o->next)
		fill_end(m, o);
}

/* Equal ones by name, so that every node has the same order. */
static int cmp_match(const void *pa, const void *pb)
{
	const struct ks_match *a = pa, *b = pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return memcmp(a->svc->key.addr, b->svc->key.addr, sizeof(a->svc->key.addr));
}

static void add_nat(struct ks_tables *t, const struct ks_obj *s, const struct ks_obj *r)
{
	uint32_t i = ks_nat_hash(s->key.x, &r->key.addr, r->key.l4port);

	while (t->nat_row[i & t->nat_mask].af != 0)
		i++;
	t->nat_row[i & t->nat_mask] = (struct ks_nat_row){
		.addr = r->key.addr, .af = r->key.af, .proto = s->key.x, .port = r->key.l4port
	};
}

/* An address that is a service's as well is no plain pool: its ports may be the service's. */
static void share(struct ks_tables *t, struct ks_conf *c, const struct ks_rs *rs)
{
	for (uint32_t i = 0; i < c->n_svc; i++)
		if (t->svc[i].key.af == rs->af &&
		    memcmp(t->svc[i].key.addr, rs->addr.b, sizeof(rs->addr.b)) == 0)
			c->pool_serves = true;
	ks_build_flag_local(t, rs->af, &rs->addr, KS_LOCAL_SNAT);
}

void ks_build_matches(const struct ks_desired *d, struct ks_tables *t, struct ks_conf *c)
{
	struct ks_match *m = t->match;

	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		if (is_match(s))
			fill_match(m++, s, c->svc_by_slot[s->slot]);
	c->match = t->match;
	c->n_match = (uint32_t)(m - t->match);
	if (c->n_match > 1)
		qsort(t->match, c->n_match, sizeof(t->match[0]), cmp_match);
	for (uint32_t i = 0; i < c->n_match; i++)
		for (uint32_t k = 0; k < t->match[i].svc->n_rs; k++)
			share(t, c, &t->match[i].svc->rs[k]);
	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		for (const struct ks_obj *r = s->rs; r != NULL; r = r->next)
			if (r->body.live && r->body.sched == KS_FWD_NAT)
				add_nat(t, s, r);
}
