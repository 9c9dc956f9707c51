/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses and routes of a generation: what ops say, what the kernel has, and the networks
 * that follow from addresses. */
#include <netinet/in.h>
#include <string.h>

#include "ks_lease.h"
#include "ks_tables.h"

/* ---- addresses ------------------------------------------------------------------------------------------------- */

/* The row of the address in the table of its family. */
static const struct ks_local **row_of(struct ks_tables *t, uint8_t af, const union ks_addr *addr)
{
	const struct ks_local **rows = af == 4 ? t->local_row : t->local6_row;
	uint32_t i = af == 4 ? ks_hash4(addr->v4) : ks_hash6(addr);

	while (rows[i & t->local_mask] != NULL &&
	       memcmp(&rows[i & t->local_mask]->addr, addr, sizeof(*addr)) != 0)
		i++;
	return &rows[i & t->local_mask];
}

static struct ks_local *add_local(struct ks_tables *t, uint8_t af, const union ks_addr *addr,
				  uint8_t port, uint16_t flags)
{
	const struct ks_local **row = row_of(t, af, addr);
	struct ks_local *l;

	if (*row == NULL) {
		l = &t->local[t->n_local++];
		l->addr = *addr;
		l->af = af;
		l->port = port;
		*row = l;
	}
	l = &t->local[*row - t->local];
	l->flags = (uint16_t)(l->flags | flags);
	if (af == 4 && flags & KS_LOCAL_LIP) {
		uint32_t i = ks_hash4(addr->v4);

		while (t->lip_row[i & t->lip_mask] != 0 && t->lip_row[i & t->lip_mask] != addr->v4)
			i++;
		t->lip_row[i & t->lip_mask] = addr->v4;
	}
	return l;
}

void ks_build_flag_local(struct ks_tables *t, uint8_t af, const union ks_addr *addr, uint16_t flags)
{
	const struct ks_local *l = *row_of(t, af, addr);

	if (l != NULL)
		(void)add_local(t, af, addr, l->port, flags);
}

static void add_locals(const struct ks_desired *d, struct ks_tables *t)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		uint16_t flags = 0;
		struct ks_local *l;

		if (!o->body.live)
			continue;
		flags |= o->body.flags & KS_ADDR_LEASED ? KS_LOCAL_VIP : 0;
		flags |= o->body.flags & KS_ADDR_LIP ? KS_LOCAL_LIP : 0;
		l = add_local(t, o->key.af, &o->key.addr, o->key.port,
			      flags != 0 ? flags : KS_LOCAL_PLAIN);
		l->lease = o->slot;
	}
	for (const struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		for (const struct ks_obj *o = s->lip; o != NULL; o = o->next)
			if (o->body.live)
				(void)add_local(t, o->key.af, &o->key.addr, o->body.port,
						KS_LOCAL_LIP);
	for (size_t i = 0; i < d->n_m_addr; i++)
		if (d->m_addr[i].port < d->n_ports)
			(void)add_local(t, d->m_addr[i].af, &d->m_addr[i].addr, d->m_addr[i].port,
					d->m_addr[i].deprecated
						? KS_LOCAL_KERNEL | KS_LOCAL_DEPRECATED
						: KS_LOCAL_KERNEL);
}

static void add_source6(struct ks_sources6 *s, const struct ks_local *l, bool moves)
{
	if (s->n < KS_SOURCES6)
		s->a[s->n++] =
			(struct ks_source6){ .addr = l->addr,
					     .deprecated = (l->flags & KS_LOCAL_DEPRECATED) != 0,
					     .moves = moves,
					     .lease = l->lease };
}

/* Was it taken for one of its flags before? */
static bool was_taken(const struct ks_local *l, const uint16_t *order, unsigned k)
{
	for (unsigned i = 0; i < k; i++)
		if (l->flags & order[i])
			return true;
	return false;
}

/* For a port whose routes name no source: an address that stays. One that moves is looked for when
 * it is needed, because it depends on who holds it. */
static void choose_sources(struct ks_tables *t)
{
	static const uint16_t order[] = { KS_LOCAL_KERNEL, KS_LOCAL_PLAIN, KS_LOCAL_LIP,
					  KS_LOCAL_VIP };

	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (uint32_t i = 0; i < t->n_local; i++) {
			const struct ks_local *l = &t->local[i];
			bool moves = (l->flags & KS_LOCAL_VIP) != 0;

			if ((l->flags & order[k]) == 0 || moves != (order[k] == KS_LOCAL_VIP))
				continue;
			if (l->af == 4 && !moves && t->port_src[l->port] == 0)
				t->port_src[l->port] = l->addr.v4;
			if (l->af == 6 && !was_taken(l, order, k))
				add_source6(&t->sources6[l->port], l, moves);
		}
	}
}

void ks_build_locals(const struct ks_desired *d, struct ks_tables *t)
{
	add_locals(d, t);
	choose_sources(t);
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

enum rank { RANK_OP, RANK_KERNEL, RANK_CONNECTED, RANK_KERNEL_CONNECTED, RANK_LEASED };

/* Routes of both families as they are collected. */
struct gather {
	struct ks_fib_in *in;
	struct ks_fib6_in *in6;
	uint32_t n, n6;
};

static union ks_addr prefix6(const union ks_addr *addr, unsigned plen)
{
	union ks_addr p = *addr;

	for (unsigned i = plen; i < 128; i++)
		p.b[i / 8] = (uint8_t)(p.b[i / 8] & ~(0x80u >> i % 8));
	return p;
}

static void add_route(const struct ks_desired *d, struct gather *g, uint8_t af,
		      const union ks_addr *dst, unsigned plen, enum rank rank,
		      const struct ks_route *route)
{
	uint32_t port_mtu = d->port[route->port].mtu != 0 ? d->port[route->port].mtu : 1500;
	struct ks_route r = *route;
	uint64_t beyond = plen < 32 ? (1ull << (32 - plen)) - 1 : 0;
	bool down = !d->port[route->port].up;

	if (r.weight == 0 && !ks_addr_unset(&r.gw))
		r.weight = 1; /* a network on a link is no way beside another, a router is */
	r.told_src = rank <= RANK_KERNEL && !ks_addr_unset(&r.src);
	r.plen = (uint8_t)plen;
	if (route->mtu == 0 || route->mtu > port_mtu)
		r.mtu = (uint16_t)port_mtu;
	if (af == 4)
		g->in[g->n++] = (struct ks_fib_in){ .dst = ntohl(dst->v4) & ~(uint32_t)beyond,
						    .down = down,
						    .rank = (uint32_t)rank,
						    .route = r };
	else
		g->in6[g->n6++] = (struct ks_fib6_in){
			.dst = prefix6(dst, plen), .down = down, .rank = (uint32_t)rank, .route = r
		};
}

bool ks_obj_brings_network(const struct ks_obj *o)
{
	bool leased = (o->body.flags & KS_ADDR_LEASED) != 0;

	return o->body.live && o->body.plen < (o->key.af == 4 ? 32 : 128) && (!leased || o->held);
}

static void add_op_routes(const struct ks_desired *d, struct gather *g)
{
	for (const struct ks_obj *o = d->list[KS_OBJ_ROUTE]; o != NULL; o = o->next) {
		struct ks_route r = { .gw = o->key.gw,
				      .src = o->body.src,
				      .port = o->key.port,
				      .mtu = (uint16_t)o->body.mtu,
				      .metric = o->key.metric,
				      .weight = (uint16_t)o->body.weight };

		if (o->body.live)
			add_route(d, g, o->key.af, &o->key.addr, o->key.x, RANK_OP, &r);
	}
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		bool leased = (o->body.flags & KS_ADDR_LEASED) != 0;
		struct ks_route r = { .port = o->key.port };

		if (!ks_obj_brings_network(o))
			continue;
		if (!leased)
			r.src = o->key.addr;
		add_route(d, g, o->key.af, &o->key.addr, o->body.plen,
			  leased ? RANK_LEASED : RANK_CONNECTED, &r);
	}
}

static void add_kernel_routes(const struct ks_desired *d, struct gather *g)
{
	for (size_t i = 0; i < d->n_m_route; i++) {
		const struct ks_mirror_route *m = &d->m_route[i];
		struct ks_route r = { .gw = m->gw,
				      .src = m->src,
				      .port = m->port,
				      .mtu = (uint16_t)(m->mtu > UINT16_MAX ? 0 : m->mtu),
				      .metric = m->metric,
				      .weight = m->weight };

		if (m->plen <= (m->af == 4 ? 32 : 128) && m->port < d->n_ports)
			add_route(d, g, m->af, &m->dst, m->plen, RANK_KERNEL, &r);
	}
	for (size_t i = 0; i < d->n_m_addr; i++) {
		const struct ks_mirror_addr *m = &d->m_addr[i];
		struct ks_route r = { .port = m->port, .src = m->addr };

		if (m->plen > 0 && m->plen < (m->af == 4 ? 32 : 128) && m->port < d->n_ports)
			add_route(d, g, m->af, &m->addr, m->plen, RANK_KERNEL_CONNECTED, &r);
	}
}

static bool build_fibs(struct ks_desired *d, struct gather *g)
{
	struct ks_fib *fib;
	struct ks_fib6 *fib6;

	add_op_routes(d, g);
	add_kernel_routes(d, g);
	fib = ks_fib_build(&d->mem, g->in, g->n);
	fib6 = ks_fib6_build(&d->mem, g->in6, g->n6);
	if (fib == NULL || fib6 == NULL) {
		ks_fib_unref(&d->mem, fib);
		ks_fib6_unref(&d->mem, fib6);
		return false;
	}
	ks_fib_unref(&d->mem, d->fib);
	ks_fib6_unref(&d->mem, d->fib6);
	d->fib = fib;
	d->fib6 = fib6;
	d->fib_dirty = false;
	return true;
}

bool ks_build_fib(struct ks_desired *d)
{
	size_t max =
		1 + d->n_live[KS_OBJ_ROUTE] + d->n_live[KS_OBJ_ADDR] + d->n_m_route + d->n_m_addr;
	struct gather g = { 0 };
	bool built = false;

	if (!d->fib_dirty)
		return true;
	g.in = ks_new(&d->mem, max, sizeof(g.in[0]));
	g.in6 = ks_new(&d->mem, max, sizeof(g.in6[0]));
	if (g.in != NULL && g.in6 != NULL)
		built = build_fibs(d, &g);
	ks_del(&d->mem, g.in);
	ks_del(&d->mem, g.in6);
	return built;
}

/* ---- leases ---------------------------------------------------------------------------------------------------- */

/* Is the trie the same with and without the network of that leased address? Usually it is, because
 * the kernel's interface has an address in the same network. */
static bool is_covered(const struct ks_desired *d, const struct ks_obj *o)
{
	union ks_addr net = o->key.addr;
	const struct ks_route *r;

	if (d->fib_dirty)
		return false;
	ks_addr_mask(&net, o->body.plen);
	r = o->key.af == 4 ? ks_fib_find(d->fib, ntohl(net.v4)) : ks_fib6_find(d->fib6, &net);
	if (r == NULL || r->plen != o->body.plen)
		return false;
	if (!o->held) /* a route that has a source is not of a leased address */
		return !ks_addr_unset(&r->src);
	return r->port == o->key.port && r->metric == 0 && d->port[r->port].up;
}

bool ks_desired_follow_leases(struct ks_desired *d, const struct ks_holding *h)
{
	bool changed = false;

	for (struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		bool before = ks_obj_brings_network(o);

		o->held = o->slot != KS_SLOT_NONE && ks_lease_until(h->leases, o->slot) > h->now;
		if (ks_obj_brings_network(o) != before && !is_covered(d, o))
			changed = true;
	}
	if (changed)
		d->l3_dirty = d->fib_dirty = true;
	return changed;
}
