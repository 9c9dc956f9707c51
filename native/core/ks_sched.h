/* SPDX-License-Identifier: Apache-2.0 */
/* Which real server gets a new session. State is the worker's own: one ks_sched_state a service
 * slot. */
#ifndef KS_SCHED_H
#define KS_SCHED_H

#include "ks_counts.h"
#include "ks_session.h"

struct ks_sched_state {
	uint32_t at; /* where the round stands */
	uint32_t weight; /* wrr: weight served in this round */
	uint32_t lip; /* next local address */
	uint32_t looked; /* real server to look up at the other workers' next */
	uint32_t serial; /* number of real servers seen last; a change starts a new round */
};

/* NULL = no real server with weight, or each of them full. */
const struct ks_rs *ks_sched_pick(const struct ks_svc *svc, struct ks_sched_state *st,
				  const struct ks_counts *counts, const struct ks_key *client);

/* Has the service a real server with weight? */
bool ks_sched_any(const struct ks_svc *svc);

/* Is there a scheduler of that number (enum ks_sched)? */
bool ks_sched_known(uint8_t sched);

/* -log2(u / 2^32) in 1/65536, for u > 0: what weighted rendezvous scores with. */
uint64_t ks_neg_log2(uint32_t u);

#endif
