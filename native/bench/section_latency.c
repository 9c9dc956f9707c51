/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long packets stay, at half of the rate one worker (with the generator beside it) can do. They
 * arrive at random times (exponential gaps) that do not wait for the worker: a late worker finds
 * them all waiting, and each one's time counts from when it should have been taken. Windows in
 * which another thread had the CPU are thrown away while there are others.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sections.h"

#define GAPS  65536u
#define STEPS 64u /* of a power of two: values are right within 1.6 % */

struct histogram {
	uint64_t skip; /* so many are of the warm-up */
	uint64_t n, max;
	uint64_t count[64 * STEPS];
};

static unsigned bucket_of(uint64_t v)
{
	unsigned shift = v < STEPS ? 0 : 57u - (unsigned)__builtin_clzll(v);

	return shift * STEPS + (unsigned)(v >> shift);
}

static double value_of(unsigned bucket)
{
	unsigned shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return (double)(bucket - shift * STEPS) * (double)(1ull << shift);
}

static void left(void *ctx, uint64_t tsc)
{
	struct histogram *h = ctx;

	if (h->skip > 0) {
		h->skip--;
		return;
	}
	h->count[bucket_of(tsc)]++;
	h->n++;
	if (tsc > h->max)
		h->max = tsc;
}

static void merge(struct histogram *to, const struct histogram *h)
{
	for (unsigned i = 0; i < sizeof(h->count) / sizeof(h->count[0]); i++)
		to->count[i] += h->count[i];
	to->n += h->n;
	to->max = h->max > to->max ? h->max : to->max;
}

static double percentile(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->n * share), seen = 0;

	for (unsigned i = 0; i < sizeof(h->count) / sizeof(h->count[0]); i++) {
		seen += h->count[i];
		if (seen > want)
			return value_of(i);
	}
	return (double)h->max;
}

static void random_gaps(uint32_t *gap, double mean)
{
	uint64_t x = 0x9e3779b97f4a7c15ull;

	for (uint32_t i = 0; i < GAPS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		gap[i] = (uint32_t)(-log(((double)(x >> 11) + 1) / 9007199254740993.0) * mean);
	}
}

struct paced {
	struct gen_pace pace[GEN_PORTS];
	struct histogram now, quiet, all;
	uint32_t gap[GAPS];
};

static bool windows(struct bench *b, struct stage *s, struct paced *p, double mpps, unsigned n,
		    unsigned *disturbed)
{
	struct window w;

	for (unsigned i = 0; i < n; i++) {
		memset(&p->now, 0, sizeof(p->now));
		p->now.skip = (uint64_t)(mpps * 1000 * b->m.warm_ms);
		for (unsigned k = 0; k < GEN_PORTS; k++) {
			p->pace[k] = (struct gen_pace){ .gap = p->gap,
							.gaps = GAPS,
							.at = k * GAPS / 2,
							.left = left,
							.ctx = &p->now };
			s->r.queue[k][0].pace = &p->pace[k];
		}
		if (!measure_window(&b->m, &s->r, NULL, &w))
			return false;
		merge(&p->all, &p->now);
		if (w.switches == 0)
			merge(&p->quiet, &p->now);
		else
			++*disturbed;
	}
	return true;
}

static void put(struct bench *b, const struct paced *p, double full, unsigned n, unsigned disturbed)
{
	const struct histogram *h = p->quiet.n > 0 ? &p->quiet : &p->all;
	double us = 1e6 / b->m.tsc_hz;

	out_row(&b->out);
	out_text(&b->out, "mode", "fnat44");
	out_num(&b->out, "full_mpps", full, 2);
	out_num(&b->out, "offered_mpps", full / 2, 2);
	out_num(&b->out, "packets", (double)h->n, 0);
	out_num(&b->out, "p50_us", percentile(h, 0.5) * us, 2);
	out_num(&b->out, "p90_us", percentile(h, 0.9) * us, 2);
	out_num(&b->out, "p99_us", percentile(h, 0.99) * us, 2);
	out_num(&b->out, "p999_us", percentile(h, 0.999) * us, 2);
	out_num(&b->out, "max_us", (double)h->max * us, 1);
	out_num(&b->out, "max_us_with_others_on_the_cpu", (double)p->all.max * us, 1);
	out_num(&b->out, "windows", n, 0);
	out_num(&b->out, "windows_disturbed", disturbed, 0);
	out_row_end(&b->out);
}

bool section_latency(struct bench *b, char err[KS_ERR_LEN])
{
	struct options o = { .n_ports = 0 };
	struct stage s = { .r = { 0 } };
	struct paced *p = calloc(1, sizeof(*p));
	struct series series = { .n = 0 };
	unsigned disturbed = 0, n = b->quick ? 4 : 20;
	double lost, full;
	struct window w;
	bool ok;

	out_section(&b->out, "latency",
		    "From arrival to transmission at half load, 10,000 sessions, one worker");
	rig_options(&o, 1, true);
	ok = p != NULL && stage_open(&s, b, &o, &rig_fnat44, 10000, 0, err);
	for (unsigned i = 0; ok && i < b->windows; i++) {
		ok = measure_window(&b->m, &s.r, NULL, &w);
		series_add(&series, &w);
	}
	if (ok) {
		full = series_summary(&b->m, &series).mpps_all;
		/* two ports of a quarter each */
		random_gaps(p->gap, b->m.tsc_hz / (full * 1e6 / 4));
		ok = windows(b, &s, p, full / 2, n, &disturbed) && stage_clean(&s, 0, &lost, err);
		if (ok)
			put(b, p, full, n, disturbed);
	}
	stage_close(&s);
	free(p);
	out_section_end(&b->out);
	return ok;
}
