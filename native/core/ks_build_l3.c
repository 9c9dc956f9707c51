/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses and routes of a generation: what ops say, what the kernel has, and the networks
 * that follow from addresses. */
#include <netinet/in.h>

#include "ks_tables.h"

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static void add_local(struct ks_tables *t, ks_be32 addr, uint8_t port, uint16_t flags)
{
	uint32_t i = ks_hash4(addr);
	struct ks_local *l;

	while (t->local_row[i & t->local_mask] != NULL &&
	       t->local_row[i & t->local_mask]->addr.v4 != addr)
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
	static const uint16_t order[] = { KS_LOCAL_KERNEL, KS_LOCAL_PLAIN, KS_LOCAL_LIP,
					  KS_LOCAL_VIP };

	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (uint32_t i = 0; i < t->n_local; i++) {
			const struct ks_local *l = &t->local[i];
			ks_be32 *src = &t->port_src[l->port];
			bool moves = (l->flags & KS_LOCAL_VIP) != 0;

			if (*src == 0 && (l->flags & order[k]) != 0 &&
			    moves == (order[k] == KS_LOCAL_VIP))
				*src = l->addr.v4;
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

static struct ks_fib_in *add_route(const struct ks_desired *d, struct ks_fib_in *in, ks_be32 dst,
				   unsigned plen, enum rank rank, const struct ks_route *route)
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
		struct ks_route r = { .gw = o->key.gw,
				      .src = o->body.src,
				      .port = o->key.port,
				      .mtu = (uint16_t)o->body.mtu,
				      .metric = o->key.metric };

		if (o->body.live)
			in = add_route(d, in, o->key.addr.v4, o->key.x, RANK_OP, &r);
	}
	for (const struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL; o = o->next) {
		bool leased = (o->body.flags & KS_ADDR_LEASED) != 0;
		struct ks_route r = { .port = o->key.port };

		if (!o->body.live || o->body.plen == 32)
			continue;
		if (!leased)
			r.src = o->key.addr;
		in = add_route(d, in, o->key.addr.v4, o->body.plen,
			       leased ? RANK_LEASED : RANK_CONNECTED, &r);
	}
	return in;
}

static struct ks_fib_in *add_kernel_routes(const struct ks_desired *d, struct ks_fib_in *in)
{
	for (size_t i = 0; i < d->n_m_route; i++) {
		const struct ks_mirror_route *m = &d->m_route[i];
		struct ks_route r = { .gw = m->gw,
				      .src = m->src,
				      .port = m->port,
				      .mtu = (uint16_t)(m->mtu > UINT16_MAX ? 0 : m->mtu),
				      .metric = m->metric };

		if (m->af == 4 && m->plen <= 32 && m->port < d->n_ports)
			in = add_route(d, in, m->dst.v4, m->plen, RANK_KERNEL, &r);
	}
	for (size_t i = 0; i < d->n_m_addr; i++) {
		const struct ks_mirror_addr *m = &d->m_addr[i];
		struct ks_route r = { .port = m->port, .src = m->addr };

		if (m->af == 4 && m->plen > 0 && m->plen < 32 && m->port < d->n_ports)
			in = add_route(d, in, m->addr.v4, m->plen, RANK_KERNEL_CONNECTED, &r);
	}
	return in;
}

bool ks_build_fib(struct ks_desired *d)
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
