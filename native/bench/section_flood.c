/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYNs of ever new sources on a queue of their own, one burst in a turn, while 10,000 established
 * sessions send two: what do those cost before, during and after? The time from one call of the
 * generator to the next goes to the queue that was fetched from last, so each burst's cost is its
 * own queue's, sending included; what is measured of the established sessions holds what the flood
 * does to their caches, not the flood's own work. Time is the number of turns.
 */
#include <netinet/in.h>
#include <rte_launch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ahead.h"
#include "sections.h"

#define ESTABLISHED 10000u
#define SLICES      16u

struct flood {
	struct bench *b;
	struct stage s;
	struct gen_tuple *syn;
	uint32_t n, room;
	bool ahead; /* memory is touched ahead of the worker, as keelson-dataplane does */
	struct gen_clock clock;
	ks_ms now;
	uint64_t turns;
	double before[SLICES], during[SLICES], after[SLICES], syn_cycles[SLICES];
	uint64_t most_sessions;
	double bytes;
	double longest_turn_us;
	unsigned switches;
	uint64_t faults;
	uint64_t longest; /* TSC of a turn while the flood goes on */
};

static struct gen_queue *queue(struct flood *f, unsigned port, unsigned q)
{
	return &f->s.r.queue[port][q];
}

static double cost(const struct flood *f, const struct gen_spent *spent, uint64_t packets)
{
	return ((double)spent->cycles - f->b->m.stamp_cost * (double)spent->intervals) /
		(double)packets;
}

/* A thousand turns are a millisecond: about 30 million packets a second. */
static void turn(struct flood *f)
{
	struct lcore *l = &f->s.r.s->lcore[0];
	uint64_t start = rte_rdtsc(), took;

	f->now += ++f->turns % 1000 == 0;
	worker_turn(l, f->now);
	if (f->now >= l->timers_at)
		worker_timers(l, f->now);
	took = rte_rdtsc() - start;
	f->longest = took > f->longest ? took : f->longest;
}

/* So many turns; what a packet of the established sessions cost, and a SYN. */
static void slice(struct flood *f, uint32_t turns, double *established, double *syn)
{
	struct gen_queue *q[3] = { queue(f, 0, 0), queue(f, 1, 0), queue(f, 0, 1) };
	uint64_t rx[3];
	struct gen_spent both;

	for (unsigned i = 0; i < 3; i++) {
		q[i]->spent = (struct gen_spent){ 0, 0 };
		rx[i] = q[i]->rx;
	}
	f->clock.into = NULL;
	for (uint32_t i = 0; i < turns; i++)
		turn(f);
	for (unsigned i = 0; i < 3; i++)
		rx[i] = q[i]->rx - rx[i];
	both = (struct gen_spent){ q[0]->spent.cycles + q[1]->spent.cycles,
				   q[0]->spent.intervals + q[1]->spent.intervals };
	*established = cost(f, &both, rx[0] + rx[1]);
	if (syn != NULL)
		*syn = cost(f, &q[2]->spent, rx[2]);
}

/* Page faults of this thread so far. */
static uint64_t thread_faults(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) == 0 ? (uint64_t)(u.ru_minflt + u.ru_majflt) : 0;
}

static void note_most(struct flood *f)
{
	uint64_t n = rig_counter(&f->s.r, KS_C_SESSIONS);

	f->most_sessions = n > f->most_sessions ? n : f->most_sessions;
}

static int run(void *arg)
{
	struct flood *f = arg;
	struct gen_queue *q = queue(f, 0, 1);
	uint32_t turns = f->n / BURST / SLICES;
	double none;

	slice(f, turns, &none, NULL); /* warm-up */
	for (unsigned i = 0; i < SLICES; i++)
		slice(f, turns, &f->before[i], NULL);
	q->list = (struct gen_list){ .t = f->syn, .n = f->n, .kind = GEN_SYN };
	f->longest = 0;
	f->switches = thread_switches();
	f->faults = thread_faults();
	for (unsigned i = 0; i < SLICES; i++) {
		slice(f, turns, &f->during[i], &f->syn_cycles[i]);
		note_most(f);
	}
	f->faults = thread_faults() - f->faults;
	f->switches = thread_switches() - f->switches;
	f->longest_turn_us = (double)f->longest * 1e6 / f->b->m.tsc_hz;
	f->bytes = rig_session_bytes(&f->s.r, 1);
	q->list.n = q->list.at = 0;
	f->now += 60000; /* embryonic sessions are over, established ones are not */
	for (unsigned i = 0; i < 1000000 && rig_counter(&f->s.r, KS_C_SESSIONS) > ESTABLISHED;
	     i++) {
		worker_turn(&f->s.r.s->lcore[0], f->now);
		worker_timers(&f->s.r.s->lcore[0], f->now);
	}
	slice(f, turns, &none, NULL);
	for (unsigned i = 0; i < SLICES; i++)
		slice(f, turns, &f->after[i], NULL);
	return 0;
}

static void put(struct flood *f)
{
	struct out *o = &f->b->out;
	double before = median(f->before, SLICES), during = median(f->during, SLICES);
	const struct rig *r = &f->s.r;

	out_row(o);
	out_num(o, "sources", f->n, 0);
	out_num(o, "established", ESTABLISHED, 0);
	out_num(o, "table_room", f->room, 0);
	out_flag(o, "ahead", f->ahead);
	out_num(o, "before_cycles", before, 1);
	out_num(o, "during_cycles", during, 1);
	out_num(o, "during_cycles_max", f->during[SLICES - 1], 1);
	out_num(o, "after_cycles", median(f->after, SLICES), 1);
	out_num(o, "ratio", during / before, 3);
	out_num(o, "syn_cycles", median(f->syn_cycles, SLICES), 1);
	out_num(o, "longest_turn_us", f->longest_turn_us, 1);
	out_num(o, "switches", f->switches, 0);
	out_num(o, "faults", (double)f->faults, 0);
	out_num(o, "sessions_most", (double)f->most_sessions, 0);
	out_num(o, "table_mb", f->bytes / 1048576, 1);
	out_num(o, "refused",
		(double)rig_counter(r, (enum ks_counter)(KS_C_DROP_FIRST + KS_DROP_SESSION_FULL)),
		0);
	out_num(o, "sessions_after", (double)rig_counter(r, KS_C_SESSIONS), 0);
	out_num(o, "log_lines", (double)r->events, 0);
	out_flag(o, "met", during <= 1.1 * before);
	out_row_end(o);
}

/* Sources of 2^20 and more, each once. */
static bool name_sources(struct flood *f)
{
	f->syn = calloc(f->n, sizeof(*f->syn));
	for (uint32_t i = 0; f->syn != NULL && i < f->n; i++) {
		f->syn[i] = (struct gen_tuple){ .src = htonl(0x64000000u +
							     i * 2654435761u % 0x1000000u),
						.dst = htonl(RIG_VIP),
						.sport = htons((uint16_t)(1024 + i % 60000)),
						.dport = htons(RIG_VPORT) };
		gen_csum(&f->s.r.gen[0], GEN_SYN, &f->syn[i]);
	}
	return f->syn != NULL;
}

/* A table's memory may be that of the row before, present already (native/dpdk/memory.c keeps large
 * pieces): what this one has not used goes back to the kernel, so that every row's first touch is
 * one. In whole huge pages, which else would be broken up. */
static void untouch(struct ks_worker *w)
{
	const uintptr_t huge = (uintptr_t)2 << 20;
	struct ks_span span[KS_AHEAD_KINDS];

	ks_worker_ahead(w, 1u << 29, span);
	for (unsigned k = 0; k < KS_AHEAD_KINDS; k++) {
		uintptr_t from = ((uintptr_t)span[k].at + huge - 1) & ~(huge - 1);
		uintptr_t to = ((uintptr_t)span[k].at + span[k].len) & ~(huge - 1);

		if (from < to)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
}

/* As the main lcore of keelson-dataplane, this one sleeps meanwhile. */
static bool finished(unsigned lcore)
{
	while (rte_eal_get_lcore_state(lcore) == RUNNING)
		usleep(1000);
	return rte_eal_wait_lcore(lcore) == 0;
}

static bool one(struct bench *b, uint32_t sources, uint32_t room, bool ahead, char err[KS_ERR_LEN])
{
	struct flood f = { .b = b, .n = sources, .room = room, .ahead = ahead };
	struct options o = { .n_ports = 0 };
	struct ahead *a = NULL;
	struct worker_opts *w = &o.worker[0];
	bool ok;

	rig_options(&o, 1, true);
	ok = stage_open(&f.s, b, &o, &rig_fnat44, ESTABLISHED, room, err) && name_sources(&f);
	if (ok) {
		w = &f.s.r.s->o.worker[0];
		w->poll[w->n_polls++] = (struct poll_opts){ .port = 0, .queue = 1 };
		f.now = shell_now(f.s.r.s);
		untouch(f.s.r.s->lcore[0].core);
		a = ahead ? ahead_start(f.s.r.s) : NULL;
		queue(&f, 0, 0)->clock = queue(&f, 1, 0)->clock = queue(&f, 0, 1)->clock = &f.clock;
		ok = rte_eal_remote_launch(run, &f, f.s.r.s->lcore[0].lcore_id) == 0 &&
			finished(f.s.r.s->lcore[0].lcore_id);
	}
	ahead_stop(a);
	if (ok)
		put(&f);
	stage_close(&f.s);
	free(f.syn);
	return ok;
}

bool section_flood(struct bench *b, char err[KS_ERR_LEN])
{
	uint32_t sources = b->quick ? 1u << 16 : 1u << 20;
	bool ok;

	out_section(
		&b->out, "flood",
		"A SYN flood, every third packet, beside established sessions; cycles a packet of theirs. Room for all, then for a third; with memory touched ahead of the worker, and without");
	ok = one(b, sources, sources, true, err) && one(b, sources, sources, false, err) &&
		one(b, sources, sources / 3, true, err);
	out_section_end(&b->out);
	return ok;
}
