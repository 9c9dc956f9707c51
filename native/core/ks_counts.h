/* SPDX-License-Identifier: Apache-2.0 */
/* How many sessions each real server has, over all workers. */
#ifndef KS_COUNTS_H
#define KS_COUNTS_H

#include "ks_conf.h"

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

/* Looks up what the other workers have with the real server in that slot: a line each. */
void ks_counts_look(const struct ks_counts *c, uint32_t slot);

/* Active, inactive sessions with the real server in that slot, over all workers as far as known. */
uint64_t ks_counts_active(const struct ks_counts *counts, uint32_t slot);
uint64_t ks_counts_inactive(const struct ks_counts *counts, uint32_t slot);

/*
 * Is the real server, which has an upper threshold, full? It is from so many sessions on (active
 * and inactive, of all workers, read now) until it has fewer than the lower. The workers agree on
 * that without a line they share: each change is a number one higher than any in the rows of that
 * slot, odd = full, which the worker that sees it writes into its own row (KS_RSC_OVERLOAD); the
 * highest of all rows counts.
 */
bool ks_counts_full(const struct ks_counts *c, const struct ks_rs *rs);

#endif
