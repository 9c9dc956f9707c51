/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups in one generation. */
#include <netinet/in.h>
#include <string.h>

#include "ks_lease.h"
#include "ks_maglev.h"
#include "ks_session.h"
#include "ks_tables.h"

const struct ks_svc *ks_conf_svc4(const struct ks_conf *c, uint8_t proto, ks_be32 vip, ks_be16 port)
{
	const struct ks_tables *t = c->impl;
	uint64_t key = ks_svc_key4(proto, vip, port);

	for (uint32_t i = (uint32_t)ks_mix(key);; i++) {
		const struct ks_svc_row *row = &t->svc_row[i & t->svc_mask];

		if (row->svc == NULL || row->key == key)
			return row->svc;
	}
}

const struct ks_svc *ks_conf_svc6(const struct ks_conf *c, uint8_t proto, const union ks_addr *vip,
				  ks_be16 port)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = ks_svc_hash6(proto, vip, port);; i++) {
		const struct ks_svc *svc = t->svc6_row[i & t->svc_mask];

		if (svc == NULL ||
		    (svc->key.proto == proto && svc->key.port == port &&
		     memcmp(svc->key.addr, vip->b, sizeof(vip->b)) == 0))
			return svc;
	}
}

const struct ks_svc *ks_conf_svc(const struct ks_conf *c, const struct ks_svc_key *key)
{
	union ks_addr addr;

	memcpy(addr.b, key->addr, sizeof(addr.b));
	return key->af == 4 ? ks_conf_svc4(c, key->proto, addr.v4, key->port)
			    : ks_conf_svc6(c, key->proto, &addr, key->port);
}

const struct ks_local *ks_conf_local6(const struct ks_conf *c, const union ks_addr *addr)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = ks_hash6(addr);; i++) {
		const struct ks_local *l = t->local6_row[i & t->local_mask];

		if (l == NULL || memcmp(&l->addr, addr, sizeof(*addr)) == 0)
			return l;
	}
}

const struct ks_local *ks_conf_local4(const struct ks_conf *c, ks_be32 addr)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = ks_hash4(addr);; i++) {
		const struct ks_local *l = t->local_row[i & t->local_mask];

		if (l == NULL || l->addr.v4 == addr)
			return l;
	}
}

bool ks_conf_is_lip4(const struct ks_conf *c, ks_be32 addr)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = ks_hash4(addr);; i++) {
		ks_be32 have = t->lip_row[i & t->lip_mask];

		if (have == 0)
			return false;
		if (have == addr)
			return true;
	}
}

const struct ks_route *ks_conf_route4(const struct ks_conf *c, ks_be32 dst)
{
	const struct ks_tables *t = c->impl;

	return ks_fib_find(t->fib, ntohl(dst));
}

const struct ks_route *ks_conf_route6(const struct ks_conf *c, const union ks_addr *dst)
{
	const struct ks_tables *t = c->impl;

	return ks_fib6_find(t->fib6, dst);
}

static bool in_range(const union ks_addr range[2], const union ks_addr *a)
{
	return memcmp(a->b, range[0].b, sizeof(a->b)) >= 0 &&
		memcmp(a->b, range[1].b, sizeof(a->b)) <= 0;
}

static bool fits(const struct ks_match *m, const union ks_addr *src, const union ks_addr *dst,
		 uint16_t sport, uint16_t dport)
{
	return in_range(m->src, src) && in_range(m->dst, dst) && sport >= m->sport[0] &&
		sport <= m->sport[1] && dport >= m->dport[0] && dport <= m->dport[1];
}

const struct ks_match *ks_conf_match(const struct ks_conf *c, const struct ks_key *k, uint8_t proto,
				     uint8_t iif, uint8_t oif)
{
	union ks_addr src = k->af == 4 ? ks_addr4(k->t.src) : k->a[KS_SRC];
	union ks_addr dst = k->af == 4 ? ks_addr4(k->t.dst) : k->a[KS_DST];

	for (uint32_t i = 0; i < c->n_match; i++) {
		const struct ks_match *m = &c->match[i];

		if (m->proto == proto && m->af == k->af &&
		    (m->iif == KS_ANY_PORT || m->iif == iif) &&
		    (m->oif == KS_ANY_PORT || oif == KS_ANY_PORT || m->oif == oif) &&
		    fits(m, &src, &dst, ntohs(k->t.sport), ntohs(k->t.dport)))
			return m;
	}
	return NULL;
}

bool ks_conf_is_nat_rs(const struct ks_conf *c, uint8_t af, uint8_t proto,
		       const union ks_addr *addr, ks_be16 port)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = ks_nat_hash(proto, addr, port);; i++) {
		const struct ks_nat_row *row = &t->nat_row[i & t->nat_mask];

		if (row->af == 0)
			return false;
		if (row->af == af && row->proto == proto && row->port == port &&
		    memcmp(&row->addr, addr, sizeof(*addr)) == 0)
			return true;
	}
}

const struct ks_svc *ks_conf_services(const struct ks_conf *c, uint32_t *n)
{
	const struct ks_tables *t = c->impl;

	*n = c->n_svc;
	return t->svc;
}

const struct ks_static_neigh *ks_conf_neighs(const struct ks_conf *c, uint32_t *n)
{
	const struct ks_tables *t = c->impl;

	*n = t->n_neigh;
	return t->neigh;
}

const struct ks_hops *ks_conf_hops(const struct ks_conf *c, uint8_t af)
{
	const struct ks_tables *t = c->impl;

	return af == 4 ? &t->fib->hops : &t->fib6->hops;
}

bool ks_conf_may_speak(const struct ks_conf *c, const struct ks_holding *h, uint8_t af,
		       const union ks_addr *addr)
{
	const struct ks_local *l = ks_conf_local(c, af, addr);

	return l == NULL || ks_is_held(h->leases, l, h->now);
}

/* A VIP that is held, for a port that has nothing else. */
static union ks_addr held_on(const struct ks_conf *c, const struct ks_holding *h, uint8_t port,
			     uint8_t af)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = 0; i < t->n_local; i++) {
		const struct ks_local *l = &t->local[i];

		if (l->port == port && l->af == af && (l->flags & KS_LOCAL_VIP) != 0 &&
		    ks_is_held(h->leases, l, h->now))
			return l->addr;
	}
	return ks_addr4(0);
}

static bool source_of(const struct ks_conf *c, const struct ks_holding *h, const struct ks_route *r,
		      ks_be32 *src)
{
	if (r == NULL || r->src.v4 == 0 || !ks_conf_may_speak(c, h, 4, &r->src))
		return false;
	*src = r->src.v4;
	return true;
}

ks_be32 ks_conf_source4(const struct ks_conf *c, const struct ks_holding *h, uint8_t port,
			ks_be32 dst)
{
	const struct ks_tables *t = c->impl;
	const struct ks_route *r = ks_route_by_port(ks_conf_route4(c, dst), port);
	ks_be32 src;

	if (source_of(c, h, r, &src))
		return src;
	if (r != NULL && r->gw.v4 != 0 &&
	    source_of(c, h, ks_route_by_port(ks_conf_route4(c, r->gw.v4), port), &src))
		return src;
	if (port >= KS_MAX_PORTS)
		return 0;
	return t->port_src[port] != 0 ? t->port_src[port] : held_on(c, h, port, 4).v4;
}

union ks_addr ks_conf_source6(const struct ks_conf *c, const struct ks_holding *h, uint8_t port,
			      const union ks_addr *dst)
{
	static const struct ks_sources6 none;
	const struct ks_tables *t = c->impl;
	const struct ks_route *r = ks_route_by_port(ks_conf_route6(c, dst), port);
	union ks_addr src;

	if (r != NULL && r->told_src && ks_conf_may_speak(c, h, 6, &r->src))
		return r->src;
	src = ks_source6_choose(port < KS_MAX_PORTS ? &t->sources6[port] : &none, h, dst);
	return ks_addr_unset(&src) ? held_on(c, h, port, 6) : src;
}

void ks_unref_maglevs(const struct ks_mem *mem, const struct ks_svc *svc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ks_maglev_unref(mem, svc[i].maglev);
}

void ks_conf_free(struct ks_conf *c)
{
	struct ks_tables *t;
	struct ks_mem mem;

	if (c == NULL)
		return;
	t = c->impl;
	mem = t->mem;
	ks_unref_maglevs(&mem, t->svc, c->n_svc);
	ks_fib_unref(&mem, t->fib);
	ks_fib6_unref(&mem, t->fib6);
	ks_del(&mem, c);
}
