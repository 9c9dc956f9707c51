/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev lookup tables (Eisenbud et al., NSDI 2016, §3.4), weighted as Linux's mh: in each round a
 * real server fills as many rows as its weight over the greatest common divisor. A pure function of
 * addresses, ports, weights and size, so every node of a cluster has the same table.
 */
#ifndef KS_MAGLEV_H
#define KS_MAGLEV_H

#include "ks_conf.h"
#include "ks_mem.h"

#define KS_MAGLEV_MIN 251u
#define KS_MAGLEV_MAX 65521u /* the largest prime below 2^16 */

struct ks_maglev {
	uint32_t refs; /* main lcore only: its service's, and each generation's that has it */
	uint32_t size; /* a prime */
	uint64_t digest; /* of what it was made from */
	uint16_t row[]; /* index into the service's real servers */
};

bool ks_maglev_size_ok(uint32_t size);

/* The table for svc, which may be `old` again (one more reference to it); NULL = no memory, or no
 * real server has weight. */
struct ks_maglev *ks_maglev_get(const struct ks_mem *mem, const struct ks_svc *svc, uint32_t size,
				struct ks_maglev *old);
void ks_maglev_unref(const struct ks_mem *mem, struct ks_maglev *m);

#endif
