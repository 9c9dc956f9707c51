/* SPDX-License-Identifier: Apache-2.0 */
/* The trie answers as a search through all routes does, whatever routes there are. */
#include "check.h"
#include "ks_fib.h"

#define ROUTES 400u

static bool covers(const struct ks_fib_in *in, uint32_t dst)
{
	return in->route.plen == 0 || (in->dst ^ dst) >> (32 - in->route.plen) == 0;
}

/* Longest prefix, then lowest metric, then lowest rank. */
static const struct ks_fib_in *naive(const struct ks_fib_in *in, uint32_t n, uint32_t dst)
{
	const struct ks_fib_in *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const struct ks_route *r = &in[i].route;

		if (!covers(&in[i], dst))
			continue;
		if (best == NULL || r->plen > best->route.plen ||
		    (r->plen == best->route.plen &&
		     (r->metric < best->route.metric ||
		      (r->metric == best->route.metric && in[i].rank < best->rank))))
			best = &in[i];
	}
	return best;
}

/* Few distinct high bits, so that prefixes nest and collide. */
static uint32_t crowded(uint64_t *s)
{
	return (below(s, 3) << 30) | (below(s, 3) << 15) | (rnd(s) & 0x0003c3c3);
}

static void check_one_table(const struct ks_mem *mem, uint64_t *s)
{
	struct ks_fib_in in[ROUTES], sorted[ROUTES];
	uint32_t n = below(s, ROUTES + 1);
	struct ks_fib *f;

	for (uint32_t i = 0; i < n; i++) {
		unsigned plen = below(s, 33);
		uint32_t mask = plen == 0 ? 0 : UINT32_MAX << (32 - plen);

		/* rank and metric make one winner, the gateway tells which it was */
		in[i] = (struct ks_fib_in){ .dst = crowded(s) & mask, .rank = i };
		in[i].route.plen = (uint8_t)plen;
		in[i].route.metric = below(s, 3);
		in[i].route.gw.v4 = i + 1;
	}
	memcpy(sorted, in, sizeof(in));
	f = ks_fib_build(mem, sorted, n);
	CHECK(f != NULL);
	for (unsigned k = 0; k < 2000; k++) {
		uint32_t dst = crowded(s);
		const struct ks_route *got = ks_fib_find(f, dst);
		const struct ks_fib_in *want = naive(in, n, dst);

		CHECK((got == NULL) == (want == NULL));
		if (got != NULL)
			CHECK_EQ(got->gw.v4, want->route.gw.v4);
	}
	for (uint32_t i = 0; i < n; i++) { /* both ends of every prefix and what lies beside them */
		uint32_t last = in[i].dst |
			(in[i].route.plen == 0 ? UINT32_MAX
					       : (uint32_t)((1ull << (32 - in[i].route.plen)) - 1));
		uint32_t probe[] = { in[i].dst, last, in[i].dst - 1, last + 1 };

		for (unsigned k = 0; k < 4; k++) {
			const struct ks_route *got = ks_fib_find(f, probe[k]);
			const struct ks_fib_in *want = naive(in, n, probe[k]);

			CHECK((got == NULL) == (want == NULL));
			if (got != NULL)
				CHECK_EQ(got->gw.v4, want->route.gw.v4);
		}
	}
	ks_fib_unref(mem, f);
}

static void lookup_equals_a_naive_search(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	uint64_t s = 0x5eed;

	for (unsigned i = 0; i < 60; i++)
		check_one_table(&mem, &s);
	CHECK_EQ(tm.live, 0);
}

static void short_of_memory_gives_none_and_leaks_none(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_fib_in in[1] = { { .dst = 0x0a000001, .route = { .plen = 32 } } };

	for (long k = 1; k <= 3; k++) {
		tm.fail_in = k;
		CHECK(ks_fib_build(&mem, in, 1) == NULL);
		CHECK_EQ(tm.live, 0);
	}
}

int main(void)
{
	RUN(lookup_equals_a_naive_search);
	RUN(short_of_memory_gives_none_and_leaks_none);
	return 0;
}
