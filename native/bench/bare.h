/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare loop: the least a packet can cost here. Parse, look up in batches with prefetch,
 * rewrite, send; no state, no timers, no checks of checksums, no counters, one cache line a packet.
 * It says what the machine's memory allows, and stands beside the data plane in every run.
 */
#ifndef BARE_H
#define BARE_H

#include "gen.h"
#include "ks_mem.h"

struct bare_entry {
	ks_be32 src, dst;
	ks_be16 sport, dport;
	ks_be32 new_src, new_dst;
	ks_be16 new_sport, new_dport;
	uint16_t ip_delta, l4_delta;
	uint32_t used;
};

struct bare {
	struct bare_entry *e;
	uint64_t mask;
	const struct ks_mem *mem;
	uint8_t proto;
	uint64_t missed;
};

bool bare_open(struct bare *b, const struct ks_mem *mem, uint32_t sessions, uint8_t proto);
void bare_close(struct bare *b);
/* A packet that arrives as `in` leaves as `out`. */
void bare_add(struct bare *b, const struct gen_tuple *in, const struct gen_tuple *out);
/* A burst from each port; returns the packets taken. */
unsigned bare_turn(struct bare *b, struct gen_port *gen, uint16_t queue);

#endif
