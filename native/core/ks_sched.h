/* SPDX-License-Identifier: Apache-2.0 */
/* Which real server gets a new session. State is the worker's own: one ks_sched_state a service
 * slot. */
#ifndef KS_SCHED_H
#define KS_SCHED_H

#include "ks_conf.h"
#include "ks_session.h"

struct ks_sched_state {
	uint32_t at; /* where the round stands */
	uint32_t weight; /* wrr: weight served in this round */
	uint32_t lip; /* next local address */
	uint32_t serial; /* number of real servers seen last; a change starts a new round */
};

/* rs_counters: [slot][KS_RSC_COUNT] of this worker. NULL = no real server with weight. */
const struct ks_rs *ks_sched_pick(const struct ks_svc *svc, struct ks_sched_state *st,
				  const uint64_t *rs_counters, const struct ks_key *client);

/* Is there a scheduler of that number (enum ks_sched)? */
bool ks_sched_known(uint8_t sched);

#endif
