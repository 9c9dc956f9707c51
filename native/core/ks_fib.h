/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 longest prefix match: a trie with strides 16, 8 and 8, built once from all routes and never
 * changed; generations whose routes are the same share one. A lookup reads one to three words and
 * then the route.
 */
#ifndef KS_FIB_H
#define KS_FIB_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_hops.h"
#include "ks_mem.h"

#define KS_FIB_L1       65536u
#define KS_FIB_BLOCK    256u
#define KS_FIB_IS_BLOCK 0x80000000u /* else: number of the route + 1, 0 = none */

struct ks_fib {
	uint32_t refs; /* main lcore only */
	struct ks_hops hops;
	uint32_t n_routes;
	uint32_t n_blocks;
	struct ks_route *route;
	uint32_t (*block)[KS_FIB_BLOCK];
	uint32_t l1[KS_FIB_L1];
};

/* A route as it comes in. Among routes of one prefix one whose device is up wins, then the lowest
 * metric, then the lowest rank (who said it). Those equal in all of this are ways side by side if
 * they have a weight; else the lowest port and gateway wins, so that the outcome does not depend on
 * the order. */
struct ks_fib_in {
	uint32_t dst; /* host order, bits beyond plen zero */
	bool down;
	uint32_t rank;
	struct ks_route route;
};

/* Sorts `in`. NULL = no memory. */
struct ks_fib *ks_fib_build(const struct ks_mem *mem, struct ks_fib_in *in, uint32_t n);
void ks_fib_unref(const struct ks_mem *mem, struct ks_fib *f);

static inline const struct ks_route *ks_fib_find(const struct ks_fib *f, uint32_t dst)
{
	uint32_t e = f->l1[dst >> 16];

	if (e & KS_FIB_IS_BLOCK) {
		e = f->block[e & ~KS_FIB_IS_BLOCK][(dst >> 8) & 0xff];
		if (e & KS_FIB_IS_BLOCK)
			e = f->block[e & ~KS_FIB_IS_BLOCK][dst & 0xff];
	}
	return e == 0 ? NULL : &f->route[e - 1];
}

#endif
