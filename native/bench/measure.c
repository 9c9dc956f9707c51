/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <math.h>
#include <rte_launch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STOLEN_MAX 0.01

struct job {
	const struct measure *m;
	struct rig *r;
	struct lcore *l;
	struct bare *bare;
	uint64_t warm_until, run_until;
	uint64_t tsc, rx_cycles, tx_cycles, calls, packets;
	double cpu;
	unsigned switches;
};

double thread_cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

unsigned thread_switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (unsigned)u.ru_nivcsw;
}

void measure_init(struct measure *m, double warm_ms, double run_ms)
{
	*m = (struct measure){ .stamp_cost = gen_stamp_cost(),
			       .tsc_hz = (double)rte_get_tsc_hz(),
			       .warm_ms = warm_ms,
			       .run_ms = run_ms };
}

static void turns_until(struct job *j, uint64_t end)
{
	struct lcore *l = j->l;

	for (;;) {
		uint64_t tsc = rte_rdtsc();
		ks_ms now = clock_at(&l->clock, tsc);

		if (tsc >= end)
			return;
		if (j->bare != NULL) {
			bare_turn(j->bare, j->r->gen, (uint16_t)l->index);
			continue;
		}
		worker_turn(l, now);
		if (now >= l->timers_at)
			worker_timers(l, now);
	}
}

static void add_queues(struct job *j, int sign)
{
	for (unsigned p = 0; p < GEN_PORTS; p++) {
		const struct gen_queue *q = &j->r->queue[p][j->l->index];

		j->rx_cycles += (uint64_t)sign * q->rx_cycles;
		j->tx_cycles += (uint64_t)sign * q->tx_cycles;
		j->calls += (uint64_t)sign * q->calls;
		j->packets += (uint64_t)sign * q->rx;
	}
}

static int run(void *arg)
{
	struct job *j = arg;
	unsigned switches;
	uint64_t start;

	turns_until(j, j->warm_until);
	switches = thread_switches();
	add_queues(j, -1);
	j->cpu = -thread_cpu_seconds();
	start = gen_stamp();
	turns_until(j, j->run_until);
	j->tsc = gen_stamp() - start;
	j->cpu += thread_cpu_seconds();
	j->switches = thread_switches() - switches;
	add_queues(j, 1);
	return 0;
}

/* What is still in the rings goes out, so that the next window does not begin with it. */
static void drain(struct rig *r)
{
	struct gen_list keep[GEN_PORTS][KS_MAX_WORKERS];

	for (unsigned p = 0; p < GEN_PORTS; p++)
		for (unsigned w = 0; w < r->s->n_workers; w++) {
			keep[p][w] = r->queue[p][w].list;
			r->queue[p][w].list.n = 0;
		}
	for (unsigned k = 0; k < 256; k++)
		rig_turn_all(r, shell_now(r->s));
	for (unsigned p = 0; p < GEN_PORTS; p++)
		for (unsigned w = 0; w < r->s->n_workers; w++)
			r->queue[p][w].list = keep[p][w];
}

bool measure_window(const struct measure *m, struct rig *r, struct bare *bare, struct window *out)
{
	struct job jobs[KS_MAX_WORKERS];
	uint64_t now = rte_rdtsc() + (uint64_t)(m->tsc_hz / 1000);

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < r->s->n_workers; i++) {
		jobs[i] = (struct job){
			.m = m, .r = r, .l = &r->s->lcore[i], .bare = bare == NULL ? NULL : &bare[i]
		};
		jobs[i].warm_until = now + (uint64_t)(m->tsc_hz * m->warm_ms / 1000);
		jobs[i].run_until = jobs[i].warm_until + (uint64_t)(m->tsc_hz * m->run_ms / 1000);
		if (rte_eal_remote_launch(run, &jobs[i], r->s->lcore[i].lcore_id) != 0)
			return false;
	}
	for (unsigned i = 0; i < r->s->n_workers; i++) {
		const struct job *j = &jobs[i];
		double stolen, overhead;

		while (rte_eal_get_lcore_state(r->s->lcore[i].lcore_id) == RUNNING)
			usleep(1000); /* this CPU may be wanted by a worker */
		(void)rte_eal_wait_lcore(r->s->lcore[i].lcore_id);
		overhead = (double)j->calls * m->stamp_cost;
		stolen = 1 - j->cpu * m->tsc_hz / (double)j->tsc;
		out->packets += j->packets;
		out->cycles += (double)j->tsc - (double)(j->rx_cycles + j->tx_cycles) - overhead;
		out->gen_rx += (double)j->rx_cycles;
		out->gen_tx += (double)j->tx_cycles;
		out->seconds = fmax(out->seconds, (double)j->tsc / m->tsc_hz);
		out->switches += j->switches;
		out->stolen = fmax(out->stolen, stolen);
	}
	if (bare == NULL && r->s->n_workers > 1)
		drain(r);
	return true;
}

void series_add(struct series *s, const struct window *w)
{
	if (s->n < MAX_WINDOWS)
		s->w[s->n++] = *w;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, unsigned n)
{
	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

struct summary series_summary(const struct measure *m, const struct series *s)
{
	double cycles[MAX_WINDOWS], rx[MAX_WINDOWS], tx[MAX_WINDOWS], mpps[MAX_WINDOWS];
	struct summary sum = { .windows = s->n };
	bool all = false;
	unsigned n = 0;

again:
	for (unsigned i = 0; i < s->n; i++) {
		const struct window *w = &s->w[i];

		if (w->packets == 0 || (!all && w->stolen > STOLEN_MAX))
			continue;
		cycles[n] = w->cycles / (double)w->packets;
		rx[n] = w->gen_rx / (double)w->packets;
		tx[n] = w->gen_tx / (double)w->packets;
		mpps[n++] = (double)w->packets / w->seconds / 1e6;
	}
	sum.thrown_away = s->n - n;
	if (n == 0 && s->n > 0 && !all) { /* a machine so busy that there is no quiet window: use
					     what there is, and say so */
		all = true;
		goto again;
	}
	if (all)
		sum.thrown_away = s->n;
	if (n == 0)
		return sum;
	sum.cycles = median(cycles, n);
	sum.min = cycles[0];
	sum.max = cycles[n - 1];
	sum.gen_rx = median(rx, n);
	sum.gen_tx = median(tx, n);
	sum.mpps_all = median(mpps, n);
	sum.mpps_cpu = m->tsc_hz / sum.cycles / 1e6;
	return sum;
}
