/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 longest prefix match: a trie of strides of 4 bits, a block of 16 rows being one cache line.
 * Built once and never changed, shared by generations as ks_fib is. A lookup reads a line for every
 * four bits of the longest prefix along its way; it is made once for a session and epoch.
 */
#ifndef KS_FIB6_H
#define KS_FIB6_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_hops.h"
#include "ks_mem.h"

struct ks_fib6_node {
	uint32_t child[16]; /* index of the node below, 0 = none */
};

struct ks_fib6 {
	uint32_t refs; /* main lcore only */
	struct ks_hops hops;
	uint32_t n_routes;
	uint32_t n_nodes;
	struct ks_route *route;
	struct ks_fib6_node *node; /* [0] is the root */
	uint32_t (*best)[16]; /* number of the route + 1 that ends in that row, 0 = none */
};

/* As ks_fib_in. */
struct ks_fib6_in {
	union ks_addr dst; /* bits beyond plen zero */
	bool down;
	uint32_t rank;
	struct ks_route route;
};

/* Sorts `in`. NULL = no memory. */
struct ks_fib6 *ks_fib6_build(const struct ks_mem *mem, struct ks_fib6_in *in, uint32_t n);
void ks_fib6_unref(const struct ks_mem *mem, struct ks_fib6 *f);
const struct ks_route *ks_fib6_find(const struct ks_fib6 *f, const union ks_addr *dst);

#endif
