/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_hops.h"

#include <string.h>

#include "ks_neigh.h"
#include "ks_sched.h"

/* ---- building ----------------------------------------------------------------------------------------------------- */

static void note_router(struct ks_hops *h, const struct ks_route *r)
{
	if (ks_addr_unset(&r->gw) || h->n == KS_ROUTERS_MAX)
		return;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->hop[i].port == r->port && memcmp(&h->hop[i].gw, &r->gw, sizeof(r->gw)) == 0)
			return;
	h->hop[h->n].gw = r->gw;
	h->hop[h->n++].port = r->port;
}

/* Ways come sorted by port and gateway, so the same one twice comes one behind the other. */
uint32_t ks_hops_join(struct ks_hops *h, struct ks_route *route, uint32_t n,
		      const struct ks_route *r)
{
	struct ks_route *last = &route[n - 1], *first = last;

	while (first->n_hops == 0)
		first--;
	if (last->weight == 0 || r->weight == 0 || first->n_hops >= KS_HOPS_MAX ||
	    (last->port == r->port && memcmp(&last->gw, &r->gw, sizeof(r->gw)) == 0))
		return 0;
	if (first->n_hops == 1)
		note_router(h, first);
	note_router(h, r);
	first->n_hops++;
	route[n] = *r;
	route[n].n_hops = 0;
	return 1;
}

/* ---- choosing ----------------------------------------------------------------------------------------------------- */

static bool has_failed(const struct ks_neigh_table *t, const struct ks_route *r, uint8_t af)
{
	uint16_t nh = ks_addr_unset(&r->gw) ? KS_NH_NONE : ks_neigh_find(t, r->port, af, &r->gw);

	return nh != KS_NH_NONE &&
		(atomic_load_explicit(&t->hot[nh].word, memory_order_relaxed) & KS_NH_FAILED) != 0;
}

static const struct ks_route *best(const struct ks_neigh_table *t, const struct ks_route *r,
				   uint8_t af, uint64_t flow, bool failed_too)
{
	const struct ks_route *chosen = NULL;
	uint64_t least = 0;

	for (uint32_t i = 0; i < r->n_hops; i++) {
		const struct ks_route *way = &r[i];
		uint64_t h, score;

		if (!failed_too && has_failed(t, way, af))
			continue;
		h = ks_hops_mix(flow ^
				ks_hops_mix(ks_hops_mix(way->gw.q[0] + way->port) + way->gw.q[1]));
		score = ks_neg_log2((uint32_t)(h >> 32) | 1);
		if (chosen == NULL || score * chosen->weight < least * way->weight) {
			chosen = way;
			least = score;
		}
	}
	return chosen;
}

const struct ks_route *ks_hops_pick(const struct ks_neigh_table *t, const struct ks_route *r,
				    uint8_t af, uint64_t flow)
{
	const struct ks_route *way = best(t, r, af, flow, false);

	return way != NULL ? way : best(t, r, af, flow, true);
}
