/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal ways to one prefix (ECMP). They stand one behind another in the trie's array of routes; a
 * flow always takes the same one by weighted rendezvous, so that only the flows of a way that goes,
 * or those a new one gets, change theirs.
 */
#ifndef KS_HOPS_H
#define KS_HOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"

#define KS_HOPS_MAX    128u /* ways of one prefix; more are left out */
#define KS_ROUTERS_MAX 64u

struct ks_neigh_table;

/* The routers of all prefixes with several ways, each once; those beyond are used, but not known to
 * have failed. */
struct ks_hops {
	uint32_t n;
	struct {
		union ks_addr gw;
		uint8_t port;
	} hop[KS_ROUTERS_MAX];
};

static inline uint64_t ks_hops_mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

/* While a trie is built: r is as good as the last of the n routes; if both have a weight it becomes
 * another way of that prefix. Returns how many routes were added, 0 or 1. */
uint32_t ks_hops_join(struct ks_hops *h, struct ks_route *route, uint32_t n,
		      const struct ks_route *r);

const struct ks_route *ks_hops_pick(const struct ks_neigh_table *t, const struct ks_route *r,
				    uint8_t af, uint64_t flow);

/* The flow's way of those r stands for; none whose router has failed while there are others. */
static inline const struct ks_route *ks_route_pick(const struct ks_neigh_table *t,
						   const struct ks_route *r, uint8_t af,
						   uint64_t flow)
{
	return __builtin_expect(r->n_hops > 1, 0) ? ks_hops_pick(t, r, af, flow) : r;
}

#endif
