/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups in one generation. */
#include <netinet/in.h>
#include <string.h>

#include "ks_maglev.h"
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

const struct ks_svc *ks_conf_svc(const struct ks_conf *c, const struct ks_svc_key *key)
{
	ks_be32 addr;

	if (key->af != 4)
		return NULL;
	memcpy(&addr, key->addr, sizeof(addr));
	return ks_conf_svc4(c, key->proto, addr, key->port);
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

ks_be32 ks_conf_source4(const struct ks_conf *c, uint8_t port, ks_be32 dst)
{
	const struct ks_tables *t = c->impl;
	const struct ks_route *r = ks_conf_route4(c, dst);

	if (r != NULL && r->port == port && r->src.v4 != 0)
		return r->src.v4;
	if (r != NULL && r->port == port && r->gw.v4 != 0) {
		r = ks_conf_route4(c, r->gw.v4);
		if (r != NULL && r->port == port && r->src.v4 != 0)
			return r->src.v4;
	}
	return port < KS_MAX_PORTS ? t->port_src[port] : 0;
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
	ks_del(&mem, c);
}
