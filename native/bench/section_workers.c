/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several workers at a time, each on a CPU of its own as far as there are any: packets at the
 * worker that owns their session, then at any worker. The difference, shared out among the packets
 * that changed worker, is what handing one over costs: both ends of the ring and the lines that
 * move between the CPUs.
 */
#include "sections.h"

static bool series_of(struct bench *b, struct stage *s, struct summary *sum)
{
	struct series series = { .n = 0 };
	struct window w;

	for (unsigned i = 0; i < b->windows; i++) {
		if (!measure_window(&b->m, &s->r, NULL, &w))
			return false;
		series_add(&series, &w);
	}
	*sum = series_summary(&b->m, &series);
	return true;
}

static void put(struct bench *b, unsigned workers, uint32_t n, const struct summary *own,
		const struct summary *any, double handed, double lost)
{
	out_row(&b->out);
	out_num(&b->out, "workers", workers, 0);
	out_num(&b->out, "sessions", n, 0);
	out_num(&b->out, "owner_cycles", own->cycles, 1);
	out_num(&b->out, "owner_cycles_min", own->min, 1);
	out_num(&b->out, "owner_mpps_seen", own->mpps_all, 1);
	out_num(&b->out, "any_cycles", any->cycles, 1);
	out_num(&b->out, "any_cycles_min", any->min, 1);
	out_num(&b->out, "any_mpps_seen", any->mpps_all, 1);
	out_num(&b->out, "handed_over", handed, 3);
	out_num(&b->out, "ring_full", lost, 4);
	out_num(&b->out, "handover_cycles", handed > 0 ? (any->cycles - own->cycles) / handed : 0,
		1);
	out_num(&b->out, "handover_cycles_min", handed > 0 ? (any->min - own->min) / handed : 0, 1);
	out_num(&b->out, "windows_thrown_away", own->thrown_away + any->thrown_away, 0);
	out_row_end(&b->out);
}

static bool one(struct bench *b, unsigned workers, uint32_t n, char err[KS_ERR_LEN])
{
	struct options o = { .n_ports = 0 };
	struct stage s = { .r = { 0 } };
	struct summary own = { .cycles = 0 }, any;
	double lost = 0, handed = 0;
	uint64_t rx, out;
	bool ok;

	rig_options(&o, workers, true);
	for (unsigned i = 0; i < workers; i++)
		o.worker[i].lcore = b->eal->worker[i].lcore;
	ok = stage_open(&s, b, &o, &rig_fnat44, n, 0, err) && series_of(b, &s, &own);
	any = own;
	if (ok && workers > 1) {
		flows_play(&s.f, STEER_ANY);
		rx = rig_counter(&s.r, KS_C_RX_PACKETS);
		out = rig_counter(&s.r, KS_C_HANDED_OUT);
		ok = series_of(b, &s, &any) && stage_clean(&s, rx, &lost, err);
		handed = (double)(rig_counter(&s.r, KS_C_HANDED_OUT) - out) /
			(double)(rig_counter(&s.r, KS_C_RX_PACKETS) - rx);
	}
	if (ok)
		put(b, workers, n, &own, &any, handed, lost);
	stage_close(&s);
	return ok;
}

bool section_workers(struct bench *b, char err[KS_ERR_LEN])
{
	static const uint32_t sizes[] = { 1000, 100000 };
	static const unsigned workers[] = { 1, 2, 4 };
	bool ok = true;

	out_section(
		&b->out, "workers",
		"FNAT44 by several workers at a time; cycles a packet of each, owner: no packet changes worker, any: packets arrive at any");
	for (unsigned i = 0; ok && i < (b->quick ? 1 : 2); i++)
		for (unsigned k = 0; ok && k < 3; k++)
			ok = workers[k] > b->eal->n_workers || one(b, workers[k], sizes[i], err);
	out_section_end(&b->out);
	return ok;
}
