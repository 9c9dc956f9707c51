/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of time in which workers, or bare loops in their place, play packets. A worker's cost is
 * its time less what the generator measured of itself and less what measuring costs. Windows in
 * which the thread did not have its CPU are thrown away.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "bare.h"
#include "rig.h"

#define MAX_WINDOWS 64u

struct window {
	uint64_t packets;
	double cycles; /* of the data plane */
	double gen_rx, gen_tx;
	double seconds; /* wall, of the longest worker */
	double stolen; /* share of the time the thread had no CPU */
	unsigned switches; /* times another thread was put in its place */
};

struct series {
	unsigned n;
	struct window w[MAX_WINDOWS];
};

struct summary {
	double cycles, min, max; /* a packet; median, least, most */
	double gen_rx, gen_tx; /* medians */
	double mpps_cpu; /* at that cost, by one worker that does nothing else */
	double mpps_all; /* seen, generator included, all workers */
	unsigned windows, thrown_away;
};

struct measure {
	double stamp_cost;
	double tsc_hz;
	double warm_ms, run_ms;
};

void measure_init(struct measure *m, double warm_ms, double run_ms);

/* One window; bare NULL = the data plane. bare: one for each worker. */
bool measure_window(const struct measure *m, struct rig *r, struct bare *bare, struct window *out);

void series_add(struct series *s, const struct window *w);
struct summary series_summary(const struct measure *m, const struct series *s);

double thread_cpu_seconds(void);
unsigned thread_switches(void);
double median(double *v, unsigned n);

#endif
