/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the benchmark: opened through the data plane as clients and real servers would, then
 * played as lists of frames in random order. */
#ifndef FLOWS_H
#define FLOWS_H

#include "bare.h"
#include "rig.h"

/* What one side sends: gen_tuple or gen_tuple6, by its family. */
struct flow_side {
	uint8_t af;
	void *t;
};

struct flows {
	struct rig *r;
	uint8_t proto;
	bool one_way; /* the real server's packets do not come by here */
	uint32_t n;
	/* By number of the flow. The server's side is learnt from the first packet it gets. */
	struct flow_side side[GEN_PORTS];
	/* The same in random order, cut into a list for each worker's queue. */
	struct flow_side shuffled[GEN_PORTS];
	uint32_t bad; /* frames which did not leave as they should */
	uint32_t learnt;
	uint64_t rng;
	uint64_t turn_cycles; /* spent in stages: generator and workers */
};

enum steer { STEER_OWNER, STEER_ANY };

/* Between the families of the rig's mode. */
bool flows_open(struct flows *f, struct rig *r, uint8_t proto, uint32_t n, char err[KS_ERR_LEN]);
void flows_close(struct flows *f);

/* Make client tuples [0, n), the number of the first being `from`: other numbers, other clients. */
void flows_name(struct flows *f, uint32_t from);

/* Send a stage of flows [at, at + n) from one side, and let the data plane deal with it. learn:
 * frames towards the server tell its side. */
void flows_stage(struct flows *f, unsigned port, enum gen_kind kind, uint32_t at, uint32_t n,
		 bool learn, ks_ms now);

/* Open all; then every packet of both sides once, each frame that leaves looked at. */
bool flows_establish(struct flows *f, ks_ms now, char err[KS_ERR_LEN]);

/* Set up the workers' queues to play all flows for ever in random order. */
void flows_play(struct flows *f, enum steer steer);
void flows_stop(struct flows *f);

/* The bare loop's table for the same packets: IPv4 both ways. */
void flows_to_bare(const struct flows *f, struct bare *b);

#endif
