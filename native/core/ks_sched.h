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
	uint32_t looked; /* real server to look up at the other workers' next */
	uint32_t serial; /* number of real servers seen last; a change starts a new round */
};

/* What this worker believes of the others' sessions with a real server, and how many it had itself
 * when it looked. */
struct ks_seen {
	uint32_t active, inactive; /* all other workers' */
	uint32_t own_active, own_inactive;
};

/* Sessions with each real server, over all workers. Every worker writes its own rows and reads the
 * others' only when it opens a session, a few rows each time; between two looks it takes what it
 * has opened itself since as a sample of what the others have. */
struct ks_counts {
	uint64_t *own; /* [slot][KS_RSC_COUNT] */
	const uint64_t *first; /* worker 0's; NULL = there is only this worker */
	size_t stride; /* words from one worker's to the next */
	uint32_t n_workers, index, n_slots;
	struct ks_seen *seen; /* [n_slots] */
};

/*
 * NULL = no real server with weight, or each of them full. One with an upper threshold is full from
 * so many sessions on (active and inactive, of all workers) until it has fewer than the lower. The
 * workers agree on that without a line they share: each change is a number one higher than any in
 * the rows of that slot, odd = full, which the worker that sees it writes into its own row
 * (KS_RSC_OVERLOAD); the highest of all rows counts.
 */
const struct ks_rs *ks_sched_pick(const struct ks_svc *svc, struct ks_sched_state *st,
				  const struct ks_counts *counts, const struct ks_key *client);

/* Has the service a real server with weight? */
bool ks_sched_any(const struct ks_svc *svc);

/* Active, inactive sessions with the real server in that slot, over all workers as far as known. */
uint64_t ks_sched_active(const struct ks_counts *counts, uint32_t slot);
uint64_t ks_sched_inactive(const struct ks_counts *counts, uint32_t slot);

/* Is there a scheduler of that number (enum ks_sched)? */
bool ks_sched_known(uint8_t sched);

/* -log2(u / 2^32) in 1/65536, for u > 0: what weighted rendezvous scores with. */
uint64_t ks_neg_log2(uint32_t u);

#endif
