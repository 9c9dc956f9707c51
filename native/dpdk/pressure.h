/* SPDX-License-Identifier: Apache-2.0 */
/* What workers can only count is said aloud by the main lcore: a full session table, no local port
 * left. One line of each kind a second at most, with how often it happened since the last. */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <stdbool.h>

#include "ks_ipc.h"
#include "ks_pkt.h"

struct shell;

struct pressure {
	uint64_t told[2]; /* what the counters were when the last line was written */
	ks_ms next_at[2];
};

/* The next event that is due; false = none. Call until then. */
bool pressure_next(struct pressure *p, const struct shell *s, struct ks_event *e, ks_ms now);

#endif
