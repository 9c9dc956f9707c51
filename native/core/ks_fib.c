/* SPDX-License-Identifier: Apache-2.0 */
/* Building the trie. Routes are put in sorted by address and then by length, so a prefix always
 * comes after all which contain it: each insert may overwrite its whole range and never meets a
 * block it would have to walk into. */
#include "ks_fib.h"

#include <stdlib.h>
#include <string.h>

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

/* 0 = as good as each other. */
static int compare_ways(const struct ks_fib_in *a, const struct ks_fib_in *b)
{
	int c = cmp_u32(a->down, b->down);

	if (c == 0)
		c = cmp_u32(a->route.metric, b->route.metric);
	if (c == 0)
		c = cmp_u32(a->rank, b->rank);
	return c;
}

static int cmp_in(const void *pa, const void *pb)
{
	const struct ks_fib_in *a = pa, *b = pb;
	int c = cmp_u32(a->dst, b->dst);

	if (c == 0)
		c = cmp_u32(a->route.plen, b->route.plen);
	if (c == 0)
		c = compare_ways(a, b);
	if (c == 0)
		c = cmp_u32(a->route.weight != 0, b->route.weight != 0);
	if (c == 0)
		c = cmp_u32(a->route.port, b->route.port);
	if (c == 0)
		c = memcmp(&a->route.gw, &b->route.gw, sizeof(a->route.gw));
	if (c == 0)
		c = memcmp(&a->route.src, &b->route.src, sizeof(a->route.src));
	return c;
}

/* Blocks needed: one for each /16 and each /24 that is entered by a longer prefix. */
static uint32_t count_blocks(const struct ks_fib_in *in, uint32_t n)
{
	uint64_t last16 = UINT64_MAX, last24 = UINT64_MAX;
	uint32_t blocks = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (in[i].route.plen > 16 && last16 != in[i].dst >> 16) {
			last16 = in[i].dst >> 16;
			blocks++;
		}
		if (in[i].route.plen > 24 && last24 != in[i].dst >> 8) {
			last24 = in[i].dst >> 8;
			blocks++;
		}
	}
	return blocks;
}

/* The block an entry leads to; a plain entry is first turned into a block full of it. */
static uint32_t *descend(struct ks_fib *f, uint32_t *entry)
{
	if (!(*entry & KS_FIB_IS_BLOCK)) {
		uint32_t *b = f->block[f->n_blocks];

		for (unsigned i = 0; i < KS_FIB_BLOCK; i++)
			b[i] = *entry;
		*entry = f->n_blocks++ | KS_FIB_IS_BLOCK;
	}
	return f->block[*entry & ~KS_FIB_IS_BLOCK];
}

static void fill(uint32_t *level, uint32_t first, uint32_t count, uint32_t value)
{
	for (uint32_t i = 0; i < count; i++)
		level[first + i] = value;
}

static void insert(struct ks_fib *f, uint32_t dst, unsigned plen, uint32_t value)
{
	uint32_t *level;

	if (plen <= 16) {
		fill(f->l1, dst >> 16, 1u << (16 - plen), value);
		return;
	}
	level = descend(f, &f->l1[dst >> 16]);
	if (plen <= 24) {
		fill(level, (dst >> 8) & 0xff, 1u << (24 - plen), value);
		return;
	}
	level = descend(f, &level[(dst >> 8) & 0xff]);
	fill(level, dst & 0xff, 1u << (32 - plen), value);
}

struct ks_fib *ks_fib_build(const struct ks_mem *mem, struct ks_fib_in *in, uint32_t n)
{
	struct ks_fib *f = mem->alloc(mem->ctx, sizeof(*f), 64);
	uint32_t blocks;

	if (f == NULL)
		return NULL;
	if (n > 1)
		qsort(in, n, sizeof(in[0]), cmp_in);
	blocks = count_blocks(in, n);
	f->refs = 1;
	if (n > 0)
		f->route = mem->alloc(mem->ctx, n * sizeof(f->route[0]), 64);
	if (blocks > 0)
		f->block = mem->alloc(mem->ctx, blocks * sizeof(f->block[0]), 64);
	if ((n > 0 && f->route == NULL) || (blocks > 0 && f->block == NULL)) {
		ks_fib_unref(mem, f);
		return NULL;
	}
	for (uint32_t i = 0, first = 0; i < n; i++) {
		bool known = i > 0 && in[i].dst == in[i - 1].dst &&
			in[i].route.plen == in[i - 1].route.plen;

		first = known ? first : i;
		if (!known) {
			f->route[f->n_routes] = in[i].route;
			f->route[f->n_routes].n_hops = 1;
			insert(f, in[i].dst, in[i].route.plen, ++f->n_routes);
		} else if (compare_ways(&in[first], &in[i]) == 0) { /* else a worse one */
			f->n_routes += ks_hops_join(&f->hops, f->route, f->n_routes, &in[i].route);
		}
	}
	return f;
}

void ks_fib_unref(const struct ks_mem *mem, struct ks_fib *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	if (f->route != NULL)
		mem->free(mem->ctx, f->route);
	if (f->block != NULL)
		mem->free(mem->ctx, f->block);
	mem->free(mem->ctx, f);
}
