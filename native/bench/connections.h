/* SPDX-License-Identifier: Apache-2.0 */
/* Whole TCP connections of 8 packets, `block` of them interleaved: opened, used, closed, expired.
 * One worker. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include "flows.h"
#include "measure.h"

struct connections {
	uint32_t block;
	double cycles; /* of the data plane, a connection, without expiry */
	double expire_cycles; /* of the timers, a connection */
	double generator; /* cycles a connection */
	double min, max; /* of cycles + expire_cycles */
	double per_second; /* by one worker at the median of cycles + expire_cycles */
};

/* Rounds of `total` connections each; the first is a warm-up that is not counted. */
bool connections_run(struct rig *r, const struct measure *m, uint32_t block, uint32_t total,
		     unsigned rounds, struct connections *out, char err[KS_ERR_LEN]);

#endif
