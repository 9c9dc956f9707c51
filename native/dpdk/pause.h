/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Was this node stopped (SIGSTOP, a virtual machine that is paused) between two turns of the main
 * lcore? Then what waits in queues is of the time before, and must not be sent as if it were new.
 * Time that was planned, worked or spent in the run queue of a busy machine is no pause.
 */
#ifndef KS_PAUSE_H
#define KS_PAUSE_H

#include "ks_pkt.h"

/* Longer than any turn takes. */
#define PAUSE_MS 500u
/* A shorter pause counts as well when the first lease ended in it: others may have taken over. */
#define PAUSE_MIN_MS 50u
/* What has waited longer than this is stale, even if the machine was merely busy. */
#define STARVED_MAX_MS 2000u

struct pause_watch {
	ks_ms at; /* end of the last wait; 0 = not yet */
	uint64_t cpu_ms; /* processor time used until then */
	uint32_t planned_ms; /* of the wait that followed */
	uint64_t lease_ms; /* until the first lease of those held ended; 0 = none was */
};

/* So much may be missing. */
static inline uint64_t pause_limit(const struct pause_watch *w)
{
	if (w->lease_ms == 0 || w->lease_ms >= PAUSE_MS)
		return PAUSE_MS;
	return w->lease_ms > PAUSE_MIN_MS ? w->lease_ms : PAUSE_MIN_MS;
}

/* Milliseconds of the time since w->at that nothing accounts for; 0 = it was no pause. starved_ms:
 * how much of it the thread waited for a processor. */
static inline ks_ms pause_length(const struct pause_watch *w, ks_ms now, uint64_t cpu_ms,
				 uint64_t starved_ms)
{
	uint64_t starved = starved_ms < STARVED_MAX_MS ? starved_ms : STARVED_MAX_MS;
	uint64_t used = cpu_ms - w->cpu_ms + w->planned_ms + starved;

	if (w->at == 0 || now <= w->at + used + pause_limit(w))
		return 0;
	return now - w->at - used;
}

#endif
