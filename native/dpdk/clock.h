/* SPDX-License-Identifier: Apache-2.0 */
/* Milliseconds from the time stamp counter: the same on every lcore, no system call, no division
 * while polling. */
#ifndef CLOCK_H
#define CLOCK_H

#include <rte_cycles.h>
#include <stdint.h>

#include "ks_pkt.h"

struct clock {
	uint64_t start; /* TSC at `base` */
	ks_ms base;
	uint64_t per_ms;
	uint64_t next; /* TSC of the next millisecond */
	ks_ms now;
};

static inline void clock_init(struct clock *c, ks_ms base)
{
	c->start = rte_rdtsc();
	c->base = base;
	c->per_ms = rte_get_tsc_hz() / 1000;
	c->now = base;
	c->next = c->start + c->per_ms;
}

/* Copies of one clock run in step. */
static inline ks_ms clock_at(struct clock *c, uint64_t tsc)
{
	if (__builtin_expect(tsc >= c->next, 0)) {
		uint64_t ms = (tsc - c->start) / c->per_ms;

		c->now = c->base + ms;
		c->next = c->start + (ms + 1) * c->per_ms;
	}
	return c->now;
}

#endif
