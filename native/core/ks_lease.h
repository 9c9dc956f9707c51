/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leased addresses (VIPs of VRRP) this node answers for. Every leased address has a slot that
 * it keeps from generation to generation; the main lcore writes the end of its lease there, and
 * whoever meets the address compares that with the clock. An address that is not held is treated as
 * one that is not ours: it is not answered for, not used as a source, and may be a neighbour's.
 */
#ifndef KS_LEASE_H
#define KS_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_mem.h"

#define KS_LEASE_FOREVER UINT64_MAX

struct ks_leases {
	_Atomic uint64_t *until; /* [KS_LEASES_MAX] in ms, by ks_local.lease; 0 = not held */
};

static inline bool ks_leases_init(struct ks_leases *s, const struct ks_mem *mem)
{
	s->until = mem->alloc(mem->ctx, KS_LEASES_MAX * sizeof(s->until[0]), 64);
	return s->until != NULL;
}

static inline void ks_leases_free(struct ks_leases *s, const struct ks_mem *mem)
{
	if (s->until != NULL)
		mem->free(mem->ctx, (void *)s->until);
	s->until = NULL;
}

static inline uint64_t ks_lease_until(const struct ks_leases *s, uint32_t slot)
{
	return atomic_load_explicit(&s->until[slot], memory_order_relaxed);
}

/* Is the address ours at this moment? */
static inline bool ks_is_held(const struct ks_leases *s, const struct ks_local *l, ks_ms now)
{
	return (l->flags & KS_LOCAL_VIP) == 0 || ks_lease_until(s, l->lease) > now;
}

/* The address, NULL when it is not ours at this moment. */
static inline const struct ks_local *ks_held(const struct ks_leases *s, const struct ks_local *l,
					     ks_ms now)
{
	return l != NULL && ks_is_held(s, l, now) ? l : NULL;
}

#endif
