/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of many services replaced under traffic, as the main loop does it: ops, build,
 * publish, wait until the worker has left the old one, free that. Each swap has other real servers
 * than the one before. The worker notes the longest time from one turn to the next in each phase.
 */
#include <rte_launch.h>
#include <stdlib.h>
#include <unistd.h>

#include "sections.h"

#define MAX_PHASES 34u

struct phase {
	uint64_t longest; /* TSC from a turn's start to the next one's */
	unsigned switches;
};

struct spin {
	struct lcore *l;
	_Atomic unsigned phase; /* MAX_PHASES = stop */
	_Atomic unsigned reached;
	struct phase p[MAX_PHASES];
};

static int spin(void *arg)
{
	struct spin *s = arg;
	unsigned phase = atomic_load(&s->phase), switches = thread_switches();
	uint64_t last = rte_rdtsc();

	for (;;) {
		unsigned want = atomic_load_explicit(&s->phase, memory_order_relaxed);
		uint64_t tsc = rte_rdtsc();
		ks_ms now = clock_at(&s->l->clock, tsc);

		if (tsc - last > s->p[phase].longest)
			s->p[phase].longest = tsc - last;
		last = tsc;
		if (want != phase) {
			s->p[phase].switches = thread_switches() - switches;
			if (want == MAX_PHASES)
				return 0;
			switches += s->p[phase].switches;
			phase = want;
			atomic_store(&s->reached, phase);
			last = rte_rdtsc();
		}
		worker_turn(s->l, now);
		if (now >= s->l->timers_at)
			worker_timers(s->l, now);
	}
}

static void enter(struct spin *s, unsigned phase)
{
	atomic_store(&s->phase, phase);
	while (phase < MAX_PHASES && atomic_load(&s->reached) != phase)
		usleep(50);
}

struct times {
	double ops, build, publish, leave;
};

static double ms_since(const struct bench *b, uint64_t *tsc)
{
	uint64_t now = rte_rdtsc(), was = *tsc;

	*tsc = now;
	return (double)(now - was) * 1000 / b->m.tsc_hz;
}

static bool swap(struct bench *b, struct stage *s, uint8_t *in_use, struct times *t,
		 char err[KS_ERR_LEN])
{
	struct shell *sh = s->r.s;
	uint64_t tsc = rte_rdtsc();
	struct ks_conf *conf, *old;

	s->r.crowd.shift ^= 1;
	if (!rig_desire(&s->r, err))
		return false;
	t->ops = ms_since(b, &tsc);
	ks_shm_rs_in_use(sh->shm, in_use);
	conf = rig_build(&s->r, in_use, err);
	if (conf == NULL)
		return false;
	t->build = ms_since(b, &tsc);
	old = rig_publish(&s->r, conf);
	t->publish = ms_since(b, &tsc);
	while (atomic_load(&sh->lcore[0].seen) < atomic_load(&sh->published))
		rte_pause();
	ks_conf_free(old);
	ks_main_tick(s->r.main, conf, shell_now(sh));
	t->leave = ms_since(b, &tsc);
	return true;
}

struct pauses {
	double median, longest; /* us, of the phases in which no other thread had the CPU */
	double longest_of_all;
	unsigned disturbed;
};

static struct pauses pauses_of(const struct bench *b, const struct spin *sp, unsigned from,
			       unsigned to)
{
	struct pauses p = { .disturbed = 0 };
	double quiet[MAX_PHASES];
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		double us = (double)sp->p[i].longest * 1e6 / b->m.tsc_hz;

		p.longest_of_all = us > p.longest_of_all ? us : p.longest_of_all;
		if (sp->p[i].switches > 0)
			p.disturbed++;
		else
			quiet[n++] = us;
	}
	p.median = median(quiet, n);
	p.longest = n > 0 ? quiet[n - 1] : 0;
	return p;
}

static void put(struct bench *b, const struct stage *s, const struct spin *sp,
		const struct times *t, unsigned swaps, uint64_t rx, uint64_t lost)
{
	double ops[MAX_PHASES], build[MAX_PHASES], publish[MAX_PHASES], all[MAX_PHASES];
	struct pauses without = pauses_of(b, sp, 1, 1 + swaps),
		      with = pauses_of(b, sp, 1 + swaps, 1 + 2 * swaps);

	for (unsigned i = 0; i < swaps; i++) {
		ops[i] = t[i].ops;
		build[i] = t[i].build;
		publish[i] = t[i].publish;
		all[i] = t[i].ops + t[i].build + t[i].publish + t[i].leave;
	}
	out_row(&b->out);
	out_num(&b->out, "services", s->r.crowd.services, 0);
	out_num(&b->out, "servers", (double)s->r.crowd.services * s->r.crowd.servers, 0);
	out_num(&b->out, "swaps", swaps, 0);
	out_num(&b->out, "packets", (double)rx, 0);
	out_num(&b->out, "packets_lost", (double)lost, 0);
	out_num(&b->out, "ops_ms", median(ops, swaps), 1);
	out_num(&b->out, "build_ms", median(build, swaps), 1);
	out_num(&b->out, "publish_ms", median(publish, swaps), 1);
	out_num(&b->out, "total_ms", median(all, swaps), 1);
	out_num(&b->out, "total_ms_max", all[swaps - 1], 1);
	out_num(&b->out, "pause_us_median", with.median, 1);
	out_num(&b->out, "pause_us", with.longest, 1);
	out_num(&b->out, "pause_us_median_without_swaps", without.median, 1);
	out_num(&b->out, "pause_us_without_swaps", without.longest, 1);
	out_num(&b->out, "pause_us_with_others_on_the_cpu", with.longest_of_all, 1);
	out_num(&b->out, "swaps_disturbed", with.disturbed, 0);
	out_flag(&b->out, "met",
		 lost == 0 && median(all, swaps) <= 1000 && with.disturbed < swaps &&
			 (with.longest <= 100 || with.longest <= without.longest));
	out_row_end(&b->out);
}

static bool run(struct bench *b, struct stage *s, uint8_t *in_use, char err[KS_ERR_LEN])
{
	struct spin sp = { .l = &s->r.s->lcore[0] };
	struct times t[MAX_PHASES];
	unsigned swaps = b->quick ? 3 : 12;
	uint64_t rx = 0, tx = 0;
	bool ok = true;
	double lost;

	if (rte_eal_remote_launch(spin, &sp, s->r.s->lcore[0].lcore_id) != 0)
		return false;
	usleep(b->quick ? 10000 : 100000); /* phase 0: memory is touched for the first time */
	for (unsigned i = 0; i < swaps; i++) {
		enter(&sp, 1 + i);
		usleep(b->quick ? 5000 : 80000);
	}
	for (unsigned i = 0; ok && i < swaps; i++) {
		enter(&sp, 1 + swaps + i);
		ok = swap(b, s, in_use, &t[i], err);
		usleep(5000);
	}
	enter(&sp, MAX_PHASES);
	(void)rte_eal_wait_lcore(s->r.s->lcore[0].lcore_id);
	for (unsigned p = 0; p < GEN_PORTS; p++) {
		rx += s->r.queue[p][0].rx;
		tx += s->r.queue[p][0].tx;
	}
	ok = ok && stage_clean(s, 0, &lost, err);
	if (ok)
		put(b, s, &sp, t, swaps, rx, rx - tx);
	return ok;
}

bool section_swap(struct bench *b, char err[KS_ERR_LEN])
{
	struct stage s = { .r = { .crowd = { b->quick ? 500 : 10000, 10, 0 } } };
	struct options o = { .n_ports = 0 };
	uint8_t *in_use;
	bool ok;

	rig_options(&o, 1, true);
	o.max_services = s.r.crowd.services + 16;
	o.max_real_servers = 2 * s.r.crowd.services * s.r.crowd.servers + 64;
	in_use = calloc(o.max_real_servers, 1);
	out_section(
		&b->out, "swap",
		"Generations with other real servers in all services under traffic of 10,000 sessions, one worker");
	ok = in_use != NULL && stage_open(&s, b, &o, &rig_fnat44, 10000, 0, err) &&
		run(b, &s, in_use, err);
	stage_close(&s);
	free(in_use);
	out_section_end(&b->out);
	return ok;
}
