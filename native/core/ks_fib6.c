/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_fib6.h"

#include <stdlib.h>
#include <string.h>

#include "ks_desired.h"

static unsigned nibble(const union ks_addr *a, unsigned level)
{
	return level & 1 ? a->b[level / 2] & 15u : a->b[level / 2] >> 4;
}

/* 0 = as good as each other. */
static int compare_ways(const struct ks_fib6_in *a, const struct ks_fib6_in *b)
{
	if (a->down != b->down)
		return a->down ? 1 : -1;
	if (a->route.metric != b->route.metric)
		return a->route.metric < b->route.metric ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return 0;
}

/* Shorter prefixes first, so that longer ones overwrite; of one prefix the best first. */
static int cmp(const void *pa, const void *pb)
{
	const struct ks_fib6_in *a = pa, *b = pb;
	int order;

	if (a->route.plen != b->route.plen)
		return a->route.plen < b->route.plen ? -1 : 1;
	order = memcmp(a->dst.b, b->dst.b, sizeof(a->dst.b));
	if (order != 0)
		return order;
	order = compare_ways(a, b);
	if (order != 0)
		return order;
	if ((a->route.weight != 0) != (b->route.weight != 0))
		return a->route.weight == 0 ? -1 : 1;
	if (a->route.port != b->route.port)
		return a->route.port < b->route.port ? -1 : 1;
	return memcmp(a->route.gw.b, b->route.gw.b, sizeof(a->route.gw.b));
}

/* Levels a prefix passes through before the one it ends in. */
static unsigned depth(unsigned plen)
{
	return plen == 0 ? 0 : (plen - 1) / 4;
}

static uint32_t descend(struct ks_fib6 *f, const union ks_addr *dst, unsigned levels)
{
	uint32_t at = 0;

	for (unsigned l = 0; l < levels; l++) {
		uint32_t *child = &f->node[at].child[nibble(dst, l)];

		if (*child == 0)
			*child = f->n_nodes++;
		at = *child;
	}
	return at;
}

static void insert(struct ks_fib6 *f, const struct ks_fib6_in *in, uint32_t number)
{
	unsigned levels = depth(in->route.plen), bits = in->route.plen - 4 * levels;
	uint32_t node = descend(f, &in->dst, levels);
	unsigned first = nibble(&in->dst, levels), rows = 1u << (4 - bits);

	for (unsigned i = 0; i < rows; i++)
		f->best[node][first + i] = number + 1;
}

struct ks_fib6 *ks_fib6_build(const struct ks_mem *mem, struct ks_fib6_in *in, uint32_t n)
{
	struct ks_fib6 *f = ks_new(mem, 1, sizeof(*f));
	size_t nodes = 1;

	if (f == NULL)
		return NULL;
	qsort(in, n, sizeof(in[0]), cmp);
	for (uint32_t i = 0; i < n; i++)
		nodes += depth(in[i].route.plen);
	f->refs = 1;
	f->n_nodes = 1;
	f->route = ks_new(mem, n > 0 ? n : 1, sizeof(f->route[0]));
	f->node = mem->alloc(mem->ctx, nodes * sizeof(f->node[0]), 64);
	f->best = mem->alloc(mem->ctx, nodes * sizeof(f->best[0]), 64);
	if (f->route == NULL || f->node == NULL || f->best == NULL) {
		ks_fib6_unref(mem, f);
		return NULL;
	}
	for (uint32_t i = 0, first = 0; i < n; i++) {
		bool known = i > 0 && in[i].route.plen == in[i - 1].route.plen &&
			memcmp(&in[i].dst, &in[i - 1].dst, sizeof(in[i].dst)) == 0;

		first = known ? first : i;
		if (!known) {
			f->route[f->n_routes] = in[i].route;
			f->route[f->n_routes].n_hops = 1;
			insert(f, &in[i], f->n_routes++);
		} else if (compare_ways(&in[first], &in[i]) == 0) { /* else a worse one */
			f->n_routes += ks_hops_join(&f->hops, f->route, f->n_routes, &in[i].route);
		}
	}
	return f;
}

void ks_fib6_unref(const struct ks_mem *mem, struct ks_fib6 *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	ks_del(mem, f->route);
	ks_del(mem, f->node);
	ks_del(mem, f->best);
	ks_del(mem, f);
}

const struct ks_route *ks_fib6_find(const struct ks_fib6 *f, const union ks_addr *dst)
{
	uint32_t best = 0, at = 0;

	for (unsigned l = 0; l < 32; l++) {
		unsigned k = nibble(dst, l);

		if (f->best[at][k] != 0)
			best = f->best[at][k];
		at = f->node[at].child[k];
		if (at == 0)
			break;
	}
	return best == 0 ? NULL : &f->route[best - 1];
}
