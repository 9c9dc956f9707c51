/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured, as a table or as JSON, with the conditions it was measured under. */
#ifndef REPORT_H
#define REPORT_H

#include "connections.h"
#include "measure.h"

struct cell {
	const char *proto;
	uint32_t sessions;
	unsigned workers;
	const char *steer;
	struct summary ks, bare;
	double session_bytes;
	double handed; /* share of the packets that changed worker */
	double lost; /* share dropped because a worker's ring was full */
};

struct report {
	bool json;
	unsigned items; /* printed so far in the present JSON array */
	bool connections;
};

/* Begins the object in JSON. */
void report_conditions(const char *benchmark, bool json, const struct measure *m, unsigned workers,
		       bool claim_csum, bool quick);
void report_begin(struct report *r, bool json, const struct measure *m, unsigned workers,
		  bool claim_csum, bool quick);
void report_cell(struct report *r, const struct cell *c);
void report_connections(struct report *r, const struct connections *c);
void report_end(struct report *r);

#endif
