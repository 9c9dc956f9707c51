/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses are those of the generation that is served; routes are what its trie is built from, in
 * the order in which they win; neighbours are the table as it is. */
#include "ks_list.h"

#include <string.h>

#include "ks_desired.h"
#include "ks_lease.h"
#include "ks_resolve.h"
#include "ks_tables.h"

static_assert((int)KS_NS_STATIC == (int)KS_NUD_STATIC && KS_NS_COUNT == KS_NUD_STATIC + 1,
	      "the contract's states are the core's");

/* A page that fills: rows before the cursor are counted, not written. */
struct page {
	const struct ks_list *ask;
	struct ks_list_row *rows;
	uint32_t at, n;
};

/* The row to fill; NULL = it is of an earlier page, or of a later one. */
static struct ks_list_row *take(struct page *p)
{
	if (p->at++ < p->ask->cursor || p->n >= p->ask->max)
		return NULL;
	memset(&p->rows[p->n], 0, sizeof(p->rows[0]));
	return &p->rows[p->n++];
}

static uint32_t finish(const struct page *p, uint32_t *next)
{
	*next = p->at > p->ask->cursor + p->n ? p->ask->cursor + p->n : UINT32_MAX;
	return p->n;
}

static void set_dev(struct ks_list_row *r, const struct ks_port_info *port)
{
	memcpy(r->dev, port->dev, sizeof(r->dev));
}

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static uint8_t plen_of(struct ks_desired *d, const struct ks_local *l)
{
	struct ks_obj_key key = {
		.kind = KS_OBJ_ADDR, .af = l->af, .port = l->port, .addr = l->addr
	};
	const struct ks_obj *o = ks_obj_find(d, &key);

	if (ks_obj_live(o))
		return o->body.plen;
	for (size_t i = 0; (l->flags & KS_LOCAL_KERNEL) != 0 && i < d->n_m_addr; i++)
		if (d->m_addr[i].port == l->port && d->m_addr[i].af == l->af &&
		    memcmp(&d->m_addr[i].addr, &l->addr, sizeof(l->addr)) == 0)
			return d->m_addr[i].plen;
	return l->af == 4 ? 32 : 128;
}

static void set_lease(struct ks_list_row *r, const struct ks_local *l, const struct ks_holding *h)
{
	uint64_t left;

	if ((l->flags & KS_LOCAL_VIP) == 0 || !ks_is_held(h->leases, l, h->now))
		return;
	left = ks_lease_until(h->leases, l->lease) - h->now;
	r->flags |= KS_LIST_HELD;
	r->age_ms = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

uint32_t ks_list_addrs(struct ks_desired *d, const struct ks_conf *c, const struct ks_holding *h,
		       const struct ks_list *ask, struct ks_list_row *rows, uint32_t *next)
{
	const struct ks_tables *t = c->impl;
	struct page p = { .ask = ask, .rows = rows };

	for (uint32_t i = 0; i < t->n_local; i++) {
		const struct ks_local *l = &t->local[i];
		struct ks_list_row *r = take(&p);

		if (r == NULL)
			continue;
		set_dev(r, &c->port[l->port]);
		r->af = l->af;
		r->plen = plen_of(d, l);
		r->flags = (uint16_t)((l->flags & ~KS_LOCAL_KERNEL ? KS_LIST_OP : 0) |
				      (l->flags & KS_LOCAL_KERNEL ? KS_LIST_KERNEL : 0) |
				      (l->flags & KS_LOCAL_VIP ? KS_LIST_LEASED : 0) |
				      (l->flags & KS_LOCAL_LIP ? KS_LIST_LIP : 0));
		memcpy(r->addr, l->addr.b, sizeof(r->addr));
		set_lease(r, l, h);
	}
	return finish(&p, next);
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

struct route {
	uint8_t af, plen, port;
	uint16_t flags;
	uint32_t metric, mtu;
	const union ks_addr *dst, *gw, *src;
};

static void put_route(const struct ks_desired *d, struct page *p, const struct route *x)
{
	struct ks_list_row *r = x->port < d->n_ports ? take(p) : NULL;
	union ks_addr dst = *x->dst;

	if (r == NULL)
		return;
	ks_addr_mask(&dst, x->plen);
	set_dev(r, &d->port[x->port]);
	r->af = x->af;
	r->plen = x->plen;
	r->flags = x->flags;
	r->metric = x->metric;
	r->mtu = x->mtu != 0 ? x->mtu : d->port[x->port].mtu;
	memcpy(r->addr, dst.b, sizeof(r->addr));
	if (x->gw != NULL)
		memcpy(r->gw, x->gw->b, sizeof(r->gw));
	if (x->src != NULL)
		memcpy(r->src, x->src->b, sizeof(r->src));
}

static bool is_network(uint8_t af, unsigned plen)
{
	return plen > 0 && plen < (af == 4 ? 32 : 128);
}

static void op_routes(const struct ks_desired *d, struct page *p)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_ROUTE]; o != NULL; o = o->next)
		if (o->body.live)
			put_route(d, p,
				  &(struct route){ .af = o->key.af,
						   .plen = o->key.x,
						   .port = o->key.port,
						   .flags = KS_LIST_OP,
						   .metric = o->key.metric,
						   .mtu = o->body.mtu,
						   .dst = &o->key.addr,
						   .gw = &o->key.gw,
						   .src = &o->body.src });
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next)
		if (ks_obj_brings_network(o) && o->body.plen > 0)
			put_route(d, p,
				  &(struct route){ .af = o->key.af,
						   .plen = o->body.plen,
						   .port = o->key.port,
						   .flags = KS_LIST_OP | KS_LIST_CONNECTED,
						   .dst = &o->key.addr,
						   .src = &o->key.addr });
}

static void kernel_routes(const struct ks_desired *d, struct page *p)
{
	for (size_t i = 0; i < d->n_m_route; i++) {
		const struct ks_mirror_route *m = &d->m_route[i];

		put_route(d, p,
			  &(struct route){ .af = m->af,
					   .plen = m->plen,
					   .port = m->port,
					   .flags = KS_LIST_KERNEL,
					   .metric = m->metric,
					   .mtu = m->mtu,
					   .dst = &m->dst,
					   .gw = &m->gw,
					   .src = &m->src });
	}
	for (size_t i = 0; i < d->n_m_addr; i++) {
		const struct ks_mirror_addr *m = &d->m_addr[i];

		if (is_network(m->af, m->plen))
			put_route(d, p,
				  &(struct route){ .af = m->af,
						   .plen = m->plen,
						   .port = m->port,
						   .flags = KS_LIST_KERNEL | KS_LIST_CONNECTED,
						   .dst = &m->addr,
						   .src = &m->addr });
	}
}

uint32_t ks_list_routes(const struct ks_desired *d, const struct ks_list *ask,
			struct ks_list_row *rows, uint32_t *next)
{
	struct page p = { .ask = ask, .rows = rows };

	op_routes(d, &p);
	kernel_routes(d, &p);
	return finish(&p, next);
}

/* ---- neighbours ------------------------------------------------------------------------------------------------ */

uint32_t ks_list_neighs(const struct ks_main *m, const struct ks_conf *c, const struct ks_list *ask,
			struct ks_list_row *rows, uint32_t *next, ks_ms now)
{
	const struct ks_neigh_table *t = &m->shared->neigh;
	struct page p = { .ask = ask, .rows = rows };

	for (uint32_t i = 0; i < m->high; i++) {
		const struct ks_nud_entry *e = &m->nud[i];
		uint8_t port = ks_neigh_port(t, (uint16_t)i);
		uint64_t word;
		struct ks_list_row *r;

		if (e->state == KS_NUD_NONE || port >= c->n_ports || (r = take(&p)) == NULL)
			continue;
		word = atomic_load_explicit(&t->hot[i].word, memory_order_relaxed);
		set_dev(r, &c->port[port]);
		r->af = e->af;
		r->state = e->state;
		r->flags = e->state == KS_NUD_STATIC ? KS_LIST_STATIC : 0;
		r->age_ms = now > e->since ? (uint32_t)(now - e->since) : 0;
		for (unsigned k = 0; k < 6 && ks_nh_usable(word); k++)
			r->mac[k] = (uint8_t)(word >> (8 * k));
		memcpy(r->addr, e->addr.b, sizeof(r->addr));
	}
	return finish(&p, next);
}
